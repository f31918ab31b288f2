"""Which bucket and which key a request means: in its path, or the bucket in its host name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from seatrial.platform.services.s3.errors import S3Error

BASE_HOSTS = ("localhost", "127.0.0.1")
"""Hosts below which a name is a bucket's; ``s3.`` may stand between."""

_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def split_address(host: str, raw_path: bytes, base_hosts: Sequence[str] = BASE_HOSTS) -> tuple[str, str]:
    """Bucket and key of a request; both may be empty.

    Args:
        host: The header.
        raw_path: As it was sent, without the query.
        base_hosts: The server's own names.

    Raises:
        S3Error: ``InvalidURI``.
    """
    try:
        path = unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI") from None
    path = path.removeprefix("/")
    bucket = bucket_of_host(host, base_hosts)
    if bucket:
        return bucket, path
    bucket, _, key = path.partition("/")
    return bucket, key


def check_bucket_name(name: str) -> None:
    """Refuse what S3 refuses as the name of a new general purpose bucket.

    Raises:
        S3Error: ``InvalidBucketName``.

    Source:
        S3 user guide, "General purpose bucket naming rules".
    """
    is_fine = (
        _BUCKET_NAME.fullmatch(name) is not None
        and ".." not in name
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
        and not _is_address(name)
    )
    if not is_fine:
        raise S3Error("InvalidBucketName", BucketName=name)


def bucket_of_host(host: str, base_hosts: Sequence[str] = BASE_HOSTS) -> str:
    """The bucket in a ``Host`` header; empty when it names none."""
    name = host.partition(":")[0].lower()
    for base in base_hosts:
        if name.endswith("." + base):
            bucket = name[: -len(base) - 1]
            return "" if bucket == "s3" else bucket.removesuffix(".s3")
    return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True

"""What becomes of the headers and query parameters that S3's model has beyond those of HTTP: for the log and the page.

A header of S3 that stands nowhere here has no effect, which the log says once for each kind of request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

KEPT = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
)
"""They come back as they were sent. Nothing is encrypted and there is one class of storage."""

REFUSED_PREFIXES = (
    "x-amz-object-lock-",
    "x-amz-server-side-encryption-customer-",
    "x-amz-server-side-encryption-context",
    "x-amz-copy-source-server-side-encryption-customer-",
    "x-amz-write-offset-bytes",
)
"""They ask for what changes an outcome and is not done here."""

REFUSED_VALUES = ("x-amz-bucket-object-lock-enabled",)
"""Refused when it is true."""

ACTED_ON_PREFIXES = ("x-amz-checksum-", "x-amz-copy-source", "x-amz-grant-", "x-amz-meta-")
ACTED_ON = (
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-metadata-directive",
    "x-amz-object-attributes",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-source-expected-bucket-owner",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-trailer",
)
_OF_THE_CLIENT = ("x-amz-date", "x-amz-security-token", "x-amz-user-agent", "x-amz-id-2", "x-amz-request-id")
"""They belong to signing and tracing, and ask for nothing."""

_SILENT = frozenset((*ACTED_ON, *REFUSED_VALUES, *_OF_THE_CLIENT))
_SILENT_PREFIXES = (*ACTED_ON_PREFIXES, *REFUSED_PREFIXES)


def lines_of_no_effect(method: str, level: str, headers: Iterable[str]) -> Iterator[str]:
    """The line of the log for each header that nothing acts on.

    Args:
        method: HTTP's.
        level: ``service``, ``bucket`` or ``object``.
        headers: Their names, in lower case.
    """
    for name in headers:
        if not name.startswith("x-amz-") or name in _SILENT:
            continue
        if name in KEPT:
            yield f"{name} of a {method} of an S3 {level} is kept and given back, nothing acts on it"
        elif not name.startswith(_SILENT_PREFIXES):
            yield f"{name} of a {method} of an S3 {level} has no effect here"

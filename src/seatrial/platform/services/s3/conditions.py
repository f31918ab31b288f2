"""Conditional reads.

Source: Amazon S3 API reference, GetObject, and RFC 9110 section 13.2.2 for the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from seatrial.objects.base import Condition, ObjectInfo, etag_matches
from seatrial.platform.services.s3.errors import S3Error


def is_not_modified(headers: Mapping[str, str], info: ObjectInfo, *, prefix: str = "") -> bool:
    """Whether the client has the object already.

    Args:
        headers: Of the request.
        info: The object.
        prefix: ``x-amz-copy-source-`` for the source of a copy.

    Raises:
        S3Error: ``PreconditionFailed``.
    """
    if_match = headers.get(f"{prefix}if-match")
    unmodified_since = _seconds(headers.get(f"{prefix}if-unmodified-since"))
    if if_match is not None:
        if not etag_matches(if_match, info.etag):
            raise S3Error("PreconditionFailed", Condition="If-Match")
    elif unmodified_since is not None and _modified(info) > unmodified_since:
        raise S3Error("PreconditionFailed", Condition="If-Unmodified-Since")
    if_none_match = headers.get(f"{prefix}if-none-match")
    if if_none_match is not None:
        return etag_matches(if_none_match, info.etag)
    modified_since = _seconds(headers.get(f"{prefix}if-modified-since"))
    return modified_since is not None and _modified(info) <= modified_since


def write_condition(headers: Mapping[str, str]) -> Condition:
    """The condition of a put or a delete.

    Raises:
        S3Error: ``NotImplemented``: a put with ``If-None-Match`` takes ``*`` only.
    """
    if_none_match = headers.get("if-none-match")
    if if_none_match not in (None, "*"):
        raise S3Error("NotImplemented", Header="If-None-Match")
    return Condition(if_match=headers.get("if-match"), if_none_match=if_none_match)


def _modified(info: ObjectInfo) -> int:
    return info.modified_ns // 1_000_000_000


def _seconds(date: str | None) -> int | None:
    """What is no date is no condition."""
    if date is None:
        return None
    try:
        return int(parsedate_to_datetime(date).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None

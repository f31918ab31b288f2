"""The ``Range`` header."""

from __future__ import annotations

import re

from seatrial.platform.services.s3.errors import S3Error

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def parse_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """Offset and length of what is asked for; ``None`` for the whole object.

    S3 answers several ranges, and what is no range, with the whole object.

    Raises:
        S3Error: ``InvalidRange``: nothing of it is in the object.
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if header is None or match is None or (not match[1] and not match[2]):
        return None
    if match[1]:
        first = int(match[1])
        last = min(int(match[2]), size_bytes - 1) if match[2] else size_bytes - 1
        if match[2] and int(match[2]) < first:
            return None
    else:
        first = max(0, size_bytes - int(match[2]))
        last = size_bytes - 1 if int(match[2]) else -1
    if first >= size_bytes or last < first:
        raise S3Error("InvalidRange", RangeRequested=header, ActualObjectSize=str(size_bytes))
    return first, last - first + 1


def parse_copy_range(header: str, size_bytes: int) -> tuple[int, int]:
    """Offset and length of ``x-amz-copy-source-range``, which has to be inside the object.

    Raises:
        S3Error: ``InvalidArgument`` or ``InvalidRange``.
    """
    match = _ONE_RANGE.fullmatch(header.strip())
    if match is None or not match[1] or not match[2] or int(match[2]) < int(match[1]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    first, last = int(match[1]), int(match[2])
    if last >= size_bytes:
        raise S3Error(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size_bytes}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    return first, last - first + 1

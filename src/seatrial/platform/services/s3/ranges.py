"""The ``Range`` header."""

from __future__ import annotations

import re

from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.wire.numbers import parse_digits

_ONE_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")


def parse_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """Offset and length of what is asked for; ``None`` for the whole object.

    S3 answers several ranges, and what is no range, with the whole object.

    Raises:
        S3Error: ``InvalidRange``: nothing of it is in the object.
    """
    match = _ONE_RANGE.fullmatch(header.strip()) if header else None
    if header is None or match is None or (not match[1] and not match[2]):
        return None
    first, last = parse_digits(match[1]), parse_digits(match[2])
    if first is None:  # the last bytes, as many as the second number says
        first, last = max(0, size_bytes - (last or 0)), size_bytes - 1 if last else -1
    elif last is None:
        last = size_bytes - 1
    elif last < first:
        return None
    else:
        last = min(last, size_bytes - 1)
    if first >= size_bytes or last < first:
        raise S3Error("InvalidRange", RangeRequested=header, ActualObjectSize=str(size_bytes))
    return first, last - first + 1


def parse_copy_range(header: str, size_bytes: int) -> tuple[int, int]:
    """Offset and length of ``x-amz-copy-source-range``, which has to be inside the object.

    Raises:
        S3Error: ``InvalidArgument`` or ``InvalidRange``.
    """
    match = _ONE_RANGE.fullmatch(header.strip())
    first, last = (parse_digits(match[1]), parse_digits(match[2])) if match else (None, None)
    if first is None or last is None or last < first:
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    if last >= size_bytes:
        raise S3Error(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size_bytes}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    return first, last - first + 1

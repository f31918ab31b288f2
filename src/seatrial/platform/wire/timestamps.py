"""Points in time on the wire: epoch seconds, ISO 8601, and HTTP dates. In Python they are aware UTC datetimes."""

from __future__ import annotations

import datetime
import re
from email.utils import format_datetime, parsedate_to_datetime

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def parse_timestamp(value: object) -> datetime.datetime:
    """Read a timestamp in any form that AWS accepts.

    Args:
        value: Seconds since 1970 as a number, or a text: such a number, ISO 8601 (UTC when it has no offset), or an
            HTTP date. More than microseconds are rounded.

    Raises:
        ValueError: it is none of these, or lies outside the years 1 to 9999.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no timestamp")
    if not isinstance(value, str):
        return _from_epoch(value)
    text = value.strip()
    if found := _ISO_8601.fullmatch(text):
        return _from_iso_8601(found)
    try:
        return _from_epoch(float(text))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        raise ValueError(f"{value!r} is no timestamp") from None
    return when.replace(tzinfo=when.tzinfo or datetime.timezone.utc).astimezone(datetime.timezone.utc)


def _from_epoch(seconds: float) -> datetime.datetime:
    try:
        return _EPOCH + datetime.timedelta(microseconds=round(seconds * 1_000_000))
    except (OverflowError, ValueError):  # also for nan and infinity
        raise ValueError(f"{seconds!r} lies outside the years 1 to 9999") from None


def _from_iso_8601(found: re.Match[str]) -> datetime.datetime:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    microsecond = round(int((fraction or "0").ljust(9, "0")) / 1000)
    whole = datetime.datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        tzinfo=datetime.timezone.utc,
    )
    shift = datetime.timedelta(microseconds=microsecond)
    if offset and offset != "Z":
        sign = -1 if offset[0] == "+" else 1
        shift += sign * datetime.timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    try:
        return whole + shift
    except OverflowError:
        raise ValueError(f"{found[0]!r} lies outside the years 1 to 9999") from None


def to_epoch(when: datetime.datetime) -> float:
    """Seconds since 1970, in milliseconds as AWS's answers have them; a whole second is an integer."""
    seconds = round((when - _EPOCH).total_seconds(), 3)
    return int(seconds) if seconds == int(seconds) else seconds


def render_timestamp(when: datetime.datetime, form: str) -> str:
    """Write a timestamp as text.

    Args:
        when: Aware.
        form: botocore's ``timestampFormat``: ``iso8601``, ``rfc822`` or ``unixTimestamp``.
    """
    when = when.astimezone(datetime.timezone.utc)
    if form == "rfc822":
        return format_datetime(when.replace(microsecond=0), usegmt=True)
    if form.lower() == "unixtimestamp":
        return str(to_epoch(when))
    milliseconds = f".{when.microsecond // 1000:03d}" if when.microsecond >= 1000 else ""
    return f"{when:%Y-%m-%dT%H:%M:%S}{milliseconds}Z"

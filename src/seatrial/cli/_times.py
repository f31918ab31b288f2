"""Times and durations as the commands print and read them."""

from __future__ import annotations

import datetime
import re

_UTC = datetime.timezone.utc
_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_TENTHS_BELOW_SECONDS = 9.95
_UNIT_SECONDS = {"s": 1, "m": _MINUTE, "h": _HOUR, "d": _DAY, "w": 7 * _DAY}
_SPAN = re.compile(r"(?:\d{1,9}[smhdw])+", re.ASCII)


def render_duration(seconds: float) -> str:
    """At most seven characters up to 99 days: ``1.4 s``, ``42 s``, ``3m 20s``, ``2h 05m``, ``12d 04h``."""
    if seconds < _TENTHS_BELOW_SECONDS:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02}h"


def render_time(moment: datetime.datetime) -> str:
    """To the second, in the zone of this machine."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def render_short_time(moment: datetime.datetime, now: datetime.datetime) -> str:
    """As ``ls -l``: ``Nov 23 14:22``, and ``Nov 23  2025`` of another year; in the zone of this machine."""
    local = moment.astimezone()
    return local.strftime("%b %d %H:%M" if local.year == now.astimezone().year else "%b %d  %Y")


def render_timestamp(milliseconds: int) -> str:
    """As RFC 3339 writes it, in UTC: ``2026-11-23T14:22:05.123Z``."""
    moment = datetime.datetime.fromtimestamp(milliseconds // 1000, _UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def parse_since(text: str, now: datetime.datetime) -> datetime.datetime:
    """A span before ``now`` (``90s``, ``10m``, ``1h30m``, ``2d``, ``1w``) or an ISO 8601 time.

    A time without a zone is one of this machine's zone.

    Raises:
        ValueError: it is neither, or lies before the calendar's beginning.
    """
    try:
        if _SPAN.fullmatch(text):
            parts = re.findall(r"(\d+)(\w)", text)
            return now - datetime.timedelta(seconds=sum(int(count) * _UNIT_SECONDS[unit] for count, unit in parts))
        # Python 3.10 reads no Z.
        return datetime.datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text)).astimezone()
    except OverflowError as error:
        raise ValueError(str(error)) from error

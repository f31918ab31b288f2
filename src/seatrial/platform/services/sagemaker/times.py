"""Times: seconds since the epoch in the store, aware datetimes in a response."""

from __future__ import annotations

import datetime
from typing import Any


def moment(seconds: float) -> datetime.datetime:
    """The time of a number of seconds since the epoch, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def with_times(response: dict[str, Any]) -> dict[str, Any]:
    """The response with every member whose name ends in ``Time`` or ``Timestamp`` as a datetime, at any depth."""
    return {name: _converted(name, value) for name, value in response.items()}


def _converted(name: str, value: Any) -> Any:  # noqa: ANN401 (JSON values)
    if isinstance(value, float) and name.endswith(("Time", "Timestamp")):
        return moment(value)
    if isinstance(value, dict):
        return with_times(value)
    if isinstance(value, list):
        return [_converted("", one) for one in value]
    return value

"""Times of the daemon's log, from one form into the other."""

import pytest

from seatrial.engines.docker_handle import unix_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1970-01-01T00:00:01.000000001Z", "1.000000001"),
        (b"2026-11-23T16:00:00.123456789Z", "1795449600.123456789"),
        (b"2026-11-23T16:00:00.5Z", "1795449600.5"),
        (b"2026-11-23T16:00:00Z", "1795449600.0"),
    ],
)
def test_unix_time_loses_no_digit(text: bytes, seconds: str) -> None:
    assert unix_time(text) == seconds

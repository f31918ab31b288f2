"""Times and durations, printed and read."""

import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli._times import parse_since, render_duration, render_short_time, render_timestamp

NOW = datetime.datetime(2026, 11, 23, 14, 22, 5, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-0.2, "0.0 s"),
        (1.44, "1.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1m 00s"),
        (200, "3m 20s"),
        (3599.7, "1h 00m"),
        (7500, "2h 05m"),
        (86_400, "1d 00h"),
        (12 * 86_400 + 4 * 3600, "12d 04h"),
    ],
)
def test_render_duration(seconds: float, shown: str) -> None:
    assert render_duration(seconds) == shown


@given(st.floats(min_value=0, max_value=99 * 86_400, allow_nan=False))
def test_render_duration_never_needs_more_than_seven_characters(seconds: float) -> None:
    assert len(render_duration(seconds)) <= 7


def test_render_short_time_of_another_year_names_the_year() -> None:
    assert render_short_time(NOW, NOW)[-3] == ":"
    assert render_short_time(NOW, NOW.replace(year=2028)).endswith("  2026")


def test_render_timestamp_has_milliseconds_and_is_utc() -> None:
    assert render_timestamp(1_795_443_725_007) == "2026-11-23T14:22:05.007Z"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("1w", 604_800), ("0s", 0)]
)
def test_parse_since_a_span_counts_back_from_now(text: str, seconds: int) -> None:
    assert parse_since(text, NOW) == NOW - datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["2026-11-23T14:22:05Z", "2026-11-23T15:22:05+01:00", "2026-11-23 14:22:05+00:00"])
def test_parse_since_a_time_with_a_zone_is_that_moment(text: str) -> None:
    assert parse_since(text, NOW) == NOW


def test_parse_since_a_time_without_a_zone_is_of_this_machine() -> None:
    assert parse_since("2026-11-23T14:22", NOW) == datetime.datetime(2026, 11, 23, 14, 22).astimezone()


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "yesterday", "-10m", "999999999w", "\u0661m"])
def test_parse_since_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (of several makers)
        parse_since(text, NOW)


@given(st.text() | st.from_regex(r"[0-9TZ:+.smhdw-]*", fullmatch=True))
def test_parse_since_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_since(text, NOW).tzinfo is not None

"""Digits of a client, however many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.wire.numbers import NUMBER_MAX, parse_digits


@given(st.integers(0, 1 << 80), st.integers(0, 30))
def test_number_is_itself_or_the_largest(number: int, zeros: int) -> None:
    assert parse_digits("0" * zeros + str(number)) == min(number, NUMBER_MAX)


def test_thousands_of_digits_are_read() -> None:
    assert parse_digits("9" * 5000) == NUMBER_MAX
    assert parse_digits("0" * 5000 + "7") == 7


@pytest.mark.parametrize("text", ["", "²", "٣", "-1", "+1", " 1", "1_0", "1.0"])
def test_anything_else_is_none(text: str) -> None:
    assert parse_digits(text) is None

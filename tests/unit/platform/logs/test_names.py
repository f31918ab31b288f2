from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.platform.logs.names import may_begin_with, quote_name, quote_prefix, unquote_name


@given(st.text(min_size=1))
@example("..")
@example(".")
@example("../../etc/passwd")
@example("/aws/sagemaker/TrainingJobs")
@example("a\0b")
@example("~" * 20)
@example("😀" * 300)
def test_quote_name_is_one_harmless_path_component(name: str) -> None:
    quoted = quote_name(name)

    assert quoted.isascii()
    assert len(quoted) <= 200
    assert os.sep not in quoted
    assert "\0" not in quoted
    assert not quoted.startswith(".")
    assert unquote_name(quoted) in (name, None)
    if len(name) < 16:
        assert unquote_name(quoted) == name


@given(st.text(min_size=1), st.text(min_size=1))
def test_quote_name_of_two_names_differs(one: str, other: str) -> None:
    assert (quote_name(one) == quote_name(other)) == (one == other)


@given(st.text(min_size=1), st.integers(0, 300), st.sampled_from(["", "x" * 300, "/" * 100]))
def test_may_begin_with_a_prefix_of_the_name_is_true(name: str, length: int, tail: str) -> None:
    name += tail

    assert may_begin_with(quote_name(name), quote_prefix(name[:length]))


def test_may_begin_with_another_prefix_is_false() -> None:
    assert not may_begin_with(quote_name("job-a/algo-1-1"), quote_prefix("job-b"))


def test_quote_name_without_a_name_raises() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        quote_name("")

"""Which columns fit a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli._columns import FOLDED_MIN, GAP, fitting_columns, value_goes_below

NAME, STATUS, SECONDARY, CREATED, DURATION = range(5)
WIDTHS = (10, 9, 9, 12, 8)
OPTIONAL = (SECONDARY, DURATION, CREATED)


@pytest.mark.parametrize(
    ("available", "kept"),
    [
        (56, [NAME, STATUS, SECONDARY, CREATED, DURATION]),
        (55, [NAME, STATUS, CREATED, DURATION]),
        (44, [NAME, STATUS, CREATED]),
        (34, [NAME, STATUS]),
        (20, None),
    ],
)
def test_columns_of_jobs_go_in_their_order_and_the_name_last(available: int, kept: list[int] | None) -> None:
    assert fitting_columns(WIDTHS, available, optional=OPTIONAL) == kept


@given(
    st.lists(st.integers(0, 80), min_size=1, max_size=6),
    st.integers(1, 200),
    st.sets(st.integers(0, 5)),
    st.integers(0, 5),
)
def test_what_is_kept_fits_and_holds_every_column_that_must_stay(
    widths: list[int], available: int, optional: set[int], folding: int
) -> None:
    optional = {index for index in optional if index < len(widths)}
    kept = fitting_columns(widths, available, optional=sorted(optional), folding=folding)

    needed = [min(width, FOLDED_MIN) if index == folding else width for index, width in enumerate(widths)]
    must_stay = [index for index in range(len(widths)) if index not in optional]
    if kept is None:
        assert sum(needed[index] for index in must_stay) + GAP * (len(must_stay) - 1) > available
    else:
        assert kept == sorted(kept)
        assert set(must_stay) <= set(kept)
        assert sum(needed[index] for index in kept) + GAP * (len(kept) - 1) <= available


@pytest.mark.parametrize(
    ("label", "value", "available", "is_below"),
    [(19, 40, 40, True), (19, 9, 40, False), (19, 40, 80, False), (50, 4, 40, True)],
)
def test_long_value_goes_below_its_label_where_little_room_is_left(
    label: int, value: int, available: int, is_below: bool
) -> None:
    assert value_goes_below(label, value, available) is is_below

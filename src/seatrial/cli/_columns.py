"""What of a table and of a list of pairs fits a terminal: decisions over widths, which nobody has to print."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 2
"""Empty places between columns."""
FOLDED_MIN = 20
"""A column whose cells are broken is never narrower than this, unless they all are."""


def fitting_columns(
    widths: Sequence[int], available: int, *, optional: Sequence[int] = (), folding: int | None = None
) -> list[int] | None:
    """The columns that fit side by side, each as wide as its widest cell.

    Args:
        widths: Of the widest cell of each column.
        available: Places on a line.
        optional: Columns that may be left out, the first of them first.
        folding: The column whose cells may be broken.

    Returns:
        Indices in their order; ``None`` when even the others are too wide together.
    """
    needed = [min(width, FOLDED_MIN) if index == folding else width for index, width in enumerate(widths)]
    left_out: set[int] = set()
    for one in (None, *optional):
        if one is not None:
            left_out.add(one)
        kept = [index for index in range(len(widths)) if index not in left_out]
        if sum(needed[index] for index in kept) + GAP * (len(kept) - 1) <= available:
            return kept
    return None


def value_goes_below(label_width: int, value_width: int, available: int) -> bool:
    """Whether a value stands below its label: it does not fit beside it, and more than half of the line is gone."""
    room = available - label_width - GAP
    return value_width > room and 2 * room < available

"""What needs pandas, which is imported only when ``predict_fn`` asks for a DataFrame."""

from __future__ import annotations

import io
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from seatrial.core.errors import UserCodeError
from seatrial.runtime.serving.codecs.codec import MalformedBodyError, excerpt

if TYPE_CHECKING:
    import pandas as pd

    from seatrial.runtime.serving.codecs.csv_structure import Shape

MAX_COLUMNS = 32_768
"""pandas takes some 50 µs a column: a body of a few megabytes that is one line would take a minute."""


def read_csv(body: bytes, shape: Shape) -> pd.DataFrame:
    """Give each column its type: numbers where every field is one, otherwise text.

    Args:
        body: UTF-8, without empty lines, every record of one width.
        shape: What ``csv_structure`` found.
    """
    pandas = _pandas()
    _check_width(shape.field_count)
    try:
        frame: pd.DataFrame = pandas.read_csv(
            io.BytesIO(body),
            header=None,
            names=range(shape.field_count),
            index_col=False,
            skip_blank_lines=False,
            low_memory=False,
        )
    except (ValueError, OverflowError, RecursionError) as error:
        raise _refused(error) from None
    if frame.shape != (shape.record_count, shape.field_count):
        raise _refused(f"{frame.shape[0]} records of {frame.shape[1]} fields")
    return frame


def from_rows(rows: Sequence[Any]) -> pd.DataFrame:
    """Make a frame of equally long lists; the columns are numbered from 0."""
    pandas = _pandas()
    _check_width(len(rows[0]))
    try:
        return pandas.DataFrame(rows)  # type: ignore[no-any-return]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _refused(error) from None


def from_columns(columns: dict[Any, Any]) -> pd.DataFrame:
    """Make a frame of equally long columns."""
    _check_width(len(columns))
    return _pandas().DataFrame(columns)  # type: ignore[no-any-return]


def _check_width(column_count: int) -> None:
    if column_count > MAX_COLUMNS:
        raise MalformedBodyError(
            "malformed-body",
            "the records are too wide for a DataFrame",
            found=f"{column_count:,} columns",
            expected=f"at most {MAX_COLUMNS:,}",
            fix="annotate predict_fn's data as numpy.ndarray",
        )


def _refused(found: object) -> MalformedBodyError:
    return MalformedBodyError("malformed-body", "the body makes no DataFrame", found=excerpt(found))


def _pandas() -> ModuleType:
    try:
        import pandas  # noqa: PLC0415 (optional, and slow to import)
    except ImportError:
        raise UserCodeError(
            "pandas-not-installed",
            "predict_fn asks for a DataFrame and pandas is not installed",
            fix="add pandas to requirements.txt, or annotate predict_fn's data as numpy.ndarray",
        ) from None
    return pandas

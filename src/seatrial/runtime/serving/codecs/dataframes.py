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


def read_csv(body: bytes, shape: Shape) -> pd.DataFrame:
    """Give each column its type: numbers where every field is one, otherwise text.

    Args:
        body: UTF-8, without empty lines, every record of one width.
        shape: What ``csv_structure`` found.
    """
    pandas = _pandas()
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
    """Make a frame of lists (columns 0, 1, …), of objects with the same keys, or of scalars (one column)."""
    pandas = _pandas()
    try:
        return pandas.DataFrame(rows)  # type: ignore[no-any-return]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _refused(error) from None


def from_columns(columns: dict[Any, Any]) -> pd.DataFrame:
    """Make a frame of equally long columns."""
    return _pandas().DataFrame(columns)  # type: ignore[no-any-return]


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

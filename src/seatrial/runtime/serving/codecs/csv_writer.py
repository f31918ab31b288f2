"""Predictions as CSV: one a line, a newline after each; a prediction of several values is one row.

Numbers are written in the fewest digits that read back as the same number of their type, ``nan`` and ``inf`` by name, a
missing value (``None``) as an empty field. Text is quoted where RFC 4180 needs it.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from seatrial.runtime.serving.codecs.predictions import describe, frame_rows, is_dataframe, not_encodable, rows


def render_csv(value: Any) -> str:  # noqa: ANN401 (what predict_fn returned)
    """Render predictions.

    Raises:
        UserCodeError: ``prediction-not-encodable``: a dict, or an array of more than two dimensions.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim in (1, 2) and value.size:
        return _render_numbers(value)
    table = frame_rows(value) if is_dataframe(value) else rows(value)
    stream = io.StringIO()
    try:
        csv.writer(stream, lineterminator="\n").writerows([_cells(row) for row in table])
        stream.getvalue().encode()
    except (csv.Error, ValueError) as error:
        raise not_encodable("the prediction has no CSV form", found=describe(value, error)) from error
    return stream.getvalue()


def _render_numbers(array: npt.NDArray[Any]) -> str:
    """Numbers need no quotes; msgspec writes finite ones several times faster than ``repr``.

    A float32 goes by its own ``str``: as a Python float it would show digits it never had.
    """
    matrix = array.reshape(len(array), -1)
    if array.dtype.kind == "f" and not (array.dtype == np.float64 and np.isfinite(array).all()):
        return "\n".join([",".join(map(str, row)) for row in matrix]) + "\n"
    return msgspec.json.encode(matrix.tolist())[2:-2].replace(b"],[", b"\n").decode() + "\n"


def _cells(row: Any) -> list[str]:  # noqa: ANN401 (one prediction)
    items = rows(row) if isinstance(row, (list, tuple, np.ndarray)) else [row]
    return [_cell(item) for item in items]


def _cell(value: Any) -> str:  # noqa: ANN401 (one value)
    if isinstance(value, np.floating):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    raise not_encodable(
        "a prediction has no place in a CSV field", found=describe(value), expected="a number or a string"
    )

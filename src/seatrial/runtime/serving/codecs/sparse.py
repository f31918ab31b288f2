"""Sparse vectors and tensors as SageMaker's JSON and protobuf have them: values, their keys, the shape.

A key is the position in the flattened tensor (C order): with shape [10, 20] key 25 is row 1, column 5.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.runtime.serving.codecs.codec import MalformedBodyError

MAX_DENSE_BYTES = 268_435_456
"""Bound on what one body's sparse records may take as an array: a few bytes can name a shape of any size."""

Array = npt.NDArray[Any]


class DenseBudget:
    """What the sparse records of one body may still take."""

    def __init__(self) -> None:
        self._left_bytes = MAX_DENSE_BYTES

    def take(self, wanted_bytes: int) -> bool:
        self._left_bytes -= wanted_bytes
        return self._left_bytes >= 0


def dense_row(values: Array, keys: Array, shape: Array, *, budget: DenseBudget, where: str) -> Array:
    """Fill a tensor.

    Args:
        values: Numbers, one dimension.
        keys: Empty for a dense tensor; otherwise one for each value.
        shape: Empty for a vector that is dense.
        budget: Shared by the records of a body.
        where: Names the record in an error.

    Raises:
        MalformedBodyError: the three do not fit each other, or the tensor would be too large.
    """
    if len(values) and not len(keys) and not len(shape):
        return values
    dimensions = tuple(int(length) for length in shape)
    size = math.prod(dimensions) if dimensions else len(values)
    if len(dimensions) > 31 or size == 0:
        raise _misfit("a tensor's shape cannot be held", where, f"shape {_short(dimensions)}", "at least one value")
    if not len(keys):
        if size != len(values):
            raise _misfit("a tensor's values do not fill its shape", where, f"{len(values)} values", f"{size} values")
        return values.reshape(dimensions or (size,))
    if not dimensions:
        raise _misfit("a sparse tensor has no shape", where, f"{len(keys)} keys", "'shape'")
    if len(keys) != len(values):
        raise _misfit(
            "a sparse tensor's keys and values differ in number", where, f"{len(keys)} keys", f"{len(values)}"
        )
    if int(keys.max()) >= size:
        raise _misfit("a key lies outside its tensor", where, f"key {int(keys.max())}", f"keys below {size}")
    if not budget.take(size * values.dtype.itemsize):
        raise _misfit(
            "the sparse records are too large as arrays",
            where,
            f"shape {_short(dimensions)}",
            f"at most {MAX_DENSE_BYTES:,} bytes in all",
        )
    row = np.zeros(size, dtype=values.dtype)
    row[keys.astype(np.intp)] = values
    return row.reshape(dimensions)


def _short(dimensions: tuple[int, ...]) -> str:
    return str(list(dimensions[:4]))[:-1] + (", …]" if len(dimensions) > 4 else "]")


def _misfit(what: str, where: str, found: str, expected: str) -> MalformedBodyError:
    return MalformedBodyError("malformed-body", what, where=where, found=found, expected=expected)

"""What ``predict_fn`` returned, brought to the shapes that content types are written from.

Understood, without importing the library they come from: numbers, strings, ``None`` inside a structure, numpy scalars
and arrays, lists, tuples, dicts, dataclasses, iterators, pandas Series and DataFrames, and whatever else offers
``tolist`` (tensors do).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from seatrial.core.errors import UserCodeError
from seatrial.runtime.serving.codecs.codec import excerpt

RETURN_AN_ARRAY = "return a numpy array, a list of numbers or strings, or bytes from predict_fn, or write output_fn"


def not_encodable(what: str, *, found: str, expected: str | None = None) -> UserCodeError:
    return UserCodeError("prediction-not-encodable", what, found=found, expected=expected, fix=RETURN_AN_ARRAY)


def is_dataframe(value: object) -> bool:
    return type(value).__name__ == "DataFrame" and hasattr(value, "columns") and hasattr(value, "to_numpy")


def plain(value: Any) -> Any:  # noqa: ANN401 (what predict_fn returned)
    """Make lists of arrays, of iterators and of the rows of frames; leave the rest to the encoder's hook.

    A DataFrame becomes objects, or lists when its columns have no names but their numbers.
    """
    if is_dataframe(value):
        return _frame_records(value)
    if isinstance(value, np.ndarray):
        return _array_list(value)
    if isinstance(value, Iterator):
        return list(value)
    return value


def _array_list(array: npt.NDArray[Any]) -> Any:  # noqa: ANN401 (a number or nested lists)
    return np.char.decode(array, "utf-8").tolist() if array.dtype.kind == "S" else array.tolist()


def _frame_records(frame: Any) -> list[Any]:  # noqa: ANN401 (pandas is optional)
    rows = frame_rows(frame)
    names = list(frame.columns)
    if names == list(range(len(names))):
        return rows
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]


def frame_rows(frame: Any) -> list[list[Any]]:  # noqa: ANN401 (pandas is optional)
    """The rows of a DataFrame, each value of the Python type of its column."""
    return [list(row) for row in zip(*(frame.iloc[:, i].tolist() for i in range(frame.shape[1])), strict=True)]


def _hook(value: Any) -> Any:  # noqa: ANN401 (what msgspec does not know)
    simple = plain(value)
    if simple is not value:
        return simple
    tolist = getattr(value, "tolist", None)
    result = tolist() if callable(tolist) else value
    if result is value or type(result) is type(value):
        raise NotImplementedError(type(value).__name__)
    return result


_ENCODER = msgspec.json.Encoder(enc_hook=_hook)


def render_json(value: Any) -> bytes:  # noqa: ANN401 (what predict_fn returned)
    """Compact JSON. ``nan`` and the infinities, which JSON does not have, become null.

    Raises:
        UserCodeError: ``prediction-not-encodable``.
    """
    try:
        return _ENCODER.encode(plain(value))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError, NotImplementedError) as error:
        raise not_encodable("the prediction has no JSON form", found=describe(value, error)) from error


def rows(value: Any) -> list[Any]:  # noqa: ANN401 (what predict_fn returned)
    """The predictions one by one: the elements of what is a sequence, otherwise the value itself.

    Raises:
        UserCodeError: ``prediction-not-encodable``.
    """
    simple = plain(value)
    if not isinstance(simple, (list, tuple, dict, str, bytes, int, float)) and hasattr(simple, "tolist"):
        simple = _tolist(simple)
    if isinstance(simple, (list, tuple, set, frozenset, range)):
        return list(simple)
    return [simple]


def _tolist(value: Any) -> Any:  # noqa: ANN401 (a Series, a tensor, a numpy scalar)
    try:
        return value.tolist()
    except (TypeError, ValueError, RuntimeError) as error:
        raise not_encodable("the prediction makes no list", found=describe(value, error)) from error


def as_array(value: Any) -> npt.NDArray[Any]:  # noqa: ANN401 (what predict_fn returned)
    """An array of numbers or of strings.

    Raises:
        UserCodeError: ``prediction-not-encodable``.
    """
    simple: Any = list(value) if isinstance(value, Iterator) else value
    try:
        array = simple.to_numpy() if is_dataframe(simple) else np.asarray(simple)
        if array.dtype.kind == "O" and all(isinstance(item, str) for item in array.flat):
            array = array.astype(np.str_)
    except (TypeError, ValueError, OverflowError, RuntimeError, MemoryError) as error:
        raise not_encodable("the prediction makes no array", found=describe(value, error)) from error
    if array.dtype.hasobject:
        raise not_encodable(
            "the prediction makes no array of one type", found=describe(value), expected="numbers or strings only"
        )
    return array


def describe(value: object, error: BaseException | None = None) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    shape = getattr(value, "shape", None)
    described = kind if shape is None else f"{kind} of shape {shape}"
    return described if error is None else f"{described} ({excerpt(error)})"

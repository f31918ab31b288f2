"""Records in JSON, as a list of them arrives by ``application/json`` or by the lines of ``application/jsonlines``.

A record is one of these (SageMaker's common formats for inference have the middle two):

    [5.1, 3.5]                                        its features; nested lists are a tensor
    {"features": [5.1, 3.5]}                          the same
    {"data": {"features": {"values": [5.1, 3.5]}}}    the same; with "keys" and "shape" a sparse vector
    "some text"                                       a text
    {"length": 5.1, "width": 3.5}                     named columns: for ``DataForm.DATAFRAME`` only

Among features null is a missing value (``nan``: JSON has no other way to say it), true is 1 and false is 0.

Source: docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.runtime.serving.codecs import dataframes
from seatrial.runtime.serving.codecs.codec import USE_A_DATAFRAME, DataForm, MalformedBodyError, excerpt
from seatrial.runtime.serving.codecs.sparse import DenseBudget, dense_row

MAX_DIMENSIONS = 32
"""What every numpy we support can hold, the axis of records included."""

_PATH_SHOWN = 4

Array = npt.NDArray[Any]
Place = Callable[[int], str]
"""Names a record by its index from 0, such as ``line 3``."""


def to_form(records: Sequence[Any], form: DataForm, place: Place) -> Any:  # noqa: ANN401 (one of two libraries' types)
    """Make one array or frame of records.

    Raises:
        MalformedBodyError: there is no record, the records differ in form, or hold what the form cannot.
    """
    if not records:
        raise MalformedBodyError(
            "malformed-body", "the body holds no records", found="an empty list", expected="at least one record"
        )
    budget = DenseBudget()
    records = [_features(record, budget, place(i)) for i, record in enumerate(records)]
    if all(isinstance(record, str) for record in records):
        texts = np.empty(len(records), dtype=object)
        texts[:] = records
        return dataframes.from_columns({0: texts}) if form is DataForm.DATAFRAME else texts
    if form is DataForm.DATAFRAME:
        return _to_frame(records, place)
    return _stack([_tensor(record, place(i)) for i, record in enumerate(records)], place)


def _features(record: Any, budget: DenseBudget, where: str) -> Any:  # noqa: ANN401 (any JSON value)
    """Take the features out of SageMaker's two wrappings; leave any other record as it is."""
    if not isinstance(record, dict):
        return record
    if record.keys() == {"features"}:
        return _data_element(record["features"], budget, where)
    if record.keys() - {"configuration"} == {"data"} and not record.get("configuration"):
        data = record["data"]
        if isinstance(data, dict) and len(data) == 1:
            return _data_element(next(iter(data.values())), budget, where)
    return record


def _data_element(element: Any, budget: DenseBudget, where: str) -> Any:  # noqa: ANN401 (any JSON value)
    if not isinstance(element, dict):
        return element
    if "values" not in element or element.keys() - {"values", "keys", "shape"}:
        raise MalformedBodyError(
            "malformed-body",
            "a record's features are no vector",
            where=where,
            found=_keys(element),
            expected="'values', and 'keys' with 'shape' when they are sparse",
        )
    values, keys, shape = element["values"], element.get("keys") or [], element.get("shape") or []
    if not keys and not shape:
        return values
    positions = _integers(keys, where)
    return dense_row(_vector(values, where), positions, _integers(shape, where), budget=budget, where=where)


def _vector(values: Any, where: str) -> Array:  # noqa: ANN401 (any JSON value)
    vector = _tensor(values, where)
    if vector.ndim != 1:
        raise MalformedBodyError("malformed-body", "'values' is no flat list of numbers", where=where)
    return vector


def _integers(values: Any, where: str) -> Array:  # noqa: ANN401 (any JSON value)
    if isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values):
        return np.array(values, dtype=np.uint64)
    raise MalformedBodyError(
        "malformed-body",
        "'keys' or 'shape' is no list of positions",
        where=where,
        found=excerpt(values),
        expected="integers from 0",
    )


def _tensor(record: Any, where: str) -> Array:  # noqa: ANN401 (any JSON value)
    if isinstance(record, np.ndarray):
        return record
    if not isinstance(record, list):
        raise _no_features(record, where)
    values: list[float] = []
    shape = _flatten(record, values, [], where)
    return np.array(values, dtype=np.float64).reshape(shape)


def _no_features(record: Any, where: str) -> MalformedBodyError:  # noqa: ANN401 (any JSON value)
    if isinstance(record, dict):
        return MalformedBodyError(
            "malformed-body",
            "a record has named columns",
            where=where,
            found=_keys(record),
            expected="a list of numbers, or an object with 'features'",
            fix=USE_A_DATAFRAME,
        )
    return MalformedBodyError(
        "malformed-body",
        "a record is no list of features",
        where=where,
        found=excerpt(record),
        expected="a list of numbers",
        fix=USE_A_DATAFRAME if isinstance(record, str) else None,
    )


def _flatten(items: list[Any], values: list[float], path: list[int], where: str) -> tuple[int, ...]:
    """Append the numbers of nested lists to ``values`` and return their shape."""
    if len(path) >= MAX_DIMENSIONS - 1:
        raise _at(
            "a record is nested too deeply", path, where, expected=f"at most {MAX_DIMENSIONS - 1} levels of lists"
        )
    if not items:
        raise _at("a list is empty", path, where, expected="at least one number")
    first: tuple[int, ...] | None = None
    path.append(0)
    for path[-1], item in enumerate(items, 1):
        shape: tuple[int, ...] = ()
        if isinstance(item, list):
            shape = _flatten(item, values, path, where)
        else:
            values.append(_number(item, path, where))
        first = shape if first is None else first
        if shape != first:
            raise _at("lists differ in length or depth", path, where, found=_shape(shape), expected=_shape(first))
    path.pop()
    return (len(items), *(first or ()))


def _number(item: Any, path: list[int], where: str) -> float:  # noqa: ANN401 (any JSON value)
    if isinstance(item, (int, float)):
        try:
            return float(item)
        except OverflowError:
            raise _at("a number is beyond float64's range", path, where, found=excerpt(item)) from None
    if item is None:
        return float("nan")
    found = _keys(item) if isinstance(item, dict) else excerpt(item)
    raise _at("a feature is not a number", path, where, found=found, expected="a number", fix=USE_A_DATAFRAME)


def _at(
    what: str,
    path: Sequence[int],
    where: str,
    *,
    found: str | None = None,
    expected: str | None = None,
    fix: str | None = None,
) -> MalformedBodyError:
    if path:
        where += ", feature " + ", ".join(map(str, path[:_PATH_SHOWN])) + ("…" if len(path) > _PATH_SHOWN else "")
    return MalformedBodyError("malformed-body", what, where=where, found=found, expected=expected, fix=fix)


def _stack(tensors: list[Array], place: Place) -> Array:
    first = tensors[0].shape
    for i, tensor in enumerate(tensors):
        if tensor.shape != first:
            raise MalformedBodyError(
                "malformed-body",
                "a record's features differ in number from the first record's",
                where=place(i),
                found=_shape(tensor.shape),
                expected=_shape(first),
            )
    return np.stack(tensors)


def _to_frame(records: list[Any], place: Place) -> Any:  # noqa: ANN401 (pandas is optional)
    rows = [record.tolist() if isinstance(record, np.ndarray) else record for record in records]
    first = rows[0]
    for i, row in enumerate(rows):
        problem = _row_problem(row, first)
        if problem:
            found, expected = problem
            raise MalformedBodyError(
                "malformed-body",
                "a record's columns differ from the first record's",
                where=place(i),
                found=found,
                expected=expected,
            )
    if isinstance(first, dict):
        return dataframes.from_columns({name: [row[name] for row in rows] for name in first})
    return dataframes.from_rows(rows)


def _row_problem(row: Any, first: Any) -> tuple[str, str] | None:  # noqa: ANN401 (any JSON value)
    """Found and expected when a row has not the first one's columns, or is no row."""
    if isinstance(row, dict):
        same = isinstance(first, dict) and row.keys() == first.keys()
        return None if same and row else (_keys(row), _keys(first) if isinstance(first, dict) and first else "a list")
    if isinstance(row, list):
        same = isinstance(first, list) and len(row) == len(first)
        return None if same and row else (f"{len(row)} values", f"{len(first)} values" if first else "at least one")
    return excerpt(row), "a list, or an object with named columns"


def _keys(record: Mapping[str, Any]) -> str:
    return "the keys " + excerpt(", ".join(map(str, record))) if record else "no keys"


def _shape(shape: tuple[int, ...]) -> str:
    return " by ".join(map(str, shape)) + (" values" if shape != (1,) else " value") if shape else "a number"

"""``application/x-recordio-protobuf``: RecordIO frames (contract.md §1.5), each holding one protobuf ``Record``.

Read: a record's features are its one entry in the ``features`` map (by convention ``values``); labels are passed over,
as the built-in algorithms do at inference. The array has the tensors' type (float32, float64 or int32; float64 when
records differ), shape ``(record_count, *shape)``; sparse tensors are filled with zeros, within
``MAX_DENSE_BYTES`` for a body. As a DataFrame, records may have several features of one number each, and these are the
columns.

Written: one record a prediction, in its ``label`` map under ``score``, the name that the linear learner and the
factorization machines use; a prediction that is a dict has its own names, such as ``score`` and ``predicted_label``.
The tensor has the prediction's type: float32, float64, or int32 for integers that fit it.

Source: docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html, …/fm-in-formats.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.contract import recordio
from seatrial.core.errors import ContractError
from seatrial.runtime.serving.codecs import dataframes, predictions
from seatrial.runtime.serving.codecs.codec import USE_A_DATAFRAME, Codec, DataForm, MalformedBodyError, excerpt
from seatrial.runtime.serving.codecs.protobuf_wire import WireError
from seatrial.runtime.serving.codecs.record_batch import decode_batch, encode_batch
from seatrial.runtime.serving.codecs.record_message import Blob, Record, Tensor, parse_record, render_record
from seatrial.runtime.serving.codecs.sparse import DenseBudget, dense_row

LABEL_NAME = "score"

_EXACT_IN_FLOAT64 = 2**53
"""Integers up to here, either sign, are float64 values."""

Array = npt.NDArray[Any]


def decode(body: bytes, form: DataForm) -> Any:  # noqa: ANN401 (one of two libraries' types)
    """Decode a body; see above.

    Raises:
        MalformedBodyError: names the byte of a broken frame, or the record, from 1.
    """
    first = next(_read(body), None)
    if first is None:
        raise MalformedBodyError(
            "malformed-body", "the body is empty", where="byte 0", found="nothing", expected="at least one record"
        )
    array = decode_batch(body, first)
    if array is not None:
        return array if form is DataForm.NUMPY else _numbered_columns(array)
    if form is DataForm.NUMPY:
        return _to_array(_read(body))
    return _to_frame(_read(body), list(first.features))


def _read(body: bytes) -> Iterator[Record]:
    """The records one by one, so that the first that is wrong ends the work."""
    count = 0
    try:
        for payload in recordio.iter_records(body):
            yield parse_record(payload)
            count += 1
    except ContractError as error:
        raise MalformedBodyError(
            "malformed-body", error.what, where=error.where, found=error.found, expected=error.expected
        ) from None
    except WireError as error:
        raise MalformedBodyError(
            "malformed-body",
            "a record is no protobuf Record",
            where=_place(count),
            found=str(error),
            expected="the message aialgs.data.Record",
        ) from None


def _place(index: int) -> str:
    return f"record {index + 1}"


def _to_array(records: Iterable[Record]) -> Array:
    budget = DenseBudget()
    rows: list[Array] = []
    for i, record in enumerate(records):
        row = _dense(_only_feature(record, i), budget, i)
        rows.append(row)
        if row.shape != rows[0].shape:
            raise MalformedBodyError(
                "malformed-body",
                "a record's shape differs from the first record's",
                where=_place(i),
                found=f"shape {list(row.shape)}",
                expected=f"shape {list(rows[0].shape)}",
            )
    types = {row.dtype for row in rows}
    return np.stack(rows).astype(types.pop() if len(types) == 1 else np.float64, copy=False)


def _only_feature(record: Record, index: int) -> Tensor:
    if len(record.features) != 1:
        raise MalformedBodyError(
            "malformed-body",
            "a record has not one feature vector",
            where=_place(index),
            found="the features " + excerpt(", ".join(record.features)) if record.features else "no features",
            expected="one entry in the features map, such as 'values'",
            fix=USE_A_DATAFRAME if record.features else None,
        )
    name, value = next(iter(record.features.items()))
    return _tensor(name, value, index)


def _tensor(name: str, value: Tensor | Blob, index: int) -> Tensor:
    if isinstance(value, Blob):
        raise MalformedBodyError(
            "malformed-body",
            "a record's feature holds bytes",
            where=_place(index),
            found=f"feature {excerpt(name)}",
            expected="a tensor of numbers",
            fix="write input_fn, which gets the body as it is",
        )
    return value


def _dense(tensor: Tensor, budget: DenseBudget, index: int) -> Array:
    values = tensor.values.astype(tensor.values.dtype.newbyteorder("="), copy=False)
    return dense_row(values, tensor.keys, tensor.shape, budget=budget, where=_place(index))


def _to_frame(records: Iterable[Record], names: list[str]) -> Any:  # noqa: ANN401 (pandas is optional)
    if len(names) <= 1:
        return _numbered_columns(_to_array(records))
    budget = DenseBudget()
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for i, record in enumerate(records):
        for name, column in columns.items():
            column.append(_single_number(record, names, name, budget, i))
    return dataframes.from_columns(columns)


def _numbered_columns(array: Array) -> Any:  # noqa: ANN401 (pandas is optional)
    return dataframes.from_columns(dict(enumerate(array.reshape(len(array), -1).T)))


def _single_number(record: Record, names: list[str], name: str, budget: DenseBudget, index: int) -> Any:  # noqa: ANN401
    if record.features.keys() != set(names):
        raise MalformedBodyError(
            "malformed-body",
            "a record's features differ from the first record's",
            where=_place(index),
            found=excerpt(", ".join(record.features)) if record.features else "no features",
            expected=excerpt(", ".join(names)),
        )
    row = _dense(_tensor(name, record.features[name], index), budget, index)
    if row.size != 1:
        raise MalformedBodyError(
            "malformed-body",
            "a record has a vector among named features",
            where=_place(index),
            found=f"{row.size} values in {excerpt(name)}",
            expected="one number a feature",
        )
    return row.reshape(())[()]


def encode(prediction: Any) -> bytes:  # noqa: ANN401 (what predict_fn returned)
    simple = list(prediction) if isinstance(prediction, Iterator) else prediction
    if isinstance(simple, dict):
        return _frame([simple])
    if predictions.is_dataframe(simple) or _holds_dicts(simple):
        return _frame([row if isinstance(row, dict) else {LABEL_NAME: row} for row in predictions.rows(simple)])
    array = np.atleast_1d(_number_array(simple))
    if array.dtype.kind == "f" and array.ndim <= 2 and array.size:
        return encode_batch(array.reshape(len(array), -1), LABEL_NAME)
    return _frame([{LABEL_NAME: row} for row in array])


def _frame(rows: list[dict[Any, Any]]) -> bytes:
    return b"".join([recordio.encode_record(render_record(_labelled(row))) for row in rows])


def _holds_dicts(value: Any) -> bool:  # noqa: ANN401 (what predict_fn returned)
    return isinstance(value, (list, tuple)) and bool(value) and isinstance(value[0], dict)


def _labelled(row: dict[Any, Any]) -> Record:
    return Record(label={str(name): _label_tensor(_number_array(value)) for name, value in row.items()})


def _number_array(value: Any) -> Array:  # noqa: ANN401 (what predict_fn returned)
    """float32, float64 or int32, without a loss."""
    array = predictions.as_array(value)
    if array.dtype.kind == "f":
        return array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64)
    if array.dtype.kind in "biu":
        small = array.astype(np.int32)
        if (small == array).all():
            return small
        if array.min() >= -_EXACT_IN_FLOAT64 and array.max() <= _EXACT_IN_FLOAT64:
            return array.astype(np.float64)
    raise predictions.not_encodable(
        "the prediction makes no tensor", found=f"an array of {array.dtype}", expected="numbers of at most 53 bits"
    )


def _label_tensor(row: Array) -> Tensor:
    shape = np.array(row.shape if row.ndim > 1 else (), dtype=np.uint64)
    return Tensor(np.atleast_1d(row).ravel(), shape=shape)


CODEC = Codec(media_types=("application/x-recordio-protobuf",), decode=decode, encode=encode, is_text=False)

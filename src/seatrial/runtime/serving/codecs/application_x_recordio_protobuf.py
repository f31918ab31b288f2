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

import itertools
from collections.abc import Iterator
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
    first = _read(body, 1)
    array = decode_batch(body, first[0])
    if array is not None:
        return array if form is DataForm.NUMPY else _numbered_columns(array)
    records = _read(body)
    return _to_frame(records) if form is DataForm.DATAFRAME else _to_array(records)


def _read(body: bytes, count: int | None = None) -> list[Record]:
    records: list[Record] = []
    try:
        for payload in itertools.islice(recordio.iter_records(body), count):
            records.append(parse_record(payload))
    except ContractError as error:
        raise MalformedBodyError(
            "malformed-body", error.what, where=error.where, found=error.found, expected=error.expected
        ) from None
    except WireError as error:
        raise MalformedBodyError(
            "malformed-body",
            "a record is no protobuf Record",
            where=_place(len(records)),
            found=str(error),
            expected="the message aialgs.data.Record",
        ) from None
    if not records:
        raise MalformedBodyError(
            "malformed-body", "the body is empty", where="byte 0", found="nothing", expected="at least one record"
        )
    return records


def _place(index: int) -> str:
    return f"record {index + 1}"


def _to_array(records: list[Record]) -> Array:
    budget = DenseBudget()
    rows = [_dense(_only_feature(record, _place(i)), budget, _place(i)) for i, record in enumerate(records)]
    for i, row in enumerate(rows):
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


def _only_feature(record: Record, where: str) -> Tensor:
    if len(record.features) != 1:
        raise MalformedBodyError(
            "malformed-body",
            "a record has not one feature vector",
            where=where,
            found="the features " + excerpt(", ".join(record.features)) if record.features else "no features",
            expected="one entry in the features map, such as 'values'",
            fix=USE_A_DATAFRAME if record.features else None,
        )
    name, value = next(iter(record.features.items()))
    return _tensor(name, value, where)


def _tensor(name: str, value: Tensor | Blob, where: str) -> Tensor:
    if isinstance(value, Blob):
        raise MalformedBodyError(
            "malformed-body",
            "a record's feature holds bytes",
            where=where,
            found=f"feature {excerpt(name)}",
            expected="a tensor of numbers",
            fix="write input_fn, which gets the body as it is",
        )
    return value


def _dense(tensor: Tensor, budget: DenseBudget, where: str) -> Array:
    native = tensor.values.dtype.newbyteorder("=")
    return dense_row(tensor.values.astype(native), tensor.keys, tensor.shape, budget=budget, where=where)


def _to_frame(records: list[Record]) -> Any:  # noqa: ANN401 (pandas is optional)
    names = list(records[0].features)
    if len(names) <= 1:
        return _numbered_columns(_to_array(records))
    budget = DenseBudget()
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for i, record in enumerate(records):
        for name, column in columns.items():
            column.append(_single_number(record, names, name, budget, _place(i)))
    return dataframes.from_columns(columns)


def _numbered_columns(array: Array) -> Any:  # noqa: ANN401 (pandas is optional)
    return dataframes.from_columns(dict(enumerate(array.reshape(len(array), -1).T)))


def _single_number(record: Record, names: list[str], name: str, budget: DenseBudget, where: str) -> Any:  # noqa: ANN401
    if record.features.keys() != set(names):
        raise MalformedBodyError(
            "malformed-body",
            "a record's features differ from the first record's",
            where=where,
            found=excerpt(", ".join(record.features)) if record.features else "no features",
            expected=excerpt(", ".join(names)),
        )
    row = _dense(_tensor(name, record.features[name], where), budget, where)
    if row.size != 1:
        raise MalformedBodyError(
            "malformed-body",
            "a record has a vector among named features",
            where=where,
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

"""``application/x-recordio-protobuf`` in and out, with Google's protobuf package as the oracle."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.runtime.serving.codecs.record_proto import record_class

from seatrial.contract.recordio import encode_record, iter_records
from seatrial.core.errors import UserCodeError
from seatrial.runtime.serving.codecs import DataForm, MalformedBodyError, decode, encode
from seatrial.runtime.serving.codecs.protobuf_wire import WireError
from seatrial.runtime.serving.codecs.protobuf_wire import encode_field as _field
from seatrial.runtime.serving.codecs.record_message import Blob, Record, Tensor, parse_record, render_record

EXAMPLES = int(os.environ.get("SEATRIAL_FUZZ_EXAMPLES", "100"))

RECORDIO = "application/x-recordio-protobuf"

# Two records as SageMaker's Python SDK frames the rows [1.5, -2.0] and [0.0, 8.0] of a float32 matrix.
RECORDED = bytes.fromhex(
    "0a23d7ce18000000 0a160a0676616c756573120c120a0a080000c03f000000c0"
    "0a23d7ce18000000 0a160a0676616c756573120c120a0a080000000000000041"
)


def _body(*features: dict[str, Any]) -> bytes:
    return b"".join(encode_record(render_record(Record(features=each))) for each in features)


def _vector(values: Sequence[float], dtype: str = "f4", keys: Sequence[int] = (), shape: Sequence[int] = ()) -> Tensor:
    return Tensor(np.array(values, dtype), np.array(keys, np.uint64), np.array(shape, np.uint64))


def _fault(body: bytes, form: DataForm = DataForm.NUMPY) -> MalformedBodyError:
    with pytest.raises(MalformedBodyError) as caught:
        decode(body, RECORDIO, form)
    return caught.value


def test_decode_recorded_bytes_gives_their_matrix() -> None:
    matrix = decode(RECORDED, RECORDIO)
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1.5, -2.0], [0.0, 8.0]]
    assert matrix.flags.writeable


def test_render_features_gives_the_recorded_bytes() -> None:
    assert _body({"values": _vector([1.5, -2.0])}, {"values": _vector([0.0, 8.0])}) == RECORDED


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4"])
@pytest.mark.parametrize("count", [1, 3])
def test_decode_dense_vectors_keep_their_type(dtype: str, count: int) -> None:
    rows = (np.arange(count * 4).reshape(count, 4) - 3).astype(dtype)
    matrix = decode(_body(*({"values": Tensor(row)} for row in rows)), RECORDIO)
    assert matrix.dtype == rows.dtype
    np.testing.assert_array_equal(matrix, rows)


def test_decode_many_records_of_one_layout_agrees_with_one_by_one() -> None:
    rows = np.random.default_rng(3).normal(size=(500, 7))
    body = _body(*({"values": Tensor(row)} for row in rows))
    other = encode_record(render_record(Record(features={"values": Tensor(rows[0])}, uid="x")))
    np.testing.assert_array_equal(decode(body, RECORDIO), rows)
    np.testing.assert_array_equal(decode(body + other, RECORDIO), np.vstack([rows, rows[:1]]))
    np.testing.assert_array_equal(decode(other + body, RECORDIO), np.vstack([rows[:1], rows]))


def test_decode_records_that_differ_beside_the_numbers_are_read_one_by_one() -> None:
    other_name = _body({"values": _vector([1])}, {"valueZ": _vector([2])})
    assert decode(other_name, RECORDIO).tolist() == [[1], [2]]
    half = len(RECORDED) // 2
    broken = RECORDED[:half] + b"\x0b" + RECORDED[half + 1 :]
    assert _fault(broken).where == f"RecordIO data at byte {half}"


def test_parse_record_takes_the_last_member_of_a_oneof_and_merges_what_comes_twice() -> None:
    float32, float64 = _field(2, _field(1, b"\0\0\x80\x3f")), _field(3, _field(1, bytes(6) + b"\xf0\x3f"))
    for value, expected in ((float32 + float64, [1.0]), (float64 + float32 + float32, [1.0, 1.0])):
        record = parse_record(_field(1, _field(2, value)))
        tensor = record.features[""]
        assert isinstance(tensor, Tensor)
        assert tensor.values.tolist() == expected


def test_parse_record_takes_unpacked_numbers_and_passes_unknown_fields_over() -> None:
    tensor = b"\x0d\0\0\x80\x3f" + b"\x18\x01" + b"\x78\x05" + b"\x0d\0\0\0\x40" + b"\x18\x02"
    value = parse_record(_field(1, _field(2, _field(2, tensor))) + _field(99, b"?")).features[""]
    assert isinstance(value, Tensor)
    assert (value.values.tolist(), value.shape.tolist()) == ([1.0, 2.0], [1, 2])


def test_decode_records_of_two_types_gives_float64() -> None:
    matrix = decode(_body({"values": _vector([1], "i4")}, {"values": _vector([0.5], "f4")}), RECORDIO)
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [[1], [0.5]]


def test_decode_shape_and_keys_fill_tensors() -> None:
    dense, sparse = _vector([1, 2, 3, 4], shape=[2, 2]), _vector([9], keys=[3], shape=[2, 2])
    assert decode(_body({"values": dense}, {"values": sparse}), RECORDIO).tolist() == [
        [[1, 2], [3, 4]],
        [[0, 0], [0, 9]],
    ]


def test_decode_feature_under_another_name_and_labels_are_passed_over() -> None:
    record = Record(features={"x": _vector([1])}, label={"values": _vector([7])}, uid="a", metadata="{}")
    assert decode(encode_record(render_record(record)), RECORDIO).tolist() == [[1]]


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        (b"", "byte 0", "the body is empty"),
        (b"1,2\n3,4\n", "RecordIO data at byte 0", "the data is no RecordIO"),
        (RECORDED[:-1], "RecordIO data at byte 32", "the data ends inside a frame"),
        (RECORDED + b"x", "RecordIO data at byte 64", "the data ends inside a frame"),
        (encode_record(b"\xff"), "record 1", "a record is no protobuf Record"),
        (RECORDED + encode_record(b"\x0a\x05ab"), "record 3", "a record is no protobuf Record"),
        (
            _body({"values": _vector([1])}, {"values": _vector([1, 2])}),
            "record 2",
            "a record's shape differs from the first record's",
        ),
        (_body({"a": _vector([1]), "b": _vector([2])}), "record 1", "a record has not one feature vector"),
        (_body({}), "record 1", "a record has not one feature vector"),
        (_body({"values": _vector([])}), "record 1", "a tensor's shape cannot be held"),
        (_body({"values": Blob((b"png",))}), "record 1", "a record's feature holds bytes"),
        (_body({"values": _vector([1], keys=[5], shape=[2])}), "record 1", "a key lies outside its tensor"),
        (_body({"values": _vector([1], keys=[0])}), "record 1", "a sparse tensor has no shape"),
        (
            _body({"values": _vector([1], keys=[0], shape=[2**63, 2**63])}),
            "record 1",
            "the sparse records are too large as arrays",
        ),
        (_body({"values": _vector([1], shape=[1] * 32)}), "record 1", "a tensor's shape cannot be held"),
    ],
)  # fmt: skip
def test_decode_fault_names_its_byte_or_record(body: bytes, where: str, what: str) -> None:
    fault = _fault(body)
    assert (fault.where, fault.what) == (where, what)


def test_decode_sparse_bomb_of_many_records_is_refused() -> None:
    row = {"values": _vector([1], keys=[0], shape=[30_000_000])}
    assert "too large" in _fault(_body(row, row, row)).what


def test_decode_dataframe_has_numbered_or_named_columns() -> None:
    frame = decode(RECORDED, RECORDIO, DataForm.DATAFRAME)
    assert frame.to_dict("list") == {0: [1.5, 0.0], 1: [-2.0, 8.0]}
    named = _body({"a": _vector([1]), "b": _vector([2], "i4")}, {"b": _vector([4], "i4"), "a": _vector([3])})
    assert decode(named, RECORDIO, DataForm.DATAFRAME).to_dict("list") == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    "second", [{"a": _vector([1])}, {"a": _vector([1]), "b": _vector([1, 2])}, {"a": _vector([1]), "b": Blob(())}]
)
def test_decode_dataframe_of_uneven_records_is_refused(second: dict[str, Any]) -> None:
    body = _body({"a": _vector([1]), "b": _vector([2])}, second)
    assert _fault(body, DataForm.DATAFRAME).where == "record 2"


def _labels(body: bytes) -> list[dict[str, list[float]]]:
    records = [parse_record(payload) for payload in iter_records(body)]
    return [
        {name: value.values.tolist() for name, value in record.label.items() if isinstance(value, Tensor)}
        for record in records
    ]


@pytest.mark.parametrize(
    ("prediction", "labels"),
    [
        (np.array([0.5, 0.25]), [{"score": [0.5]}, {"score": [0.25]}]),
        (np.array([[0.1, 0.9]], np.float32), [{"score": np.array([0.1, 0.9], np.float32).tolist()}]),
        (np.array([1, -2]), [{"score": [1]}, {"score": [-2]}]),
        (np.array([True]), [{"score": [1]}]),
        ([2**40], [{"score": [2.0**40]}]),
        (0.5, [{"score": [0.5]}]),
        ({"score": [0.1, 0.9], "predicted_label": 1}, [{"score": [0.1, 0.9], "predicted_label": [1]}]),
        ([{"score": 0.5}, {"score": 1.5}], [{"score": [0.5]}, {"score": [1.5]}]),
        (pd.DataFrame({"score": [0.5], "predicted_label": [1]}), [{"score": [0.5], "predicted_label": [1]}]),
        ((value for value in (0.5, 1.5)), [{"score": [0.5]}, {"score": [1.5]}]),
        (np.empty((0, 3)), []),
    ],
)
def test_encode_prediction_gives_records_with_labels(prediction: Any, labels: list[Any]) -> None:
    body, content_type = encode(prediction, RECORDIO, "text/csv")
    assert content_type == RECORDIO
    assert _labels(body) == labels


def test_encode_tensor_of_more_dimensions_keeps_its_shape() -> None:
    body, _ = encode(np.arange(12).reshape(2, 2, 3), RECORDIO, "text/csv")
    values = [parse_record(payload).label["score"] for payload in iter_records(body)]
    assert [value.shape.tolist() for value in values if isinstance(value, Tensor)] == [[2, 3], [2, 3]]


@pytest.mark.parametrize("prediction", [["setosa"], [2**63 - 1], [1j], [object()], {"label": "setosa"}])
def test_encode_prediction_without_a_tensor_is_refused(prediction: Any) -> None:
    with pytest.raises(UserCodeError) as caught:
        encode(prediction, RECORDIO, "text/csv")
    assert caught.value.code == "prediction-not-encodable"


# The oracle


_oracle = functools.cache(record_class)


_keys = st.lists(st.integers(0, 2**64 - 1), max_size=4)
_tensors = st.one_of(
    st.builds(_vector, st.lists(st.floats(width=32), max_size=5), st.just("f4"), _keys, _keys),
    st.builds(_vector, st.lists(st.floats(), max_size=5), st.just("f8"), _keys, _keys),
    st.builds(_vector, st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5), st.just("i4"), _keys, _keys),
)
_values = _tensors | st.lists(st.binary(max_size=9), max_size=3).map(lambda values: Blob(tuple(values)))
_maps = st.dictionaries(st.text(max_size=6), _values, max_size=3)
_texts = st.none() | st.text(max_size=9)
_MEMBERS = {"f4": "float32_tensor", "f8": "float64_tensor", "i4": "int32_tensor"}


def _same_value(ours: Tensor | Blob, theirs: Any) -> bool:
    member = theirs.WhichOneof("value")
    if isinstance(ours, Blob):
        return member == "bytes" and list(ours.values) == list(theirs.bytes.value)
    tensor = getattr(theirs, member) if member else theirs.float32_tensor
    return (
        (member is None or member == _MEMBERS[ours.values.dtype.str[1:]])
        and np.array_equal(ours.values, np.array(tensor.values, ours.values.dtype), equal_nan=True)
        and ours.keys.tolist() == list(tensor.keys)
        and ours.shape.tolist() == list(tensor.shape)
    )


def _assert_same(ours: Record, theirs: Any) -> None:
    for name in ("features", "label"):
        mine, other = getattr(ours, name), {_text(key): value for key, value in getattr(theirs, name).items()}
        assert set(mine) >= set(other)
        assert all(_same_value(mine[key], other[key]) for key in other)
    for name in ("uid", "metadata", "configuration"):
        assert getattr(ours, name) == (_text(getattr(theirs, name)) if theirs.HasField(name) else None)


def _text(value: str | bytes) -> str:
    """Text of proto2 may be any bytes; protobuf then gives bytes, we replace what is not UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", errors="replace")


@pytest.mark.slow
@settings(deadline=None, max_examples=EXAMPLES)
@given(st.builds(Record, _maps, _maps, _texts, _texts, _texts))
def test_render_record_is_read_alike_by_protobuf(record: Record) -> None:
    _assert_same(record, _oracle().FromString(render_record(record)))


@pytest.mark.slow
@settings(deadline=None, max_examples=EXAMPLES)
@given(st.builds(Record, _maps, _maps, _texts, _texts, _texts))
def test_parse_record_of_protobufs_own_bytes_agrees(record: Record) -> None:
    theirs = _oracle().FromString(render_record(record))
    _assert_same(parse_record(theirs.SerializeToString()), theirs)


@pytest.mark.slow
@settings(deadline=None, max_examples=EXAMPLES)
@given(
    st.lists(st.builds(Record, _maps, _maps, _texts).map(render_record), min_size=1, max_size=2).map(b"".join),
    st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=2)), max_size=3),
)
def test_parse_record_of_damaged_bytes_agrees_with_protobuf(payload: bytes, edits: list[tuple[int, bytes]]) -> None:
    """What protobuf reads we read alike.

    Two differences are known: we refuse groups, which no version of the schema has, and protobuf's C implementation
    leaves a map entry out of the map when a field unknown to it stands in the entry.
    """
    refusal = ""
    damaged = bytearray(payload)
    for position, data in edits:
        damaged[position : position + len(data)] = data
    body = bytes(damaged)
    try:
        theirs = _oracle().FromString(body)
        dict(theirs.features.items())
        dict(theirs.label.items())
    except Exception:  # DecodeError, of another module in each implementation; UnicodeDecodeError of its views
        theirs = None
    try:
        ours = parse_record(body)
    except WireError as error:
        ours, refusal = None, str(error)
    if theirs is not None and ours is not None:
        _assert_same(ours, theirs)
    elif theirs is not None:
        assert refusal == "wire type 3"

"""``application/x-npy`` in and out."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.core.errors import UserCodeError
from seatrial.runtime.serving.codecs import DataForm, MalformedBodyError, decode, encode

NPY = "application/x-npy"


def _saved(array: Any, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), version=version)
    return stream.getvalue()


def _with_header(header: str, data: bytes = b"", length: int | None = None) -> bytes:
    encoded = header.encode()
    return b"\x93NUMPY\x01\x00" + (length or len(encoded)).to_bytes(2, "little") + encoded + data


def _fault(body: bytes) -> MalformedBodyError:
    with pytest.raises(MalformedBodyError) as caught:
        decode(body, NPY)
    assert caught.value.code == "malformed-body"
    return caught.value


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array([[True], [False]]),
        np.array(["é", "abc"]),
        np.array([b"ab"]),
        np.array([1j]),
        np.array([2.5], np.float16),
        np.zeros((2, 1, 3), np.uint8),
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_decode_array_gives_it_back(array: Any, version: tuple[int, int]) -> None:
    decoded = decode(_saved(array, version), NPY)
    np.testing.assert_array_equal(decoded, array)
    assert decoded.dtype == array.dtype.newbyteorder("=")
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable


def test_decode_header_of_another_writer_is_read() -> None:
    header = '{"shape":(2,),"fortran_order":False,"descr":"<f4"}'
    assert decode(_with_header(header, np.array([1, 2], "<f4").tobytes()), NPY).tolist() == [1, 2]


@pytest.mark.parametrize(
    "array", [np.array([{}], dtype=object), np.zeros(1, "i4,f8"), np.array(["2020-01-01"], "M8[D]"), np.zeros(1, "V4")]
)
def test_decode_objects_records_and_dates_are_refused(array: Any) -> None:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    assert _fault(stream.getvalue()).what == "the array's type cannot be taken from a request"


@pytest.mark.parametrize("descr", ["|O", "|O8", "O"])
def test_decode_pickle_behind_a_right_magic_is_never_loaded(descr: str) -> None:
    body = _with_header(
        f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}", b"cos\nsystem\n(S'exit 1'\ntR."
    )
    assert "objects" in _fault(body).sentence()


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(1000000, 1000000)", f"({10**18 - 1}, {10**18 - 1})"])
def test_decode_absurd_shape_allocates_nothing(shape: str) -> None:
    body = _with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}", bytes(16))
    tracemalloc.start()
    try:
        assert _fault(body).what == "the array and its header disagree"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PK\x03\x04",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00\x10\x00",
        b"\x93NUMPY\x01\x00\xff\xff{",
        _saved(np.eye(2))[:-1],
        _saved(np.eye(2)) + b"\x00",
        _saved(np.empty((0, 4))),
        _saved(np.float64(1)),
        _with_header("{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", bytes(3)),
        _with_header("{'descr': '<U0', 'fortran_order': False, 'shape': (9,), }"),
        _with_header("{'descr': '<f8', 'fortran_order': 0, 'shape': (1,), }", bytes(8)),
        _with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", bytes(8)),
        _with_header("{'descr': '<f8', 'fortran_order': False, }", bytes(8)),
        _with_header("{'fortran_order': False, 'shape': (1,), }", bytes(8)),
        _with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (%s)}" % ("1," * 40), bytes(8)),
        _with_header("__import__('os').abort()"),
        _with_header("(" * 4_000),
        _with_header("-" * 4_000),
    ],
)
def test_decode_broken_file_is_refused(body: bytes) -> None:
    fault = _fault(body)
    assert fault.where is not None
    assert "expected" in fault.sentence()


def test_decode_dataframe_has_the_arrays_columns() -> None:
    frame = decode(_saved(np.arange(6).reshape(2, 3)), NPY, DataForm.DATAFRAME)
    pd.testing.assert_frame_equal(frame, pd.DataFrame(np.arange(6).reshape(2, 3)), check_column_type=False)
    assert decode(_saved(np.arange(3)), NPY, DataForm.DATAFRAME).shape == (3, 1)
    with pytest.raises(MalformedBodyError):
        decode(_saved(np.zeros((1, 1, 1))), NPY, DataForm.DATAFRAME)


@pytest.mark.parametrize(
    ("prediction", "array"),
    [
        (np.array([[0.5, 1.5]], np.float32), np.array([[0.5, 1.5]], np.float32)),
        ([1, 2], np.array([1, 2])),
        (np.array(["a", "bc"], dtype=object), np.array(["a", "bc"])),
        (pd.DataFrame([[1.0, 2.0]]), np.array([[1.0, 2.0]])),
        (pd.Series([1, 2]), np.array([1, 2])),
        ((value for value in (1.0, 2.0)), np.array([1.0, 2.0])),
        (3, np.array(3)),
    ],
)
def test_encode_prediction_gives_what_numpy_loads(prediction: Any, array: Any) -> None:
    body, content_type = encode(prediction, NPY, "text/csv")
    loaded = np.load(io.BytesIO(body), allow_pickle=False)
    assert content_type == NPY
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize("prediction", [{"a": 1}, [[1], [2, 3]], [object()], np.array([1, "a"], dtype=object), [None]])
def test_encode_prediction_that_needs_a_pickle_is_refused(prediction: Any) -> None:
    with pytest.raises(UserCodeError) as caught:
        encode(prediction, NPY, NPY)
    assert caught.value.code == "prediction-not-encodable"

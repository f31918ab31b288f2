"""Whatever the bytes and the headers: a value or a declared error, within a deadline.

``SEATRIAL_FUZZ_EXAMPLES`` sets the number of examples a test (20,000 for a long run).
"""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.unit.runtime.serving.codecs.strategies import (
    FORMS,
    accepts,
    bodies,
    content_types,
    csv_bodies,
    json_bodies,
    json_texts,
    json_values,
    npy_bodies,
    recordio_bodies,
)

from seatrial.contract import recordio
from seatrial.core.errors import RequestError, UserCodeError
from seatrial.runtime.serving.codecs import CODECS, DataForm, decode, encode
from seatrial.runtime.serving.codecs.codec import MalformedBodyError
from seatrial.runtime.serving.codecs.sparse import MAX_DENSE_BYTES

EXAMPLES = int(os.environ.get("SEATRIAL_FUZZ_EXAMPLES", "100"))
DEADLINE_MILLISECONDS = 2_000
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=DEADLINE_MILLISECONDS,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]


def _check_decoded(value: Any, body: bytes, form: DataForm) -> None:
    assert len(value) >= 1
    if form is DataForm.NUMPY:
        assert isinstance(value, np.ndarray)
        assert value.flags.writeable
        assert value.dtype.isnative
        assert value.nbytes <= MAX_DENSE_BYTES + 64 * len(body)
    else:
        assert isinstance(value, pd.DataFrame)


def _check_error(error: RequestError) -> None:
    assert error.code in {"malformed-body", "unsupported-content-type"}
    assert isinstance(error, MalformedBodyError) == (error.code == "malformed-body")
    sentence = error.sentence()
    assert "Traceback" not in sentence
    assert "\n" not in sentence
    assert len(sentence) < 600
    sentence.encode()


def _try_decode(body: bytes, content_type: str, form: DataForm) -> Any:
    try:
        value = decode(body, content_type, form)
    except RequestError as error:
        _check_error(error)
        return None
    _check_decoded(value, body, form)
    return value


@fuzz
@given(body=bodies, content_type=content_types, form=FORMS)
def test_decode_any_body_and_header_gives_data_or_a_request_error(
    body: bytes, content_type: str, form: DataForm
) -> None:
    _try_decode(body, content_type, form)


@pytest.mark.parametrize(
    ("media_type", "strategy"),
    [
        ("text/csv", csv_bodies),
        ("application/json", json_texts | json_bodies()),
        ("application/jsonlines", json_texts | json_bodies()),
        ("application/x-npy", npy_bodies()),
        ("application/x-recordio-protobuf", recordio_bodies),
    ],
)
def test_decode_bodies_made_for_the_codec_gives_data_or_a_request_error(
    media_type: str, strategy: st.SearchStrategy[bytes]
) -> None:
    @fuzz
    @given(body=strategy, form=FORMS)
    def check(body: bytes, form: DataForm) -> None:
        _try_decode(body, media_type, form)

    check()


@fuzz
@given(body=csv_bodies)
def test_decode_csv_agrees_with_a_plain_reading_of_its_lines(body: bytes) -> None:
    """The fast ways and the exact way give one answer."""
    assume(b'"' not in body)
    try:
        text = body.decode().removeprefix("\ufeff").encode()
        rows = [[_number(field) for field in line.split(b",")] for line in text.removesuffix(b"\n").split(b"\n")]
        expected = np.array(rows) if len({len(row) for row in rows}) == 1 else None
    except ValueError:
        expected = None
    actual = _try_decode(body, "text/csv", DataForm.NUMPY)
    assert (actual is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(actual, expected)


def _number(field: bytes) -> float:
    if b"_" in field:
        raise ValueError
    return float(field)


_predictions: st.SearchStrategy[Any] = st.one_of(
    json_values,
    st.lists(st.floats()).map(np.array),
    st.lists(st.lists(st.floats(), min_size=2, max_size=2), min_size=1).map(np.array),
    st.lists(st.integers(-(2**63), 2**63 - 1)).map(lambda values: np.array(values, dtype=np.int64)),
    st.lists(st.text(max_size=5)).map(lambda values: np.array(values, dtype=object)),
    st.lists(json_values, max_size=3).map(iter),
    st.binary(max_size=5),
    st.complex_numbers().map(np.complex128),
    st.lists(st.sets(st.integers(), max_size=2), max_size=2),
)


@fuzz
@given(prediction=_predictions, accept=accepts, default_accept=content_types)
def test_encode_any_prediction_and_header_gives_bytes_or_a_declared_error(
    prediction: Any, accept: str | None, default_accept: str
) -> None:
    problem: RequestError | UserCodeError | None = None
    try:
        body, content_type = encode(prediction, accept, default_accept)
    except (RequestError, UserCodeError) as error:
        problem = error
    if problem is None:
        assert isinstance(body, bytes)
        assert isinstance(content_type, str)
    else:
        expected = "not-acceptable" if isinstance(problem, RequestError) else "prediction-not-encodable"
        assert problem.code == expected


@fuzz
@given(
    rows=st.lists(st.lists(st.floats(allow_nan=False), min_size=3, max_size=3), min_size=1, max_size=5),
    media_type=st.sampled_from([codec.media_types[0] for codec in CODECS]),
)
def test_decode_of_encode_gives_the_same_matrix(rows: list[list[float]], media_type: str) -> None:
    if "json" in media_type:
        assume(all(abs(value) != float("inf") for row in rows for value in row))
    matrix = np.array(rows)
    body, content_type = encode(matrix, media_type, "")
    if media_type == "application/x-recordio-protobuf":
        body = b"".join(recordio.encode_record(b"\x0a" + record[1:]) for record in recordio.iter_records(body))
    np.testing.assert_array_equal(decode(body, content_type), matrix)


@fuzz
@given(array=st.lists(st.floats()).map(np.array) | st.lists(st.text(max_size=4)).map(np.array))
def test_encode_npy_is_what_numpy_reads(array: np.ndarray[Any, Any]) -> None:
    body, _ = encode(array, "application/x-npy", "")
    np.testing.assert_array_equal(np.load(io.BytesIO(body)), array)

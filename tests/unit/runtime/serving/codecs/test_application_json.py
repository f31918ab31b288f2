"""``application/json`` and ``application/jsonlines`` in and out."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.core.errors import UserCodeError
from seatrial.runtime.serving.codecs import DataForm, MalformedBodyError, decode, encode
from seatrial.runtime.serving.codecs.sparse import MAX_DENSE_BYTES

JSON, LINES = "application/json", "application/jsonlines"


def _fault(body: bytes, content_type: str = JSON, form: DataForm = DataForm.NUMPY) -> MalformedBodyError:
    with pytest.raises(MalformedBodyError) as caught:
        decode(body, content_type, form)
    return caught.value


@pytest.mark.parametrize(
    "document",
    [
        {"instances": [[5.1, 3.5], [4, 3]]},
        {"inputs": [[5.1, 3.5], [4, 3]]},
        [[5.1, 3.5], [4, 3]],
        [{"features": [5.1, 3.5]}, {"features": [4, 3]}],
        {"instances": [{"features": [5.1, 3.5]}, {"features": {"values": [4, 3]}}]},
        {"instances": [{"data": {"features": {"values": [5.1, 3.5]}}}, {"data": {"x": [4, 3]}, "configuration": {}}]},
        {"instances": [{"features": {"keys": [1, 0], "values": [3.5, 5.1], "shape": [2]}}, [4, 3]]},
    ],
)
def test_decode_records_in_each_spelling_give_one_matrix(document: Any) -> None:
    matrix = decode(json.dumps(document).encode(), JSON)
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [[5.1, 3.5], [4, 3]]


@pytest.mark.parametrize(
    "body",
    [
        b"[5.1,3.5]",
        b'{"instances":[5.1,3.5]}',
        b'{"features":[5.1,3.5]}',
        b"\xef\xbb\xbf[5.1,3.5]",
        b' \n{"inputs": [5.1, 3.5]}',
    ],
)
def test_decode_flat_list_or_lone_object_is_one_record(body: bytes) -> None:
    assert decode(body, JSON).tolist() == [[5.1, 3.5]]


def test_decode_null_is_missing_and_booleans_are_numbers() -> None:
    np.testing.assert_array_equal(decode(b"[[1, null], [true, false]]", JSON), [[1, np.nan], [1, 0]])


def test_decode_nested_lists_give_a_tensor() -> None:
    assert decode(b"[[[1,2],[3,4]],[[5,6],[7,8]]]", JSON).shape == (2, 2, 2)


def test_decode_texts_give_an_array_of_them() -> None:
    texts = decode(b'{"instances": ["good", "bad day"]}', JSON)
    assert texts.tolist() == ["good", "bad day"]
    assert texts.shape == (2,)


def test_decode_sparse_record_is_filled() -> None:
    body = b'[{"data": {"features": {"keys": [1, 5], "values": [7, 8], "shape": [2, 3]}}}]'
    assert decode(body, JSON).tolist() == [[[0, 7, 0], [0, 0, 8]]]


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        (b"", 1, 1),
        (b"[1, 2", 1, 6),
        (b"[1,\n 2,,3]", 2, 4),
        (b"[NaN]", 1, 2),
        (b'["\xc3\xa9", x]', 1, 7),
        (b"[1] [2]", 1, 5),
        (b'[1,\n"\xff"]', 2, 2),
        (b"'a'", 1, 1),
        (b"\x00", 1, 1),
    ],
)
def test_decode_broken_syntax_names_line_and_column(body: bytes, line: int, column: int) -> None:
    fault = _fault(body)
    assert (fault.line, fault.column) == (line, column)
    assert f"line {line}, column {column}" in fault.sentence()


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        (b"[[1,2],[3]]", "record 2", "a record's features differ in number from the first record's"),
        (b'[[1,2],[3,"x"]]', "record 2, feature 2", "a feature is not a number"),
        (b"[[[1,2],[3]]]", "record 1, feature 2", "lists differ in length or depth"),
        (b"[[1,[2]]]", "record 1, feature 2", "lists differ in length or depth"),
        (b"[[1],[]]", "record 2", "a list is empty"),
        (b'[[1],"x"]', "record 2", "a record is no list of features"),
        (b'[{"length": 1}]', "record 1", "a record has named columns"),
        (b"[[" + b"9" * 5_000 + b"]]", "line 1, the value $[0][0]", "a number is beyond what can be read"),
        (b"[[1" + b"0" * 400 + b"]]", "record 1, feature 1", "a number is beyond float64's range"),
        (b"[[1e400]]", "line 1, the value $[0][0]", "a number is beyond what can be read"),
        (b"[" * 50 + b"]" * 50, "record 1, feature 1, 1, 1, 1…", "a record is nested too deeply"),
        (b"[" * 5_000, "line 1", "the JSON is nested too deeply"),
        (b"[]", None, "the body holds no records"),
        (b'{"instances": []}', None, "the body holds no records"),
        (b'{"instances": 5}', None, "'instances' is no list"),
        (b'{"instances": [[1]], "parameters": {}}', None, "the body asks for more than 'instances'"),
        (b"5", "line 1, column 1", "the body holds no records"),
        (b'[{"features": {"keys": [9], "values": [1], "shape": [3]}}]', "record 1", "a key lies outside its tensor"),
        (b'[{"features": {"keys": [3], "values": [1], "shape": [3]}}]', "record 1", "a key lies outside its tensor"),
        (b'[{"features": {"keys": [0], "values": [1]}}]', "record 1", "a sparse tensor has no shape"),
        (
            b'[{"features": {"keys": [-1], "values": [1], "shape": [3]}}]',
            "record 1",
            "'keys' or 'shape' is no list of positions",
        ),
        (
            b'[{"features": {"keys": [0, 1], "values": [1], "shape": [3]}}]',
            "record 1",
            "a sparse tensor's keys and values differ in number",
        ),
        (b'[{"features": {"values": [1, 2], "shape": [3]}}]', "record 1", "a tensor's values do not fill its shape"),
        (b'[{"features": {"values": [[1]], "shape": [1]}}]', "record 1", "'values' is no flat list of numbers"),
        (b'[{"features": {"shape": [1]}}]', "record 1", "a record's features are no vector"),
    ],
)  # fmt: skip
def test_decode_fault_in_the_data_names_record_and_feature(body: bytes, where: str | None, what: str) -> None:
    fault = _fault(body)
    assert (fault.where, fault.what) == (where, what)


def test_decode_named_columns_say_how_to_get_a_dataframe() -> None:
    assert "pandas.DataFrame" in _fault(b'[{"length": 1}]').sentence()


def test_decode_sparse_records_of_absurd_shape_take_no_memory() -> None:
    record = b'{"features": {"keys": [0], "values": [1], "shape": [%d]}}'
    half = MAX_DENSE_BYTES // 16
    assert "too large" in _fault(b"[" + record % 10**15 + b"]").what
    assert "too large" in _fault(b"[" + b",".join([record % half] * 3) + b"]").what


def test_decode_dataframe_of_objects_has_named_columns() -> None:
    frame = decode(b'[{"length": 5, "name": "a"}, {"name": null, "length": 4.5}]', JSON, DataForm.DATAFRAME)
    assert list(frame.columns) == ["length", "name"]
    assert frame["length"].tolist() == [5, 4.5]
    assert frame["name"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "body", [b'{"instances":[[1,"a"],[2,"b"]]}', b'[[1,"a"],[2,"b"]]', b'[{"features":[1,"a"]},{"features":[2,"b"]}]']
)
def test_decode_dataframe_of_lists_has_numbered_columns(body: bytes) -> None:
    frame = decode(body, JSON, DataForm.DATAFRAME)
    assert frame.to_dict("list") == {0: [1, 2], 1: ["a", "b"]}


def test_decode_dataframe_of_texts_has_one_column() -> None:
    assert decode(b'["a", "b"]', JSON, DataForm.DATAFRAME)[0].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":1},{"b":1}]',
        b'[{"a":1},{"a":1,"b":2}]',
        b"[[1],[1,2]]",
        b'[[1],{"a":1}]',
        b'[[1],"x"]',
        b"[{}]",
        b"[[]]",
    ],
)
def test_decode_dataframe_of_uneven_records_is_refused(body: bytes) -> None:
    fault = _fault(body, form=DataForm.DATAFRAME)
    assert fault.what == "a record's columns differ from the first record's"
    assert fault.where == ("record 1" if len(json.loads(body)) == 1 else "record 2")


@pytest.mark.parametrize("media_type", [LINES, "application/jsonl", "application/x-ndjson"])
@pytest.mark.parametrize(
    "body",
    [
        b"[1,2]\n[3,4]\n",
        b"[1,2]\r\n[3,4]",
        b'{"features":[1,2]}\n{"data":{"features":{"values":[3,4]}}}',
        b"[1,2]\n[3,4.0]",
    ],
)
def test_decode_lines_give_one_record_each(body: bytes, media_type: str) -> None:
    assert decode(body, media_type).tolist() == [[1, 2], [3, 4]]


def test_decode_lines_as_dataframe_have_named_columns() -> None:
    frame = decode(b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', LINES, DataForm.DATAFRAME)
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "line 1, column 1"),
        (b"[1]\n\n[2]\n", "line 2, column 1"),
        (b"[1]\n[2]\n\n", "line 3, column 1"),
        (b"[1]\n[2,]\n", "line 2, column 4"),
        (b"[1]\n[2] [3]\n", "line 2, column 5"),
        (b"[1,\n2]\n", "line 1, column 4"),
        (b"[1]\n[1,2]\n", "line 2"),
        (b'[1]\n["x"]\n', "line 2, feature 1"),
        (b"[1]\n5\n", "line 2"),
        (b'[1]\n{"instances": [[1]]}\n', "line 2"),
    ],
)  # fmt: skip
def test_decode_lines_fault_names_its_line(body: bytes, where: str) -> None:
    assert _fault(body, LINES).where == where


@dataclasses.dataclass
class _Scored:
    label: str
    score: float


@pytest.mark.parametrize(
    ("prediction", "body"),
    [
        (np.array([0, 2]), b"[0,2]"),
        (np.array([[0.25, 0.75]]), b"[[0.25,0.75]]"),
        (np.array(["setosa"]), b'["setosa"]'),
        (np.array([b"setosa"]), b'["setosa"]'),
        (np.array(["a", None, 1], dtype=object), b'["a",null,1]'),
        (np.array([np.nan, np.inf, 1.0]), b"[null,null,1.0]"),
        (np.float32(1.5), b"1.5"),
        ({"predictions": np.array([1.5]), "n": np.int64(2)}, b'{"predictions":[1.5],"n":2}'),
        ({np.int64(1): np.bool_(True)}, b'{"1":true}'),
        ([_Scored("a", 0.5)], b'[{"label":"a","score":0.5}]'),
        ((value for value in (1, 2)), b"[1,2]"),
        (pd.Series([1, 2]), b"[1,2]"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), b'[{"a":1,"b":"x"},{"a":2,"b":"y"}]'),
        (pd.DataFrame([[1, 2.5], [3, 4.5]]), b"[[1,2.5],[3,4.5]]"),
        ([], b"[]"),
    ],
)
def test_encode_prediction_gives_plain_json(prediction: Any, body: bytes) -> None:
    assert encode(prediction, JSON, "text/csv") == (body, JSON)


@pytest.mark.parametrize(
    ("prediction", "body"),
    [
        (np.array([0.5, 1.5]), b"0.5\n1.5\n"),
        (np.array([[1, 2], [3, 4]]), b"[1,2]\n[3,4]\n"),
        ([{"score": np.float64(0.5)}, {"score": 1}], b'{"score":0.5}\n{"score":1}\n'),
        ({"score": 1}, b'{"score":1}\n'),
        (pd.DataFrame({"a": [1, 2]}), b'{"a":1}\n{"a":2}\n'),
        (7, b"7\n"),
    ],
)
def test_encode_prediction_gives_one_json_line_each(prediction: Any, body: bytes) -> None:
    assert encode(prediction, LINES, "text/csv") == (body, LINES)


def _endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "prediction", [object(), [1j], {"a": "\ud800"}, _endless(), np.array([1j]), np.longdouble(1.5)]
)
@pytest.mark.parametrize("media_type", [JSON, LINES])
def test_encode_prediction_without_a_json_form_is_refused(prediction: Any, media_type: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        encode(prediction, media_type, JSON)
    assert caught.value.code == "prediction-not-encodable"

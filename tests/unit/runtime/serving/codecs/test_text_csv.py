"""``text/csv`` in and out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.core.errors import UserCodeError
from seatrial.runtime.serving.codecs import DataForm, MalformedBodyError, decode, encode
from seatrial.runtime.serving.codecs import text_csv as codec


def _matrix(body: bytes) -> Any:
    return decode(body, "text/csv")


def _frame(body: bytes) -> Any:
    return decode(body, "text/csv", DataForm.DATAFRAME)


def _fault(body: bytes, form: DataForm = DataForm.NUMPY) -> MalformedBodyError:
    with pytest.raises(MalformedBodyError) as caught:
        decode(body, "text/csv", form)
    return caught.value


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_decode_one_line_gives_one_record(end: bytes) -> None:
    matrix = _matrix(b"5.1,3.5,1.4,0.2" + end)
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    assert matrix.tolist() == [[5.1, 3.5, 1.4, 0.2]]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_decode_lines_give_records_without_a_header(newline: bytes) -> None:
    assert _matrix(newline.join([b"1,2", b"3,4", b"5,6", b""])).tolist() == [[1, 2], [3, 4], [5, 6]]


def test_decode_large_integer_keeps_its_value() -> None:
    """float32 would give 16777216."""
    assert _matrix(b"16777217,9007199254740993\n")[0, 0] == 16_777_217


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"+1", 1.0),
        (b"007", 7.0),
        (b" 1.5 ", 1.5),
        (b"-0", 0.0),
        (b"1E3", 1000.0),
        (b"inf", np.inf),
        (b"-Infinity", -np.inf),
        (b"1e999", np.inf),
        (b'"2.5"', 2.5),
    ],
)
def test_decode_number_in_any_spelling_of_float_is_read(text: bytes, value: float) -> None:
    assert _matrix(text).tolist() == [[value]]
    assert _matrix(b"0\n" + text + b"\n").tolist() == [[0.0], [value]]


def test_decode_nan_is_a_missing_value() -> None:
    assert np.isnan(_matrix(b"nan,1\n1,NaN\n")).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("form", list(DataForm))
def test_decode_empty_body_is_refused(body: bytes, form: DataForm) -> None:
    fault = _fault(body, form)
    assert (fault.code, fault.line, fault.column) == ("malformed-body", 1, 1)
    assert fault.what == "the body is empty"


@pytest.mark.parametrize(
    ("body", "line", "column", "what", "found"),
    [
        (b"1,2\n3,x\n", 2, 2, "a field is not a number", "'x'"),
        (b"1,2,\n", 1, 3, "a field is empty", "nothing"),
        (b"1,,2\n", 1, 2, "a field is empty", "nothing"),
        (b"1, ,2\n", 1, 2, "a field is empty", "nothing"),
        (b"1,2\n3\n", 2, 2, "a record's number of fields differs from the first record's", "1 field"),
        (b"1,2\n3,4,5\n", 2, 3, "a record's number of fields differs from the first record's", "3 fields"),
        (b"1,2,3\n4\n5,6\n", 2, 2, "a record's number of fields differs from the first record's", "1 field"),
        (b"1,2\n3\n4\n", 2, 2, "a record's number of fields differs from the first record's", "1 field"),
        (b"1,2\n\n3,4\n", 2, 1, "a line is empty", "nothing"),
        (b"1,2\n3,4\n\n", 3, 1, "a line is empty", "nothing"),
        (b"1\n\r\n2\n", 2, 1, "a line is empty", "nothing"),
        (b"1_000,2\n", 1, 1, "a field is not a number", "'1_000'"),
        (b"0x10\n", 1, 1, "a field is not a number", "'0x10'"),
        ("٣,1\n".encode(), 1, 1, "a field is not a number", "'٣'"),
        (b"1,[2],3\n", 1, 2, "a field is not a number", "'[2]'"),
        (b"1],[2\n", 1, 1, "a field is not a number", "'1]'"),
        (b"1\x00,2\n", 1, 1, "a field is not a number", "'1\\x00'"),
        (b'1,"2,5"\n', 1, 2, "a field is not a number", "quoted text"),
        (b'"1""2"\n', 1, 1, "a field is not a number", "quoted text"),
        (b'1,""\n', 1, 2, "a field is empty", "nothing"),
        (b'1\n2"3"\n', 2, 1, "a quote stands inside a field", "'\"3\"'"),
        (b'1\n2,"3\n', 2, 2, "a quoted field has no end", "'\"3'"),
    ],
)
def test_decode_fault_names_its_line_and_column(body: bytes, line: int, column: int, what: str, found: str) -> None:
    fault = _fault(body)
    assert (fault.line, fault.column, fault.what) == (line, column, what)
    assert fault.found is not None
    assert fault.found.startswith(found.removesuffix("'"))


def test_decode_text_column_says_how_to_get_a_dataframe() -> None:
    assert "pandas.DataFrame" in _fault(b"setosa,1\n").sentence()
    assert "input_fn" in _fault(b"setosa,1\n").sentence()


def test_decode_long_field_is_cut_in_the_sentence() -> None:
    assert len(_fault(b"x" * 10_000).sentence()) < 300


@pytest.mark.parametrize("bad_line", [1, 2, 9_999, 10_000])
def test_decode_fault_in_a_large_body_names_its_line(bad_line: int) -> None:
    """Lines are counted over the blocks that the body is read in."""
    lines = [b"1.25,-3,1e-7,%d" % i for i in range(10_000)]
    lines[bad_line - 1] = b"1,2,oops,4"
    fault = _fault(b"\n".join(lines))
    assert (fault.line, fault.column) == (bad_line, 3)


def test_decode_large_body_keeps_every_bit() -> None:
    rows = np.random.default_rng(7).normal(size=(20_000, 5)) * 10.0 ** np.arange(-4, 6, 2)
    body = "\n".join(",".join(map(repr, row)) for row in rows.tolist()).encode()
    np.testing.assert_array_equal(_matrix(body), rows)
    assert len(body) > 10 * codec._BLOCK_BYTES


def test_decode_rare_spellings_in_one_block_leave_the_others_right() -> None:
    lines = [b"%d,1.5" % i for i in range(30_000)]
    lines[15_000] = b"15000,+1.5"
    matrix = _matrix(b"\n".join(lines))
    np.testing.assert_array_equal(matrix[:, 0], np.arange(30_000))
    assert (matrix[:, 1] == 1.5).all()


def test_decode_result_may_be_written_to() -> None:
    matrix = _matrix(b"1,2\n")
    matrix += 1
    assert matrix.tolist() == [[2, 3]]


@pytest.mark.parametrize(
    "content_type", ["text/csv; charset=utf-8", "Text/CSV;label_size=0", ' text/csv ; charset="UTF-8"']
)
def test_decode_parameters_leave_it_csv(content_type: str) -> None:
    assert decode(b"1,2", content_type).tolist() == [[1, 2]]


def test_decode_dataframe_types_each_column() -> None:
    frame = _frame(b"5.1,3,setosa,2020\n4.9,4,virginica,\n")
    assert list(frame.columns) == [0, 1, 2, 3]
    assert frame[0].tolist() == [5.1, 4.9]
    assert frame[1].dtype == np.int64
    assert frame[2].tolist() == ["setosa", "virginica"]
    assert frame[3].isna().tolist() == [False, True]


def test_decode_dataframe_reads_quotes_newlines_and_unicode() -> None:
    frame = _frame('"a, ""b""",1\r\n"two\nlines",2\r\né,3\r\n'.encode())
    assert frame[0].tolist() == ['a, "b"', "two\nlines", "é"]
    assert frame[1].tolist() == [1, 2, 3]


def test_decode_dataframe_first_line_of_words_is_a_record() -> None:
    assert _frame(b"length,width\nlong,wide\n").shape == (2, 2)


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        (b'"x\ny",1\na\n', 3, "a record's number of fields differs from the first record's"),
        (b"a,b\nc\n", 2, "a record's number of fields differs from the first record's"),
        (b"a,b\nc,d,e\n", 2, "a record's number of fields differs from the first record's"),
        (b"a,b\n\nc,d\n", 2, "a line is empty"),
        (b"a\n\n", 2, "a line is empty"),
        (b"a,b\rc,d\n", 1, "a carriage return stands alone"),
        (b'a,b"c"\n', 1, "a quote stands inside a field"),
        (b'a,"b" \n', 1, "a quote stands inside a field"),
        (b'a\n"b\n', 2, "a quoted field has no end"),
        (b"a\n\xff\n", 2, "the body is not UTF-8 text"),
    ],
)
def test_decode_dataframe_fault_names_its_line(body: bytes, line: int, what: str) -> None:
    fault = _fault(body, DataForm.DATAFRAME)
    assert (fault.line, fault.what) == (line, what)


@pytest.mark.parametrize(
    ("prediction", "body"),
    [
        (np.array([0, 2, 1]), b"0\n2\n1\n"),
        (np.array([0.5, 1.0]), b"0.5\n1.0\n"),
        (np.array([0.1, 1e-5], dtype=np.float32), b"0.1\n1e-05\n"),
        (np.array([[0.25, 0.75], [1.0, 0.0]]), b"0.25,0.75\n1.0,0.0\n"),
        (np.array([np.nan, np.inf, -np.inf]), b"nan\ninf\n-inf\n"),
        (np.array(["setosa", 'a "b", c'], dtype=object), b'setosa\n"a ""b"", c"\n'),
        (np.array([b"setosa"]), b"setosa\n"),
        (np.array([True, False]), b"True\nFalse\n"),
        (np.float64(0.1), b"0.1\n"),
        (3, b"3\n"),
        ([["a", 0.5], ["b", None]], b"a,0.5\nb,\n"),
        ([("a", np.float32(0.1)), ("b", np.int8(1))], b"a,0.1\nb,1\n"),
        ([np.array([1.0, 2.0]), np.array([3.0, 4.0])], b"1.0,2.0\n3.0,4.0\n"),
        ((value for value in (1, 2)), b"1\n2\n"),
        (pd.Series(["a", "b"]), b"a\nb\n"),
        (pd.DataFrame({"label": ["a", "b"], "score": [0.5, 1]}), b"a,0.5\nb,1.0\n"),
        (np.empty(0), b""),
        ([], b""),
    ],
)
def test_encode_prediction_gives_one_line_each(prediction: Any, body: bytes) -> None:
    assert encode(prediction, "text/csv", "application/json") == (body, "text/csv")


@pytest.mark.parametrize(
    "prediction", [{"a": 1}, [{"a": 1}], np.zeros((2, 2, 2)), [object()], ["\ud800"], [b"\xff"], [1j]]
)
def test_encode_prediction_without_a_csv_form_is_refused(prediction: Any) -> None:
    with pytest.raises(UserCodeError) as caught:
        encode(prediction, "text/csv", "text/csv")
    assert caught.value.code == "prediction-not-encodable"
    assert caught.value.fix is not None

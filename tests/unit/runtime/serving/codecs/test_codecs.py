"""Content-Type, charset and Accept: which codec reads, which writes, what is refused."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from seatrial.core.errors import RequestError, UserCodeError
from seatrial.runtime.serving.codecs import CODECS, DataForm, MalformedBodyError, dataframes, decode, encode
from seatrial.runtime.serving.codecs.dataframes import MAX_COLUMNS

DEFAULT = "application/json"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        " ",
        "text",
        "text/",
        "/csv",
        "text/plain",
        "text/csv/x",
        "application/*",
        "text/csv,application/json",
        "é/é",
        "application/x-image",
        "text/csv\x00",
        "x" * 2_000,
    ],
)
def test_decode_unknown_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode(b"1,2", content_type)
    assert caught.value.code == "unsupported-content-type"
    assert "text/csv" in caught.value.sentence()
    assert len(caught.value.sentence()) < 300


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("UTF8", "utf-8-sig"),
        ("ISO-8859-1", "latin-1"),
        ("utf-16", "utf-16"),
        ("utf-16le", "utf-16-le"),
        ("windows-1252", "cp1252"),
        ("shift_jis", "shift_jis"),
    ],
)
def test_decode_charset_is_honoured(charset: str, encoding: str) -> None:
    text = "あ,1\n" if encoding == "shift_jis" else "é,1\n"
    frame = decode(text.encode(encoding), f"text/csv; charset={charset}", DataForm.DATAFRAME)
    assert frame[0].tolist() == [text[0]]
    assert decode("[[1,2]]".encode(encoding), f'application/json;charset="{charset}"').tolist() == [[1, 2]]


@pytest.mark.parametrize("charset", ["zip", "idna", "utf-7", "rot13", "unicode_escape", "no-such", "../x"])
def test_decode_charset_off_the_list_is_refused(charset: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode(b"1,2", f'text/csv; charset="{charset}"')
    assert caught.value.code == "unsupported-content-type"
    assert "send UTF-8" in caught.value.sentence()


def test_decode_bytes_that_are_not_of_the_charset_are_refused() -> None:
    with pytest.raises(MalformedBodyError) as caught:
        decode(b"\x00", "text/csv; charset=utf-16")
    assert caught.value.what == "the body is not utf-16 text"


def test_decode_charset_of_a_binary_type_means_nothing() -> None:
    body, content_type = encode(np.eye(2), "application/x-npy", DEFAULT)
    assert decode(body, content_type + "; charset=zip").tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, DEFAULT),
        ("", DEFAULT),
        (" ", DEFAULT),
        ("*/*", DEFAULT),
        ("*", DEFAULT),
        ("text/html, image/gif, *; q=.2, */*; q=.2", DEFAULT),
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("application/jsonlines;verbose=true", "application/jsonlines"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/*", "text/csv"),
        ("application/*", DEFAULT),
        ("text/csv, application/json", "text/csv"),
        ("application/json, text/csv", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.9", "application/json"),
        ("text/csv;q=0.5, */*;q=0.1", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("application/json;q=0, application/*", "application/jsonlines"),
        ("text/*;q=0.2, text/csv;q=0.9, application/json;q=0.5", "text/csv"),
        ("image/png, text/csv", "text/csv"),
        (",, text/csv ,", "text/csv"),
        ('text/csv;note="a, b;q=0"', "text/csv"),
        ("nonsense, text/csv;q=2, application/json;q=0.1", "application/json"),
    ],
)
def test_encode_accept_header_chooses_the_type(accept: str | None, expected: str) -> None:
    assert encode(np.array([1]), accept, DEFAULT)[1] == expected


@pytest.mark.parametrize("default", ["text/csv", "text/csv; charset=utf-8", "TEXT/CSV"])
def test_encode_default_is_used_without_its_parameters(default: str) -> None:
    assert encode(np.array([1]), None, default) == (b"1\n", "text/csv")
    assert encode(np.array([1]), "*/*", default)[1] == "text/csv"
    assert encode(np.array([1]), "application/*", default)[1] == "application/json"


@pytest.mark.parametrize(
    "accept", ["image/png", "text/html;q=1", "text/csv;q=0", "*/*;q=0", "nonsense", "text", "text/csv;q=x"]
)
def test_encode_nothing_acceptable_is_refused(accept: str) -> None:
    with pytest.raises(RequestError) as caught:
        encode(np.array([1]), accept, DEFAULT)
    assert caught.value.code == "not-acceptable"
    assert "application/json" in caught.value.sentence()


@pytest.mark.parametrize(
    ("prediction", "body"),
    [
        ("done", b"done"),
        ("é", "é".encode()),
        (b"\x89PNG", b"\x89PNG"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (b"", b""),
    ],
)
def test_encode_text_and_bytes_go_out_as_they_are(prediction: Any, body: bytes) -> None:
    assert encode(prediction, None, "text/csv") == (body, "text/csv")
    assert encode(prediction, "image/png", "text/csv") == (body, "image/png")
    assert encode(prediction, "image/*;q=0.9, image/gif;q=0.5", "text/csv") == (body, "image/gif")
    assert encode(prediction, "*/*", "text/csv") == (body, "text/csv")


@pytest.mark.parametrize("prediction", [None, "\ud800"])
def test_encode_nothing_and_broken_text_are_refused(prediction: Any) -> None:
    with pytest.raises(UserCodeError) as caught:
        encode(prediction, None, DEFAULT)
    assert caught.value.code == "prediction-not-encodable"


def test_decode_dataframe_without_pandas_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserCodeError) as caught:
        decode(b"1,2", "text/csv", DataForm.DATAFRAME)
    assert caught.value.code == "pandas-not-installed"


def test_codecs_do_not_import_pandas_by_themselves() -> None:
    assert "pandas" not in vars(dataframes)


def test_codecs_have_one_file_each_named_after_the_type() -> None:
    names = {codec.decode.__module__.rsplit(".", 1)[1] for codec in CODECS}
    assert names == {codec.media_types[0].replace("/", "_").replace("-", "_") for codec in CODECS}


@pytest.mark.parametrize("piece", ['"\\', '"', '";', "a=", "a/b;", ",", '\\"'])
def test_encode_accept_header_of_any_length_takes_linear_time(piece: str) -> None:
    with pytest.raises(RequestError):
        encode(np.array([1]), "x/y;" + piece * 60_000, DEFAULT)


@pytest.mark.parametrize("form", list(DataForm))
def test_decode_one_very_wide_record_is_read_as_numpy_only(form: DataForm) -> None:
    """pandas would take seconds."""
    width = MAX_COLUMNS + 1
    bodies = {
        "text/csv": b"1," * (width - 1) + b"1",
        "application/json": b"[" + b"1," * (width - 1) + b"1]",
        "application/x-npy": encode(np.ones((1, width)), "application/x-npy", DEFAULT)[0],
    }
    for content_type, body in bodies.items():
        if form is DataForm.NUMPY:
            assert decode(body, content_type).shape == (1, width)
        else:
            with pytest.raises(MalformedBodyError, match="too wide for a DataFrame"):
                decode(body, content_type, form)

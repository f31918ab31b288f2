from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.platform.logs.lines import (
    MAX_MESSAGE_BYTES,
    decode_line,
    decode_timestamp,
    encode_line,
    encode_message,
    split_message,
)

TIMES = st.integers(0, 10**15 - 1)


@given(TIMES, st.text(st.characters(exclude_categories=["Cs"])))
@example(1, "\\n\n\\\\")
@example(1, "\\")
@example(1, "\t\x1b[31m\r\x00")
def test_decode_line_of_any_text_is_what_was_encoded(timestamp_ms: int, message: str) -> None:
    encoded = encode_line(timestamp_ms, encode_message(message))

    assert encoded.count(b"\n") == 1
    line = decode_line(7, encoded[:-1])
    assert line == (7, 7 + len(encoded), timestamp_ms, message)


@given(st.binary())
def test_decode_line_of_any_bytes_never_raises(raw: bytes) -> None:
    line = decode_line(0, raw)

    assert (line is None) == (decode_timestamp(raw) is None)


def test_encode_line_without_newline_keeps_control_bytes_and_backslashes_readable() -> None:
    assert encode_line(1700000000000, b"a\tb\\n\x1b[0m") == b"1700000000000 a\tb\\n\x1b[0m\n"


@given(st.text(st.characters()))
@example("a\ud800\udcffb")
def test_encode_message_with_surrogates_is_utf_8(message: str) -> None:
    assert len(encode_message(message).decode()) == len(message)


@given(st.sampled_from(["x", "é", "€", "😀"]), st.integers(0, 3), st.sampled_from([-1, 0, 1, MAX_MESSAGE_BYTES]))
def test_split_message_gives_whole_characters_and_loses_nothing(character: str, offset: int, excess: int) -> None:
    message = ("x" * offset + character * (MAX_MESSAGE_BYTES // len(character.encode()) + excess)).encode()

    pieces = split_message(message)

    assert b"".join(pieces) == message
    for piece in pieces:
        piece.decode()
        assert len(piece) <= MAX_MESSAGE_BYTES
    assert all(len(piece) > MAX_MESSAGE_BYTES - 4 for piece in pieces[:-1])

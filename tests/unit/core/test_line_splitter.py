from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.subprocesses import MAX_LINE_BYTES, LineSplitter, Outcome


def split(chunks: list[bytes]) -> list[str]:
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()


@given(st.lists(st.binary(max_size=30)))
def test_feed_in_any_chunks_gives_the_lines_of_the_whole(chunks: list[bytes]) -> None:
    assert split(chunks) == split([b"".join(chunks)])


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=20)))
def test_feed_of_text_gives_its_lines(lines: list[str]) -> None:
    assert split(["".join(f"{line}\n" for line in lines).encode()]) == lines


def test_feed_of_carriage_returns_and_bad_bytes_removes_the_one_and_replaces_the_other() -> None:
    assert split([b"one\r\ntw\xffo\n", b"", b"no end"]) == ["one", "tw�o", "no end"]


def test_feed_of_an_endless_line_hands_it_over_in_bounded_pieces() -> None:
    splitter = LineSplitter()

    pieces = splitter.feed(b"x" * (2 * MAX_LINE_BYTES + 1))

    assert [len(piece) for piece in pieces] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert splitter.flush() == ["x"]


def test_feed_of_a_long_ended_line_loses_nothing() -> None:
    assert [len(line) for line in split([b"x" * (MAX_LINE_BYTES + 5) + b"\ny\n"])] == [MAX_LINE_BYTES, 5, 1]


def test_outcome_is_success_only_at_exit_code_zero() -> None:
    assert Outcome(0).is_success
    assert not Outcome(143).is_success

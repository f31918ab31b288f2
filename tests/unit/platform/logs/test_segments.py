"""A stream's files against a list in memory, with lines longer than a chunk and segments of few lines."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.logs.lines import Line, encode_line
from seatrial.platform.logs.segments import StreamView, segment_name
from seatrial.platform.logs.writer import OutOfOrderError, StreamFile

SIZES = st.one_of(st.integers(0, 20), st.sampled_from([4_000, 4_095, 4_096, 4_097, 9_000, 70_000]))
EVENTS = st.lists(st.tuples(st.integers(0, 3), SIZES), max_size=30)


def write(directory: Path, events: list[tuple[int, int]], segment_bytes: int) -> list[Line]:
    """Lines as they should be read; an event is milliseconds since the one before, and a message's length."""
    now_ms, offset, lines = 1_000, 0, []
    file = StreamFile(directory, segment_bytes=segment_bytes, max_segments=10_000, now_ms=lambda: now_ms)
    for index, (step, size) in enumerate(events):
        now_ms += step
        message = f"{index}:".ljust(size, "x")
        file.append(message.encode())
        end = offset + len(encode_line(now_ms, message.encode()))
        lines.append(Line(offset, end, now_ms, message))
        offset = end
    file.close()
    return lines


@given(EVENTS, st.sampled_from([1, 50, 5_000, 10**9]), st.sampled_from([b"", b"17", b"1700 torn", b"x" * 5_000]))
def test_stream_view_reads_what_was_written_both_ways_and_by_time(
    events: list[tuple[int, int]], segment_bytes: int, torn: bytes
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        lines = write(Path(directory), events, segment_bytes)
        newest = sorted(Path(directory).iterdir())[-1]
        with newest.open("ab") as file:
            file.write(torn)
        view = StreamView(Path(directory))

        assert list(view.forwards(0)) == lines
        assert list(view.backwards(view.end)) == lines[::-1]
        assert view.first_timestamp() == (lines[0].timestamp_ms if lines else None)
        assert view.last_timestamp() == (lines[-1].timestamp_ms if lines else None)
        for place in range(len(lines)):
            assert next(view.forwards(lines[place].start)) == lines[place]
            assert next(view.backwards(lines[place].end)) == lines[place]
        last_ms = lines[-1].timestamp_ms if lines else 1_000
        for timestamp_ms in range(999, last_ms + 2):
            expected = next((line.start for line in lines if line.timestamp_ms >= timestamp_ms), view.end)
            assert view.find_time(timestamp_ms) == expected


@given(EVENTS.filter(bool), st.sampled_from([1, 50, 10**9]), st.data())
def test_stream_view_at_an_offset_inside_a_line_goes_on_with_the_next(
    events: list[tuple[int, int]], segment_bytes: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        lines = write(Path(directory), events, segment_bytes)
        offset = data.draw(st.integers(0, lines[-1].end + 10))
        view = StreamView(Path(directory))

        assert list(view.forwards(offset)) == [line for line in lines if line.start >= offset]
        assert list(view.backwards(offset)) == [line for line in lines if line.end <= offset][::-1]


def test_stream_view_with_lines_that_are_no_events_passes_over_them(tmp_path: Path) -> None:
    (tmp_path / segment_name(0)).write_bytes(b"\0\0\0\n1 a\nan editor was here\n\n5 b\n\n")

    view = StreamView(tmp_path)

    assert [line.message for line in view.forwards(0)] == ["a", "b"]
    assert [line.message for line in view.backwards(view.end)] == ["b", "a"]
    assert next(view.forwards(view.find_time(2))).message == "b"


def test_stream_view_without_a_directory_is_empty(tmp_path: Path) -> None:
    view = StreamView(tmp_path / "gone")

    assert (view.start, view.end, view.find_time(5), list(view.forwards(0))) == (0, 0, 0, [])


def test_stream_view_when_segments_are_dropped_meanwhile_goes_on_with_the_rest(tmp_path: Path) -> None:
    lines = write(tmp_path, [(1, 10)] * 4, segment_bytes=1)
    view = StreamView(tmp_path)
    for path in sorted(tmp_path.iterdir())[:2]:
        path.unlink()

    assert list(view.forwards(0)) == lines[2:]
    assert list(view.backwards(view.end)) == lines[:1:-1]
    assert view.find_time(lines[3].timestamp_ms) == lines[3].start


# --- the writer's side ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("torn", "kept"), [(b"1700 half a mess", ["1", "half a mess", "2"]), (b"170", ["1", "2"]), (b"1700", ["1", "2"])]
)
def test_stream_file_after_a_torn_line_completes_or_drops_it(tmp_path: Path, torn: bytes, kept: list[str]) -> None:
    path = tmp_path / segment_name(0)
    path.write_bytes(b"1600 1\n" + torn)

    file = StreamFile(tmp_path, now_ms=lambda: 2_000)
    file.append(b"2")
    file.close()

    assert [line.message for line in StreamView(tmp_path).forwards(0)] == kept


def test_stream_file_when_the_clock_is_set_back_keeps_the_last_time(tmp_path: Path) -> None:
    times = iter([500, 400, 600])
    for _ in range(3):
        file = StreamFile(tmp_path, now_ms=lambda: next(times))
        file.append(b"x")
        file.close()

    assert [line.timestamp_ms for line in StreamView(tmp_path).forwards(0)] == [500, 500, 600]


def test_stream_file_rotates_and_drops_the_oldest_segments(tmp_path: Path) -> None:
    file = StreamFile(tmp_path, segment_bytes=9, max_segments=2, now_ms=lambda: 1)
    for index in range(6):
        file.append(f"line {index}".encode())  # 9 bytes with time and newline
    file.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["0000000000000036.log", "0000000000000045.log"]
    view = StreamView(tmp_path)
    assert (view.start, view.end) == (36, 54)
    assert [line.message for line in view.forwards(0)] == ["line 4", "line 5"]


def test_append_events_before_the_last_one_raises_and_writes_nothing(tmp_path: Path) -> None:
    file = StreamFile(tmp_path)
    file.append_events([(10, b"a"), (20, b"b\nc")])

    with pytest.raises(OutOfOrderError) as caught:
        file.append_events([(19, b"x"), (30, b"y")])
    file.append_events([])
    file.append_events([(20, b"d")])
    file.close()

    assert caught.value.last_ms == 20
    assert [line.message for line in StreamView(tmp_path).forwards(0)] == ["a", "b\nc", "d"]


def test_append_when_the_disk_is_full_keeps_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    file = StreamFile(tmp_path, now_ms=lambda: 1)
    file.append(b"before")
    real_write = os.write
    answers = iter([3, OSError(28, "No space left on device")])

    def write_a_little(number: int, data: bytes) -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return real_write(number, data[:answer])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_a_little)
        with pytest.raises(OSError, match="No space left"):
            file.append(b"lost")
    file.append(b"after")
    file.close()

    assert [line.message for line in StreamView(tmp_path).forwards(0)] == ["before", "after"]

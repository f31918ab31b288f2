"""A container's output, read again from its first line, stands in the log once."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.logs.lines import MAX_MESSAGE_BYTES
from seatrial.platform.logs.replay import ReplayedLog
from seatrial.platform.logs.store import LogStore

GROUP, STREAM = "group", "stream"
lines = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20), max_size=30)


def messages(store: LogStore) -> list[str]:
    with store.open_stream(GROUP, STREAM) as writer:
        return [line.message for line in writer.written_since(0)]


@given(before=lines, output=lines, written_count=st.integers(0, 30))
def test_output_stands_once_wherever_its_writer_was_killed(
    before: list[str], output: list[str], written_count: int
) -> None:
    with TemporaryDirectory() as directory:
        store = LogStore(Path(directory))
        first = ReplayedLog(store.open_stream(GROUP, STREAM), None)
        for line in before:
            first.write(line)
        position = first.position
        for line in output[:written_count]:
            first.write(line)
        first.close()

        again = ReplayedLog(store.open_stream(GROUP, STREAM), position)
        times = [again.write(line) for line in output]
        again.close()

        assert messages(store) == [*before, *output]
        assert times == sorted(times)


def test_line_that_was_cut_is_written_whole_and_so_is_what_follows(tmp_path: Path) -> None:
    store = LogStore(tmp_path)
    with store.open_stream(GROUP, STREAM) as writer:
        writer.write("one")
        writer.write("tw")
    again = ReplayedLog(store.open_stream(GROUP, STREAM), 0)
    for line in ("one", "two", "three"):
        again.write(line)
    again.close()

    assert messages(store) == ["one", "tw", "two", "three"]


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1, 3 * MAX_MESSAGE_BYTES])
def test_line_of_several_events_is_found_again(tmp_path: Path, size: int) -> None:
    store = LogStore(tmp_path)
    for position in (None, 0):
        log = ReplayedLog(store.open_stream(GROUP, STREAM), position)
        log.write("x" * size)
        log.write("end")
        log.close()

    assert "".join(messages(store)) == "x" * size + "end"

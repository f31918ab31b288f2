"""Appends events to a stream: one ``write`` of the operating system for each, so that a kill loses no line.

All writers of one stream in this process share one ``StreamFile``, which keeps timestamps from falling. Two processes
must not write to one stream; the platform is the only one that writes under its home.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from seatrial.platform.logs.lines import (
    MAX_MESSAGE_BYTES,
    Line,
    decode_timestamp,
    encode_line,
    encode_message,
    split_message,
)
from seatrial.platform.logs.segments import Segment, StreamView, complete_end, list_segments, segment_name

DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment is full when it holds as much; the line that fills it is its last."""
DEFAULT_MAX_SEGMENTS = 16
"""Beyond so many, a stream loses its oldest segment: 1 GiB of log is kept."""
_CLOSED = -1


def clock_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class OutOfOrderError(Exception):
    """Events would have to stand before others that the stream already has.

    Args:
        last_ms: Timestamp of the stream's last event.
    """

    def __init__(self, last_ms: int) -> None:
        super().__init__(f"the stream's last event is of {last_ms}")
        self.last_ms = last_ms


class LogWriter:
    """Writes to one stream; safe for many threads, and so is ``close``."""

    def __init__(self, file: StreamFile, on_close: Callable[[], None]) -> None:
        self._file = file
        self._on_close: Callable[[], None] | None = on_close

    def write(self, message: str) -> None:
        """Append one event with the present time; readers see it when this returns.

        After every writer of the stream was closed it goes nowhere: what a container says after its end is no log.

        Args:
            message: Without its final newline; one that is longer than ``MAX_MESSAGE_BYTES`` becomes several events.

        Raises:
            OSError: the disk is full or broken; nothing of the event is kept, and the next write tries anew.
        """
        self._file.append(encode_message(message))

    def write_events(self, events: Sequence[tuple[int, str]]) -> None:
        """Append events with times of their own, all or none.

        Args:
            events: Milliseconds since 1970, not falling, and message, which may hold newlines and is never split.

        Raises:
            OutOfOrderError: the first is earlier than the last event of the stream.
            OSError: As ``write``.
        """
        self._file.append_events([(timestamp_ms, encode_message(message)) for timestamp_ms, message in events])

    @property
    def position(self) -> int:
        """Where the next event will stand in the stream, in bytes."""
        return self._file.position

    def written_since(self, position: int) -> Iterator[Line]:
        """The events that stand there now, from an earlier ``position`` on; what was rotated away is passed over."""
        end = self.position
        return takewhile(lambda line: line.end <= end, self._file.view().forwards(position))

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StreamFile:
    """The newest segment of a stream, open for appending.

    A torn last line of an earlier process is completed with a newline when its timestamp is whole, else cut off.

    Args:
        directory: Of the stream; it exists.
        segment_bytes: See ``DEFAULT_SEGMENT_BYTES``.
        max_segments: See ``DEFAULT_MAX_SEGMENTS``; at least 1.
        now_ms: The clock.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        max_segments: int = DEFAULT_MAX_SEGMENTS,
        now_ms: Callable[[], int] = clock_ms,
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._max_segments = max_segments
        self._now_ms = now_ms
        self._lock = threading.Lock()
        segments = list_segments(directory)
        newest = segments[-1] if segments else Segment(directory / segment_name(0), 0, 0)
        self._start = newest.start
        self._file = _open(newest.path)
        self._size = _complete_torn_line(self._file, newest)
        self._last_ms = StreamView(directory).last_timestamp() or 0

    @property
    def position(self) -> int:
        with self._lock:
            return self._start + self._size

    def view(self) -> StreamView:
        return StreamView(self._directory)

    def append(self, message: bytes) -> None:
        """Append a message with the present time, or with the time of the last event if the clock was set back."""
        with self._lock:
            timestamp_ms = max(self._now_ms(), self._last_ms)
            if len(message) <= MAX_MESSAGE_BYTES:
                self._write(encode_line(timestamp_ms, message))
            else:
                self._write(b"".join(encode_line(timestamp_ms, piece) for piece in split_message(message)))
            self._last_ms = timestamp_ms

    def append_events(self, events: Sequence[tuple[int, bytes]]) -> None:
        """See ``LogWriter.write_events``."""
        if not events:
            return
        with self._lock:
            if events[0][0] < self._last_ms:
                raise OutOfOrderError(self._last_ms)
            self._write(b"".join(encode_line(timestamp_ms, message) for timestamp_ms, message in events))
            self._last_ms = events[-1][0]

    def close(self) -> None:
        """Let the file go: its number will be another file's. A second call does nothing, and so does any write."""
        with self._lock:
            file, self._file = self._file, _CLOSED
            if file != _CLOSED:
                os.close(file)

    def _write(self, lines: bytes) -> None:
        if self._file == _CLOSED:
            return
        if self._size >= self._segment_bytes:
            self._rotate()
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._file, lines[written:] if written else lines)
        except OSError:
            if written:  # half a line would swallow the next one
                os.ftruncate(self._file, self._size)
            raise
        self._size += written

    def _rotate(self) -> None:
        start = self._start + self._size
        file = _open(self._directory / segment_name(start))
        os.close(self._file)
        self._file, self._start, self._size = file, start, 0
        for old in list_segments(self._directory)[: -self._max_segments]:
            with contextlib.suppress(FileNotFoundError):
                old.path.unlink()


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)


def _complete_torn_line(file: int, newest: Segment) -> int:
    """Make the segment end in a newline; returns its size in bytes."""
    end = complete_end(newest)
    if end == newest.end:
        return newest.end - newest.start
    torn = os.pread(file, 64, end - newest.start)
    if decode_timestamp(torn) is None:
        os.ftruncate(file, end - newest.start)
        return end - newest.start
    os.write(file, b"\n")
    return newest.end + 1 - newest.start

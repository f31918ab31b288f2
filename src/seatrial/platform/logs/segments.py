"""A stream's files: listed once, then read forwards, backwards, or found by time.

A stream is a directory of segments. A segment's name is the 16-digit offset of its first byte in the stream, so an
offset stays valid when old segments are dropped. Only the newest one grows; what stands behind its last newline is a
line that is still being written, or was torn by a kill, and is not there for readers. Timestamps never fall.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.platform.logs.lines import Line, decode_line, decode_timestamp

SUFFIX = ".log"
_NAME = re.compile(r"\d{16,}\.log")
_FIRST_CHUNK_BYTES = 4 * 1024
_MAX_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a stream."""

    path: Path
    start: int
    """Offset of its first byte in the stream."""
    end: int
    """Offset behind its last byte, or behind the last complete line of the newest segment."""


def segment_name(start: int) -> str:
    return f"{start:016d}{SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """Oldest first; the newest one with all its bytes, a torn line included. Empty when there is no directory."""
    try:
        with os.scandir(directory) as entries:
            names = sorted((int(e.name[: -len(SUFFIX)]), e.name) for e in entries if _NAME.fullmatch(e.name))
    except FileNotFoundError:
        return []
    segments = []
    for start, name in names:
        path = directory / name
        try:
            segments.append(Segment(path, start, start + path.stat().st_size))
        except FileNotFoundError:  # dropped just now
            continue
    return segments


def complete_end(segment: Segment) -> int:
    """Offset behind the last newline of a segment, or its start when it has none."""
    end = segment.end
    while end > segment.start:
        size = min(_FIRST_CHUNK_BYTES, end - segment.start)
        found = _read(segment, end - size, size).rfind(b"\n")
        if found >= 0:
            return end - size + found + 1
        end -= size
    return segment.start


class StreamView:
    """What a stream holds at the moment of construction; a file that is dropped later reads as empty.

    Args:
        directory: Of the stream.
    """

    def __init__(self, directory: Path) -> None:
        segments = list_segments(directory)
        if segments:
            newest = segments[-1]
            segments[-1] = Segment(newest.path, newest.start, complete_end(newest))
        self._segments = segments
        self.start = segments[0].start if segments else 0
        """Offset of the first line that is still there."""
        self.end = segments[-1].end if segments else 0
        """Offset behind the last complete line."""

    def forwards(self, offset: int) -> Iterator[Line]:
        """Lines that start at or behind an offset, oldest first."""
        for segment in self._segments:
            if segment.end <= offset:
                continue
            position, is_line_start = max(segment.start, offset), True
            if position > segment.start and _read(segment, position - 1, 1) != b"\n":
                is_line_start = False  # an offset that is none of ours
            for start, raw in _raw_lines(segment, position):
                if is_line_start and (line := decode_line(start, raw)) is not None:
                    yield line
                is_line_start = True

    def backwards(self, offset: int) -> Iterator[Line]:
        """Lines that end at or before an offset, newest first."""
        for segment in reversed(self._segments):
            if segment.start >= offset:
                continue
            for start, raw in _raw_lines_backwards(segment, min(segment.end, offset)):
                if (line := decode_line(start, raw)) is not None:
                    yield line

    def first_timestamp(self) -> int | None:
        """In milliseconds; ``None`` when there is no event."""
        return next((line.timestamp_ms for line in self.forwards(self.start)), None)

    def last_timestamp(self) -> int | None:
        """In milliseconds; ``None`` when there is no event."""
        return next((line.timestamp_ms for line in self.backwards(self.end)), None)

    def find_time(self, timestamp_ms: int) -> int:
        """Offset of the first line that is not earlier than a time; ``end`` when there is none.

        Reads a few KiB for each halving, whatever the size of the stream.
        """
        low, high = 0, len(self._segments)  # the first segment that begins at or behind the time
        while low < high:
            middle = (low + high) // 2
            if _begins_before(self._segments[middle], timestamp_ms):
                low = middle + 1
            else:
                high = middle
        return self.start if low == 0 else _find_time(self._segments[low - 1], timestamp_ms)


def _begins_before(segment: Segment, timestamp_ms: int) -> bool:
    found = _first_line(segment, segment.start, segment.end, is_line_start=True)
    return found is not None and found[2] < timestamp_ms


def _find_time(segment: Segment, timestamp_ms: int) -> int:
    """As ``StreamView.find_time``, in one segment.

    Every line before ``low`` is earlier, every line that starts at or behind ``high`` is not; a line starts at ``low``.
    """
    low, high = segment.start, segment.end
    while low < high:
        middle = (low + high) // 2
        found = _first_line(segment, middle, high, is_line_start=middle == low)
        if found is None or found[2] >= timestamp_ms:
            high = middle
        else:
            low = found[1]
    return low


def _first_line(segment: Segment, position: int, limit: int, *, is_line_start: bool) -> tuple[int, int, int] | None:
    """Start, end and timestamp of the first event that starts in ``[position, limit)``."""
    lines = _raw_lines(segment, position if is_line_start else position - 1)
    if not is_line_start:
        next(lines, None)  # the end of the line before
    for start, raw in lines:
        if start >= limit:
            return None
        if (timestamp_ms := decode_timestamp(raw)) is not None:
            return start, start + len(raw) + 1, timestamp_ms
    return None


def _raw_lines(segment: Segment, position: int) -> Iterator[tuple[int, bytes]]:
    """Start and bytes, without the newline, of each line from a position on, be it a line's start or not."""
    rest, size = b"", _FIRST_CHUNK_BYTES
    at = position  # of the first byte of rest
    while (begin := at + len(rest)) < segment.end:
        read = _read(segment, begin, min(size, segment.end - begin))
        if not read:
            return
        size = min(size * 4, _MAX_CHUNK_BYTES)
        *lines, rest = (rest + read).split(b"\n")
        for raw in lines:
            yield at, raw
            at += len(raw) + 1


def _raw_lines_backwards(segment: Segment, end: int) -> Iterator[tuple[int, bytes]]:
    """Start and bytes, without the newline, of each line that ends at or before ``end``, the last first."""
    rest, size = b"", _FIRST_CHUNK_BYTES
    at = end  # of the first byte of rest
    is_behind_newline = False
    while at > segment.start:
        begin = max(segment.start, at - size)
        read = _read(segment, begin, at - begin)
        if len(read) < at - begin:
            return
        size = min(size * 4, _MAX_CHUNK_BYTES)
        first, *lines = (read + rest).split(b"\n")
        stop = begin + len(read) + len(rest)  # behind the last piece
        for raw in reversed(lines):
            stop -= len(raw)
            if is_behind_newline:
                yield stop, raw
            is_behind_newline = True  # what stands behind the last newline is no line
            stop -= 1
        at, rest = begin, first
    if is_behind_newline and at == segment.start:
        yield at, rest


def _read(segment: Segment, offset: int, size: int) -> bytes:
    """Bytes at an offset of the stream; fewer at the end, none when the segment was dropped.

    The file is open for this one read only: a filter over thousands of streams needs no thousands of files.
    """
    try:
        file = os.open(segment.path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(file, size, offset - segment.start)
    finally:
        os.close(file)

"""First and last event of streams, remembered for as long as a stream does not grow."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from seatrial.platform.logs.segments import Segment, StreamView, list_segments

_SETTLED_NS = 1_000_000_000  # far above the steps in which file systems count time


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """First and last event of a stream whose files were these."""

    segments: tuple[Segment, ...]
    first_ms: int | None
    last_ms: int | None
    directory_mtime_ns: int | None
    """``None`` when the directory had changed so lately that it could change again without a later time."""

    def are_of(self, directory: Path) -> bool:
        """Whether the files are still these: no segment came or went, and the newest one has not grown."""
        if not self.segments or os.stat(directory).st_mtime_ns != self.directory_mtime_ns:
            return False
        newest = self.segments[-1]
        return newest.path.stat().st_size == newest.end - newest.start


class TimesCache:
    """The times of many streams; safe for many threads."""

    def __init__(self) -> None:
        self._times: dict[Path, StreamTimes] = {}

    def forget(self, directory: Path) -> None:
        """A stream's directory, or a group's, is gone."""
        for path in [path for path in list(self._times) if directory in (path, path.parent)]:
            self._times.pop(path, None)

    def of(self, directory: Path) -> StreamTimes:
        """The times of a stream's directory."""
        known = self._times.get(directory)
        try:
            if known is not None and known.are_of(directory):
                return known
            mtime_ns: int | None = directory.stat().st_mtime_ns
        except FileNotFoundError:  # deleted, or a segment was dropped, just now
            mtime_ns = None
        if mtime_ns is not None and time.time_ns() - mtime_ns < _SETTLED_NS:
            mtime_ns = None
        segments = tuple(list_segments(directory))
        view = StreamView(directory)
        # Timestamps never fall, so what the file gained meanwhile makes last_ms later, which is safe.
        times = StreamTimes(segments, view.first_timestamp(), view.last_timestamp(), mtime_ns)
        self._times[directory] = times
        return times

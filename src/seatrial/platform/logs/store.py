"""Log groups and streams under one directory: who writes to them, and what stands in them.

Everything is read from the files at each call, so a restart loses nothing; only the times of first and last events are
remembered for as long as a stream does not grow. ``directories`` says what lies where, ``lists`` what groups and
streams there are.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.platform.logs.directories import ExistsError, LogDirectories
from seatrial.platform.logs.lists import LogLists
from seatrial.platform.logs.pages import (
    MAX_PAGE_EVENTS,
    EventsPage,
    FilteredStream,
    FilterPage,
    filter_events,
    read_events,
)
from seatrial.platform.logs.patterns import parse_pattern
from seatrial.platform.logs.segments import StreamView
from seatrial.platform.logs.times import TimesCache
from seatrial.platform.logs.tokens import FilterToken, parse_token, render_token
from seatrial.platform.logs.writer import (
    DEFAULT_MAX_SEGMENTS,
    DEFAULT_SEGMENT_BYTES,
    LogWriter,
    StreamFile,
    clock_ms,
)


class BusyError(Exception):
    """A stream that is still written to cannot be deleted."""


class LogStore:
    """Groups and streams of events; safe for many threads.

    Args:
        root: Directory of all groups; made when the first one is.
        segment_bytes: See ``writer.DEFAULT_SEGMENT_BYTES``.
        max_segments: See ``writer.DEFAULT_MAX_SEGMENTS``.
        now_ms: The clock, in milliseconds since 1970.
    """

    def __init__(
        self,
        root: Path,
        *,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        max_segments: int = DEFAULT_MAX_SEGMENTS,
        now_ms: Callable[[], int] = clock_ms,
    ) -> None:
        self._bin = root / ".deleted"
        shutil.rmtree(self._bin, ignore_errors=True)  # left by a kill
        self._segment_bytes = segment_bytes
        self._max_segments = max_segments
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._open_files: dict[Path, tuple[StreamFile, int]] = {}
        self._directories = LogDirectories(root)
        self._times = TimesCache()
        self.lists = LogLists(self._directories, self._times)
        """What groups and streams there are."""

    # --- writing ----------------------------------------------------------------------------------------------------

    def create_group(self, group: str) -> None:
        """Raises ExistsError."""
        with self._lock:
            self._directories.make_group(group, self._now_ms())

    def create_stream(self, group: str, stream: str) -> None:
        """Raises MissingGroupError, ExistsError."""
        with self._lock:
            self._directories.make_stream(group, stream, self._now_ms())

    def open_stream(self, group: str, stream: str) -> LogWriter:
        """A writer that appends to a stream; the group and the stream are made if need be. Close it.

        Raises:
            OSError: the directory or file cannot be made.
        """
        with self._lock:
            with contextlib.suppress(ExistsError):
                self.create_group(group)
            with contextlib.suppress(ExistsError):
                self.create_stream(group, stream)
            directory = self._directories.stream(group, stream)
            file, user_count = self._open_files.get(directory, (None, 0))
            if file is None:
                file = StreamFile(
                    directory,
                    segment_bytes=self._segment_bytes,
                    max_segments=self._max_segments,
                    now_ms=self._now_ms,
                )
            self._open_files[directory] = (file, user_count + 1)
            return LogWriter(file, lambda: self._close_file(directory))

    def delete_group(self, group: str) -> None:
        """Remove a group with all its streams.

        Raises:
            MissingGroupError: there is none.
            BusyError: a stream of it is open for writing.
        """
        with self._lock:
            directory = self._directories.existing_group(group)
            if any(path.parent == directory for path in self._open_files):
                raise BusyError(group)
            self._remove(directory)

    def delete_stream(self, group: str, stream: str) -> None:
        """Raises MissingGroupError, MissingStreamError, BusyError as ``delete_group``."""
        with self._lock:
            directory = self._directories.existing_stream(group, stream)
            if directory in self._open_files:
                raise BusyError(stream)
            self._remove(directory)

    def _remove(self, directory: Path) -> None:
        self._times.forget(directory)
        # Renamed first: nobody sees half of it, and a new one of that name may come at once.
        self._bin.mkdir(exist_ok=True, mode=0o700)
        doomed = self._bin / uuid.uuid4().hex
        directory.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def _close_file(self, directory: Path) -> None:
        with self._lock:
            file, user_count = self._open_files[directory]
            if user_count > 1:
                self._open_files[directory] = (file, user_count - 1)
                return
            del self._open_files[directory]
            file.close()

    # --- events -----------------------------------------------------------------------------------------------------

    def events(
        self,
        group: str,
        stream: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = MAX_PAGE_EVENTS,
        token: str | None = None,
        start_from_head: bool = False,
    ) -> EventsPage:
        """A page of one stream. See ``pages.read_events``.

        Raises:
            MissingGroupError: there is no such group.
            MissingStreamError: there is no such stream.
            TokenError: the token is none.
        """
        view = StreamView(self._directories.existing_stream(group, stream))
        return read_events(
            view, start_ms=start_ms, end_ms=end_ms, limit=limit, token=token, start_from_head=start_from_head
        )

    def filter(
        self,
        group: str,
        *,
        streams: Sequence[str] | None = None,
        prefix: str = "",
        start_ms: int = 0,
        end_ms: int | None = None,
        pattern: str = "",
        limit: int = MAX_PAGE_EVENTS,
        token: str | None = None,
    ) -> tuple[FilterPage, str | None]:
        """A page of several streams, interleaved by time. See ``pages.filter_events``.

        Args:
            group: Which.
            streams: Their names, or None for all that begin with ``prefix``.
            prefix: Of the streams' names.
            start_ms: Earliest time.
            end_ms: Latest time, inclusive.
            pattern: CloudWatch's filter pattern. See ``patterns``.
            limit: Most events.
            token: Of an earlier page.

        Returns:
            The page, and the token of the next one.

        Raises:
            MissingGroupError: there is no such group.
            MissingStreamError: one of ``streams`` is not there.
            PatternError: the pattern cannot be read or is not supported.
            TokenError: the token is none.
        """
        wanted = parse_pattern(pattern)
        place = None if token is None else parse_token(token, FilterToken)
        if streams is None:
            found = list(self._directories.streams(group, prefix))
        else:
            found = [(name, self._directories.existing_stream(group, name)) for name in dict.fromkeys(streams)]
        from_ms = start_ms if place is None else max(start_ms, place.timestamp_ms)
        page = filter_events(
            self._in_time(found, from_ms, end_ms),
            pattern=wanted,
            start_ms=start_ms,
            end_ms=end_ms,
            limit=limit,
            token=place,
        )
        return page, None if page.token is None else render_token(page.token)

    def _in_time(
        self, streams: Sequence[tuple[str, Path]], from_ms: int, end_ms: int | None
    ) -> Iterator[FilteredStream]:
        """The streams that have events from one time to another."""
        for name, directory in streams:
            times = self._times.of(directory)
            if times.first_ms is None or times.last_ms is None or times.last_ms < from_ms:
                continue
            if end_ms is None or times.first_ms <= end_ms:
                yield FilteredStream(name, times.first_ms, _Opener(directory))

    def require_stream(self, group: str, stream: str) -> None:
        """Raises MissingGroupError, MissingStreamError."""
        self._directories.existing_stream(group, stream)


@dataclass(frozen=True, slots=True)
class _Opener:
    directory: Path

    def __call__(self) -> StreamView:
        return StreamView(self.directory)

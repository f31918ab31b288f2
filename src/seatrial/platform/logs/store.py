"""Log groups and streams under one directory.

    <root>/<group>/group.json                     when it was made, and its name
    <root>/<group>/<stream>/stream.json           the same of the stream
    <root>/<group>/<stream>/0000000000000000.log  see segments and lines
    <root>/.deleted                               what is being removed

Directory names are quoted (``names``). Everything is read from the files at each call, so a restart loses nothing; only
the times of first and last events are remembered for as long as a stream does not grow.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from seatrial.platform.logs.names import may_begin_with, quote_name, quote_prefix, unquote_name
from seatrial.platform.logs.pages import (
    MAX_PAGE_EVENTS,
    EventsPage,
    FilteredStream,
    FilterPage,
    filter_events,
    read_events,
)
from seatrial.platform.logs.patterns import parse_pattern
from seatrial.platform.logs.segments import Segment, StreamView, list_segments
from seatrial.platform.logs.tokens import FilterToken, NameToken, parse_token, render_token
from seatrial.platform.logs.writer import (
    DEFAULT_MAX_SEGMENTS,
    DEFAULT_SEGMENT_BYTES,
    LogWriter,
    StreamFile,
    clock_ms,
)

MAX_LIST_ITEMS = 50
"""Groups or streams on one page of a list. Source: API_DescribeLogStreams."""
_SETTLED_NS = 1_000_000_000  # far above the steps in which file systems count time
_GROUP_FILE, _STREAM_FILE = "group.json", "stream.json"


class MissingGroupError(Exception):
    """There is no log group of that name."""


class MissingStreamError(Exception):
    """There is no stream of that name in the group."""


class ExistsError(Exception):
    """A group or stream of that name is there."""


class BusyError(Exception):
    """A stream that is still written to cannot be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A log group."""

    name: str
    created_ms: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A log stream; both times are ``None`` while it has no event."""

    name: str
    created_ms: int
    first_ms: int | None
    last_ms: int | None
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list; ``token`` is ``None`` on the last one."""

    streams: list[Stream]
    token: str | None


@dataclass(frozen=True, slots=True)
class ListedGroups:
    """A page of groups; ``token`` is ``None`` on the last one."""

    groups: list[Group]
    token: str | None


class _Card(msgspec.Struct, frozen=True):
    """What ``group.json`` and ``stream.json`` hold."""

    name: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class _Times:
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
        self._root = root
        self._bin = root / ".deleted"
        shutil.rmtree(self._bin, ignore_errors=True)  # left by a kill
        self._segment_bytes = segment_bytes
        self._max_segments = max_segments
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._open_files: dict[Path, tuple[StreamFile, int]] = {}
        self._times: dict[Path, _Times] = {}

    # --- writing ----------------------------------------------------------------------------------------------------

    def create_group(self, group: str) -> None:
        """Raises ExistsError."""
        with self._lock:
            _make(self._group_directory(group), _GROUP_FILE, _Card(group, self._now_ms()))

    def create_stream(self, group: str, stream: str) -> None:
        """Raises MissingGroupError, ExistsError."""
        with self._lock:
            directory = self._existing_group(group) / quote_name(stream)
            _make(directory, _STREAM_FILE, _Card(stream, self._now_ms()))

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
            directory = self._group_directory(group) / quote_name(stream)
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
            directory = self._existing_group(group)
            if any(path.parent == directory for path in self._open_files):
                raise BusyError(group)
            self._remove(directory)

    def delete_stream(self, group: str, stream: str) -> None:
        """Raises MissingGroupError, MissingStreamError, BusyError as ``delete_group``."""
        with self._lock:
            directory = self._existing_stream(group, stream)
            if directory in self._open_files:
                raise BusyError(stream)
            self._remove(directory)

    def _remove(self, directory: Path) -> None:
        for path in [path for path in self._times if directory in (path, path.parent)]:
            del self._times[path]
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
        view = StreamView(self._existing_stream(group, stream))
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
            found = list(self._streams(group, prefix))
        else:
            found = [(name, self._existing_stream(group, name)) for name in dict.fromkeys(streams)]
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
            times = self._times_of(directory)
            if times.first_ms is None or times.last_ms is None or times.last_ms < from_ms:
                continue
            if end_ms is None or times.first_ms <= end_ms:
                yield FilteredStream(name, times.first_ms, _Opener(directory))

    def _times_of(self, directory: Path) -> _Times:
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
        times = _Times(segments, view.first_timestamp(), view.last_timestamp(), mtime_ns)
        self._times[directory] = times
        return times

    # --- lists ------------------------------------------------------------------------------------------------------

    def describe_streams(
        self,
        group: str,
        *,
        prefix: str = "",
        order_by_time: bool = False,
        is_descending: bool = False,
        limit: int = MAX_LIST_ITEMS,
        token: str | None = None,
    ) -> Listed:
        """A page of the streams of a group.

        Args:
            group: Which.
            prefix: Of the streams' names.
            order_by_time: By the last event, streams without one first; else by name.
            is_descending: The other way round.
            limit: Most streams.
            token: Of an earlier page.

        Raises:
            MissingGroupError: there is no such group.
            TokenError: the token is none.
        """
        after = None if token is None else parse_token(token, NameToken)
        keys = [
            (self._last_ms(directory) if order_by_time else 0, name, directory)
            for name, directory in self._streams(group, prefix)
        ]
        keys.sort(key=lambda key: key[:2], reverse=is_descending)
        if after is not None:
            last = (after.time_ms or 0, after.name)
            keys = [key for key in keys if (key[:2] < last if is_descending else key[:2] > last)]
        page, rest = keys[:limit], keys[limit:]
        following = NameToken(name=page[-1][1], time_ms=page[-1][0]) if rest else None
        return Listed(
            [self._describe(name, directory) for _, name, directory in page],
            None if following is None else render_token(following),
        )

    def _last_ms(self, directory: Path) -> int:
        last_ms = self._times_of(directory).last_ms
        return -1 if last_ms is None else last_ms

    def _describe(self, name: str, directory: Path) -> Stream:
        times = self._times_of(directory)
        return Stream(
            name=name,
            created_ms=_created_ms(directory, _STREAM_FILE),
            first_ms=times.first_ms,
            last_ms=times.last_ms,
            stored_bytes=sum(segment.end - segment.start for segment in times.segments),
        )

    def describe_groups(
        self, *, prefix: str = "", contains: str = "", limit: int = MAX_LIST_ITEMS, token: str | None = None
    ) -> ListedGroups:
        """A page of the groups, by name.

        Args:
            prefix: Of their names.
            contains: A part of their names.
            limit: Most groups.
            token: Of an earlier page.

        Raises:
            TokenError: the token is none.
        """
        after = None if token is None else parse_token(token, NameToken).name
        found = sorted(
            (name, directory)
            for name, directory in _named_directories(self._root, prefix, _GROUP_FILE)
            if contains in name and (after is None or name > after)
        )
        groups = [
            Group(
                name=name,
                created_ms=_created_ms(directory, _GROUP_FILE),
                stored_bytes=sum(
                    segment.end - segment.start
                    for _, stream in _named_directories(directory, "", _STREAM_FILE)
                    for segment in list_segments(stream)
                ),
            )
            for name, directory in found[:limit]
        ]
        return ListedGroups(groups, render_token(NameToken(name=groups[-1].name)) if found[limit:] else None)

    def require_stream(self, group: str, stream: str) -> None:
        """Raises MissingGroupError, MissingStreamError."""
        self._existing_stream(group, stream)

    # --- directories ------------------------------------------------------------------------------------------------

    def _streams(self, group: str, prefix: str) -> Iterator[tuple[str, Path]]:
        return _named_directories(self._existing_group(group), prefix, _STREAM_FILE)

    def _group_directory(self, group: str) -> Path:
        return self._root / quote_name(group)

    def _existing_group(self, group: str) -> Path:
        directory = self._group_directory(group)
        if not directory.is_dir():
            raise MissingGroupError(group)
        return directory

    def _existing_stream(self, group: str, stream: str) -> Path:
        directory = self._existing_group(group) / quote_name(stream)
        if not directory.is_dir():
            raise MissingStreamError(stream)
        return directory


@dataclass(frozen=True, slots=True)
class _Opener:
    directory: Path

    def __call__(self) -> StreamView:
        return StreamView(self.directory)


def _make(directory: Path, file_name: str, card: _Card) -> None:
    """Make a directory and its card.

    Raises:
        ExistsError: both are there already; a directory without a card was being made when the process was killed.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / file_name
    if path.exists():
        raise ExistsError(card.name)
    temporary = directory / f".{file_name}.new"
    temporary.write_bytes(msgspec.json.encode(card))
    temporary.replace(path)


def _created_ms(directory: Path, file_name: str) -> int:
    card = _read_card(directory, file_name)
    return int(directory.stat().st_mtime * 1000) if card is None else card.created_ms


def _read_card(directory: Path, file_name: str) -> _Card | None:
    try:
        return msgspec.json.decode((directory / file_name).read_bytes(), type=_Card)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _named_directories(parent: Path, prefix: str, file_name: str) -> Iterator[tuple[str, Path]]:
    """Groups or streams whose names begin with a prefix, in no order."""
    quoted_prefix = quote_prefix(prefix)
    try:
        entries = os.scandir(parent)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.name.startswith(".") or not may_begin_with(entry.name, quoted_prefix) or not entry.is_dir():
                continue
            path = parent / entry.name
            name = unquote_name(entry.name)
            if name is None:
                card = _read_card(path, file_name)
                name = None if card is None else card.name
            if name is not None and name.startswith(prefix):
                yield name, path

"""Pages of groups and of streams, with their sizes and times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seatrial.platform.logs.directories import (
    LogDirectories,
    group_created_ms,
    stream_created_ms,
    streams_in,
)
from seatrial.platform.logs.segments import list_segments
from seatrial.platform.logs.times import TimesCache
from seatrial.platform.logs.tokens import NameToken, parse_token, render_token

MAX_LIST_ITEMS = 50
"""Groups or streams on one page of a list. Source: API_DescribeLogStreams."""


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


class LogLists:
    """The lists of one store.

    Args:
        directories: Where groups and streams lie.
        times: Of the streams' events.
    """

    def __init__(self, directories: LogDirectories, times: TimesCache) -> None:
        self._directories = directories
        self._times = times

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
            for name, directory in self._directories.streams(group, prefix)
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
        last_ms = self._times.of(directory).last_ms
        return -1 if last_ms is None else last_ms

    def _describe(self, name: str, directory: Path) -> Stream:
        times = self._times.of(directory)
        return Stream(
            name=name,
            created_ms=stream_created_ms(directory),
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
            for name, directory in self._directories.groups(prefix)
            if contains in name and (after is None or name > after)
        )
        groups = [
            Group(
                name=name,
                created_ms=group_created_ms(directory),
                stored_bytes=sum(
                    segment.end - segment.start
                    for _, stream in streams_in(directory)
                    for segment in list_segments(stream)
                ),
            )
            for name, directory in found[:limit]
        ]
        return ListedGroups(groups, render_token(NameToken(name=groups[-1].name)) if found[limit:] else None)

"""One page of events: of one stream, either way, or of many streams interleaved by time."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from seatrial.platform.logs.lines import Line
from seatrial.platform.logs.patterns import Pattern
from seatrial.platform.logs.segments import StreamView
from seatrial.platform.logs.tokens import FilterToken, StreamToken, parse_stream_token

MAX_PAGE_EVENTS = 10_000
"""Source: API_GetLogEvents, API_FilterLogEvents."""
MAX_PAGE_BYTES = 1024 * 1024
"""Of messages and ``EVENT_OVERHEAD_BYTES`` each; one event always fits. Source: the same."""
EVENT_OVERHEAD_BYTES = 26
"""What CloudWatch counts for an event beside its message. Source: API_PutLogEvents."""
MAX_SEARCHED_BYTES = 8 * 1024 * 1024
"""A filter that finds little ends its page after so much log, with a token, instead of keeping its client waiting."""


@dataclass(frozen=True, slots=True)
class EventsPage:
    """A page of one stream, oldest event first. Both tokens are always there, as with CloudWatch."""

    events: list[Line]
    forward_token: str
    backward_token: str


@dataclass(frozen=True, slots=True)
class FilteredEvent:
    """An event of one of many streams."""

    stream: str
    line: Line

    def event_id(self) -> str:
        """56 digits, as CloudWatch's: the same for ever, and another for each event of a group."""
        stream = int.from_bytes(hashlib.blake2b(self.stream.encode(), digest_size=8).digest(), "big")
        return f"{self.line.timestamp_ms:014d}{stream:020d}{self.line.start:022d}"


@dataclass(frozen=True, slots=True)
class FilterPage:
    """A page of many streams, by time; ``token`` is ``None`` at the end. A page may be empty and not the last."""

    events: list[FilteredEvent]
    token: FilterToken | None


class _Budget:
    """Counts what a page may still hold."""

    def __init__(self, limit: int) -> None:
        self._events = limit
        self._bytes = MAX_PAGE_BYTES
        self._has_any = False

    def take(self, message: str) -> bool:
        """Whether the page takes one more event with this message."""
        size = (len(message) if message.isascii() else len(message.encode())) + EVENT_OVERHEAD_BYTES
        if self._events < 1 or (self._has_any and size > self._bytes):
            return False
        self._events -= 1
        self._bytes -= size
        self._has_any = True
        return True


def read_events(
    view: StreamView,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int = MAX_PAGE_EVENTS,
    token: str | None = None,
    start_from_head: bool = False,
) -> EventsPage:
    """A page of one stream, with GetLogEvents' rules.

    Args:
        view: The stream.
        start_ms: Earliest time.
        end_ms: The first time that is too late.
        limit: Most events.
        token: Of an earlier page; it tells the way, too.
        start_from_head: Without a token, the oldest events instead of the latest.

    Raises:
        TokenError: the token is none.
    """
    place = None if token is None else parse_stream_token(token)
    first = view.start if start_ms is None else view.find_time(start_ms)
    end = view.end if end_ms is None else view.find_time(end_ms)
    is_forward = start_from_head if place is None else place.is_forward
    offset = (first if is_forward else end) if place is None else place.offset
    budget = _Budget(limit)
    if is_forward:
        offset = min(max(offset, first), max(first, end))
        events = list(_take(view.forwards(offset), budget, lambda line: line.end <= end))
    else:
        offset = max(min(offset, end), min(first, end))
        events = list(_take(view.backwards(offset), budget, lambda line: line.start >= first))[::-1]
    newest, oldest = (events[-1].end, events[0].start) if events else (offset, offset)
    return EventsPage(
        events,
        StreamToken(offset=newest, is_forward=True).render(),
        StreamToken(offset=oldest, is_forward=False).render(),
    )


def _take(lines: Iterable[Line], budget: _Budget, is_wanted: Callable[[Line], bool]) -> Iterator[Line]:
    for line in lines:
        if not is_wanted(line) or not budget.take(line.message):
            return
        yield line


@dataclass(frozen=True, slots=True)
class FilteredStream:
    """A stream to search."""

    name: str
    first_ms: int
    """Not later than its first event."""
    open: Callable[[], StreamView]
    """Called only once the search has come to this stream's time."""


def filter_events(
    streams: Iterable[FilteredStream],
    *,
    pattern: Pattern,
    start_ms: int = 0,
    end_ms: int | None = None,
    limit: int = MAX_PAGE_EVENTS,
    token: FilterToken | None = None,
) -> FilterPage:
    """A page of many streams, with FilterLogEvents' rules.

    Args:
        streams: Which.
        pattern: Which messages.
        start_ms: Earliest time.
        end_ms: Latest time; an event of that very millisecond is still in.
        limit: Most events.
        token: Of an earlier page with the same arguments.
    """
    token = token or FilterToken(timestamp_ms=start_ms)
    searched_ms, offsets = token.timestamp_ms, dict(token.offsets)
    budget = _Budget(limit)
    events: list[FilteredEvent] = []
    searched_bytes = 0
    for name, line in _interleave(streams, max(start_ms, searched_ms), token.offsets):
        _, end, timestamp_ms, message = line
        if end_ms is not None and timestamp_ms > end_ms:
            break
        is_wanted = pattern.matches(message)
        if searched_bytes >= MAX_SEARCHED_BYTES or (is_wanted and not budget.take(message)):
            return FilterPage(events, FilterToken(timestamp_ms=searched_ms, offsets=offsets))
        if is_wanted:
            events.append(FilteredEvent(name, line))
        if timestamp_ms == searched_ms:
            offsets[name] = end
        else:
            searched_ms, offsets = timestamp_ms, {name: end}
        searched_bytes += end - line.start
    return FilterPage(events, None)


def _interleave(
    streams: Iterable[FilteredStream], from_ms: int, offsets: Mapping[str, int]
) -> Iterator[tuple[str, Line]]:
    """Events from a time on, by time and then by stream; a stream is opened when its first event is due.

    Args:
        streams: Which.
        from_ms: The time.
        offsets: Streams that begin at an offset instead.
    """
    opens = {stream.name: stream for stream in streams}
    rests: dict[str, Iterator[Line]] = {}
    # One entry a stream, so that lines are never compared; None stands for the first event, not read yet.
    heap: list[tuple[int, str, Line | None]] = [
        (max(stream.first_ms, from_ms), name, None) for name, stream in opens.items()
    ]
    heapq.heapify(heap)
    while heap:
        _, name, line = heap[0]
        if line is None:
            view = opens[name].open()
            rests[name] = view.forwards(offsets[name] if name in offsets else view.find_time(from_ms))
        else:
            yield name, line
        rest = rests[name]
        if len(heap) == 1:  # the usual case, without the heap's cost
            for line in rest:
                yield name, line
            return
        following = next(rest, None)
        if following is None:
            heapq.heappop(heap)
            del rests[name]
        else:
            heapq.heapreplace(heap, (following.timestamp_ms, name, following))

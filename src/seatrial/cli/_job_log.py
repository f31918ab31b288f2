"""The log of a training job: the streams of all its containers as one, in the order of time.

Each stream is read with a token of its own, so that nothing is lost or shown twice when it is followed.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from seatrial.cli._clients import Clients
from seatrial.contract.names import TRAINING_LOG_GROUP

"""Source: contract.md §1.11."""

_PAGE_EVENTS = 10_000
_HOST = re.compile(r"/(?P<host>algo-\d+)(?:-|$)")


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line."""

    timestamp_ms: int
    host: str
    """``algo-1``; the name of the stream where that names no host."""
    message: str


@dataclass(slots=True)
class _Stream:
    name: str
    host: str
    token: str | None = None


class JobLog:
    """The log of one job, read on from where the last reading ended.

    Args:
        clients: Of the platform.
        job_name: Whose.
        since_ms: Leaves out what was written before, in milliseconds since 1970.
    """

    def __init__(self, clients: Clients, job_name: str, *, since_ms: int = 0) -> None:
        self._clients = clients
        self._prefix = f"{job_name}/"
        self._since_ms = since_ms
        self._streams: dict[str, _Stream] = {}

    def has_streams(self) -> bool:
        """Whether a container has begun to write."""
        self._find_streams()
        return bool(self._streams)

    def has_several_hosts(self) -> bool:
        """Whether lines must be told apart, as far as has been read."""
        return len({stream.host for stream in self._streams.values()}) > 1

    def new_events(self) -> Iterator[LogEvent]:
        """What has been written since the last reading; a page of each stream is in memory at once.

        Raises:
            ClientError: the platform refused.
        """
        self._find_streams()
        return heapq.merge(*map(self._rest_of, self._streams.values()), key=lambda event: event.timestamp_ms)

    def last_events(self, count: int) -> list[LogEvent]:
        """The end of the log; does not move where ``new_events`` reads on."""
        self._find_streams()
        events: list[LogEvent] = []
        for stream in self._streams.values():
            found = self._page(stream, startFromHead=False, limit=count)["events"]
            events += [_event(stream, one) for one in found]
        return sorted(events, key=lambda event: event.timestamp_ms)[-count:]

    def _find_streams(self) -> None:
        pages = self._clients.logs.get_paginator("describe_log_streams").paginate(
            logGroupName=TRAINING_LOG_GROUP, logStreamNamePrefix=self._prefix
        )
        try:
            for page in pages:
                for found in page["logStreams"]:
                    name = found["logStreamName"]
                    match = _HOST.search(name)
                    self._streams.setdefault(name, _Stream(name, match["host"] if match else name))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":  # no job has run yet
                raise

    def _rest_of(self, stream: _Stream) -> Iterator[LogEvent]:
        while True:
            token = {} if stream.token is None else {"nextToken": stream.token}
            page = self._page(stream, startFromHead=True, limit=_PAGE_EVENTS, **token)
            is_end = page["nextForwardToken"] == stream.token or not page["events"]
            stream.token = page["nextForwardToken"]
            for found in page["events"]:
                yield _event(stream, found)
            if is_end:
                return

    def _page(self, stream: _Stream, **parameters: object) -> Mapping[str, Any]:
        page: Mapping[str, Any] = self._clients.logs.get_log_events(
            logGroupName=TRAINING_LOG_GROUP, logStreamName=stream.name, startTime=self._since_ms, **parameters
        )
        return page


def _event(stream: _Stream, found: Mapping[str, Any]) -> LogEvent:
    return LogEvent(found["timestamp"], stream.host, found["message"])

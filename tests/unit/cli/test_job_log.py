"""The log of a job whose platform is a table of streams."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli._clients import Clients
from seatrial.cli._job_log import JobLog

PAGE = 3


class Streams:
    """GetLogEvents and DescribeLogStreams over lists of (time, message); tokens are positions."""

    def __init__(self) -> None:
        self.lines: dict[str, list[tuple[int, str]]] = {}

    def get_paginator(self, _operation: str) -> "Streams":
        return self

    def paginate(self, *, logGroupName: str, logStreamNamePrefix: str) -> Iterator[Mapping[str, Any]]:
        names = sorted(name for name in self.lines if name.startswith(logStreamNamePrefix))
        yield {"logStreams": [{"logStreamName": name} for name in names]}

    def get_log_events(self, **parameters: Any) -> Mapping[str, Any]:
        lines = self.lines[parameters["logStreamName"]]
        start = int(parameters.get("nextToken", 0))
        shown = lines[start : start + PAGE] if parameters["startFromHead"] else lines[-parameters["limit"] :]
        events = [{"timestamp": time, "message": message} for time, message in shown]
        return {"events": events, "nextForwardToken": str(start + len(shown))}


def job_log(streams: Streams) -> JobLog:
    return JobLog(cast(Clients, SimpleNamespace(logs=streams)), "job")


def test_streams_of_all_hosts_are_one_log_in_the_order_of_time() -> None:
    streams = Streams()
    streams.lines = {"job/algo-1-1": [(1, "a"), (4, "d")], "job/algo-2-1": [(2, "b"), (3, "c")], "jobs/x": [(0, "z")]}
    log = job_log(streams)

    assert [(event.host, event.message) for event in log.new_events()] == [
        ("algo-1", "a"), ("algo-2", "b"), ("algo-2", "c"), ("algo-1", "d"),
    ]  # fmt: skip
    assert log.has_several_hosts()
    assert [event.message for event in log.last_events(3)] == ["b", "c", "d"]


def test_a_host_that_was_restarted_is_still_one_host() -> None:
    streams = Streams()
    streams.lines = {"job/algo-1-1": [(1, "a")], "job/algo-1-9": [(2, "b")]}
    log = job_log(streams)

    assert [event.message for event in log.new_events()] == ["a", "b"]
    assert not log.has_several_hosts()


@given(st.lists(st.dictionaries(st.sampled_from(["algo-1-1", "algo-2-1"]), st.integers(0, 9))))
def test_reading_on_gives_each_line_once_however_they_come(rounds: list[dict[str, int]]) -> None:
    streams = Streams()
    log, read, written = job_log(streams), list[str](), 0
    for number, added in enumerate(rounds):
        for stream, count in added.items():
            lines = streams.lines.setdefault(f"job/{stream}", [])
            lines.extend((number, f"{stream} {written + index}") for index in range(count))
            written += count
        read += [event.message for event in log.new_events()]

    assert len(read) == len(set(read)) == written

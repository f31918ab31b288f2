from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seatrial.core.errors import ConfigError, ContractError
from seatrial.runtime.serving import messages
from seatrial.runtime.serving.locate import HandlerFile
from seatrial.runtime.serving.settings import Settings
from seatrial.runtime.serving.supervisor import HEARTBEAT_SLACK_SECONDS, Supervisor


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(reader)
    with contextlib.suppress(OSError):
        os.close(writer)


def test_read_gives_messages_in_order_and_waits_for_the_rest_of_a_line(pipe: Any) -> None:
    reader, writer = pipe
    lines = messages.LineReader(reader, messages.Report)
    messages.send(writer, messages.Ready(0, 11))
    messages.send(writer, messages.Exited(1, 12, 9))
    os.write(writer, b'{"type":"Forked",')
    assert lines.read() == [messages.Ready(0, 11), messages.Exited(1, 12, 9)]
    assert lines.read() == []
    os.write(writer, b'"slot":2,"pid":13}\n')
    assert lines.read() == [messages.Forked(2, 13)]


def test_read_sees_that_every_writer_is_gone(pipe: Any) -> None:
    reader, writer = pipe
    lines = messages.LineReader(reader, messages.Order)
    os.close(writer)
    assert lines.read() == []
    assert lines.is_at_end


def test_an_error_travels_in_one_line_that_is_written_whole(pipe: Any) -> None:
    reader, writer = pipe
    error = ContractError("hook-missing", "€" * 5000, where="€" * 5000, found="€" * 5000, expected="€" * 5000, fix="x")
    failed = messages.describe_error(error)
    messages.send(writer, failed)
    (received,) = messages.LineReader(reader, messages.Report).read()
    restored = messages.restore_error(received)
    assert isinstance(restored, ContractError)
    assert (restored.code, restored.fix) == ("hook-missing", "x")
    assert len(msgspec.json.encode(failed)) < messages.MAX_LINE_BYTES


def test_a_short_error_travels_unchanged() -> None:
    error = ConfigError("port-unusable", "port 1 cannot be used", found="no")
    restored = messages.restore_error(messages.describe_error(error))
    assert type(restored) is ConfigError
    assert restored.sentence() == error.sentence()


def test_an_error_with_half_a_surrogate_pair_travels_all_the_same() -> None:
    """As a file's name that is no UTF-8 has."""
    restored = messages.restore_error(messages.describe_error(ConfigError("slug", "\ud800", found="/x\udcff")))
    assert restored.sentence() == "\\ud800; found /x\\udcff"


def test_a_report_of_a_worker_that_is_gone_changes_nothing(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """It was killed with its template after it had written that; another one may have its slot."""
    caplog.set_level(logging.INFO)
    no_socket: Any = None
    supervisor = Supervisor(Settings(worker_count=2), HandlerFile(path=tmp_path / "algorithm.py"), no_socket)
    supervisor._handle(messages.Forked(1, 12))

    supervisor._handle(messages.Ready(0, 11))
    supervisor._handle(messages.Ready(1, 11))
    supervisor._handle(messages.Hung(1, 11))
    assert not caplog.records

    supervisor._handle(messages.Ready(1, 12))
    assert caplog.messages[-1] == "worker 2 is ready (pid 12)"


def test_a_heartbeat_that_stopped_together_with_the_supervisor_is_waited_for(pipe: Any, tmp_path: Path) -> None:
    """``docker pause`` stops all processes of a container."""
    reader, writer = pipe
    orders = messages.LineReader(reader, messages.Order)
    no_socket: Any = None
    supervisor = Supervisor(Settings(timeout_seconds=1), HandlerFile(path=tmp_path / "algorithm.py"), no_socket)
    supervisor._orders = writer
    for report in (messages.Forked(0, 11), messages.Ready(0, 11)):
        supervisor._handle(report)
    supervisor._heartbeats._times[0] = time.monotonic() - 100  # long before the pause ended

    resumed_at = time.monotonic() + 100
    ticks = [resumed_at + tick * 0.25 for tick in range(16)]
    aborted_at = []
    for now in ticks:
        supervisor._handle_time(now)
        aborted_at += [now for order in orders.read() if order.number == signal.SIGABRT]

    assert aborted_at == [resumed_at + HEARTBEAT_SLACK_SECONDS]


def test_heartbeats_tell_the_age_of_each_slot() -> None:
    heartbeats = messages.Heartbeats(2)
    heartbeats.beat(1)
    assert 0 <= heartbeats.age_seconds(1) < 60
    assert heartbeats.age_seconds(0) > heartbeats.age_seconds(1)

"""Processes started, followed and stopped for real."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.core import subprocesses
from seatrial.core.subprocesses import Output, Request, Running

DEADLINE_SECONDS = 30.0


class Log:
    """Lines as they come, and a way to wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, line: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: line in self.lines, DEADLINE_SECONDS), self.lines


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def started() -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for process in running:
        process.stop(0)


def shell(script: str, *, output: Output = Output.MERGED, cwd: Path | None = None) -> Request:
    return Request(
        argv=("/bin/sh", "-c", script), environment={"PATH": os.environ["PATH"], "A": "1"}, output=output, cwd=cwd
    )


def test_start_gives_output_in_order_environment_and_directory(log: Log, tmp_path: Path) -> None:
    outcome = subprocesses.start(shell("pwd; echo $A$HOME >&2; printf end; exit 3", cwd=tmp_path), log).wait(
        DEADLINE_SECONDS
    )

    assert outcome
    assert outcome.exit_code == 3
    assert log.lines == [str(tmp_path), "1", "end"]


def test_start_with_stderr_only_leaves_stdout_alone(log: Log, capfd: pytest.CaptureFixture[str]) -> None:
    subprocesses.start(shell("echo out; echo err >&2", output=Output.STDERR_ONLY), log).wait(DEADLINE_SECONDS)

    assert log.lines == ["err"]
    assert capfd.readouterr().out == "out\n"


def test_start_of_a_missing_program_raises_and_leaves_nothing(log: Log) -> None:
    with pytest.raises(FileNotFoundError):
        subprocesses.start(Request(argv=("/no/such/program",), environment={}), log)


def test_wait_that_is_over_first_gives_none(log: Log, started: list[Running]) -> None:
    running = subprocesses.start(shell("sleep 100"), log)
    started.append(running)

    assert running.wait(0.01) is None
    assert running.is_running


def test_wait_for_a_killed_process_counts_as_a_shell_does(log: Log) -> None:
    running = subprocesses.start(shell("kill -9 $$"), log)

    outcome = running.wait(DEADLINE_SECONDS)

    assert outcome
    assert outcome.exit_code == 137


@pytest.mark.slow
def test_wait_does_not_hang_on_a_pipe_that_a_grandchild_keeps_open(log: Log, started: list[Running]) -> None:
    running = subprocesses.start(shell("echo started; sleep 100 & exit 0"), log)
    started.append(running)
    begin = time.monotonic()

    outcome = running.wait(DEADLINE_SECONDS)

    assert outcome
    assert outcome.is_success
    assert time.monotonic() - begin < subprocesses.DRAIN_SECONDS + 5
    assert log.lines == ["started"]


def test_stop_lets_a_process_finish_within_its_grace(log: Log, started: list[Running]) -> None:
    running = subprocesses.start(shell("trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.01; done"), log)
    started.append(running)
    log.wait_for("ready")

    assert running.stop(DEADLINE_SECONDS).exit_code == 0
    assert log.lines[-1] == "saved"


@pytest.mark.slow
def test_stop_kills_a_stubborn_process_and_its_children(log: Log, started: list[Running]) -> None:
    code = (
        "import os,signal,sys,time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(100)"
    )
    running = subprocesses.start(shell(f"trap '' TERM; '{sys.executable}' -c '{code}'; echo never"), log)
    started.append(running)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not log.lines and time.monotonic() < deadline:
        time.sleep(0.01)

    outcome = running.stop(0.1)

    assert outcome.exit_code == 128 + signal.SIGKILL
    while _is_alive(int(log.lines[0])):  # SIGKILL is sent, and the kernel may take a moment
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_send_signal_and_stop_after_the_end_do_nothing(log: Log) -> None:
    running = subprocesses.start(shell("exit 4"), log)
    running.wait(DEADLINE_SECONDS)

    running.send_signal(signal.SIGTERM)

    assert running.stop(0).exit_code == 4

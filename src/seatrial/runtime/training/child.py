"""Run a program as the job's own process: its output line by line, signals passed on to all it started.

Rules:

- stdout goes straight to ours; stderr goes through us, because its end tells why the program failed.
- SIGTERM and SIGINT reach the program's whole process group: a shell script's Python, a launcher's workers.
- 120 seconds later what is left is killed. When the program has ended by itself, so are the processes it left behind:
  they would not outlive the container either. After a signal they keep their 120 seconds, because a shell dies of
  SIGTERM at once while the Python below it is still saving.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from seatrial.contract.limits import TRAINING_STOP_GRACE_SECONDS
from seatrial.core import subprocesses
from seatrial.core.errors import ContractError
from seatrial.runtime.training.log_lines import announce_in_signal_handler
from seatrial.runtime.training.script_failure import ScriptFailure, StderrTail
from seatrial.runtime.training.stopping import POLL_SECONDS, Stopping

_FORWARDED = (signal.SIGTERM, signal.SIGINT)
_CHECK_GRACE_SECONDS = 10.0
"""For a program that has lost what it needs."""


def run_child(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stopping: Stopping,
    error_class: str,
    grace_seconds: float = TRAINING_STOP_GRACE_SECONDS,
    check: Callable[[], None] | None = None,
) -> None:
    """Run a program to its end; to be called from the main thread.

    Args:
        argv: The program and its arguments.
        cwd: Its working directory.
        environment: All of its environment.
        stopping: Is set when a signal is passed on.
        error_class: First word of the failure's text.
        grace_seconds: From the first signal to SIGKILL.
        check: Called again and again while the program runs and nobody stops the job; what it raises ends the program.

    Raises:
        ScriptFailure: it ended with an exit code other than 0.
        ContractError: it cannot be started.
        JobStopping: the job was being stopped before it could start.
    """
    tail = StderrTail()

    def on_line(line: str) -> None:
        tail.add(line)
        sys.stderr.write(f"{line}\n")

    stopping.raise_if_set()
    request = subprocesses.Request(
        argv=tuple(argv), environment=environment, cwd=cwd, output=subprocesses.Output.STDERR_ONLY
    )
    with _signals_passed_on(stopping, grace_seconds) as follow:
        running = _start(request, on_line)
        follow(running)
        outcome = _wait(running, stopping, check)
        if stopping:
            _wait_for_group(running.pid)
    running.send_signal(signal.SIGKILL)
    if not outcome.is_success:
        raise ScriptFailure(error_class, exit_code=outcome.exit_code, error_message=tail.error_message(), command=argv)


def _wait(running: subprocesses.Running, stopping: Stopping, check: Callable[[], None] | None) -> subprocesses.Outcome:
    while (outcome := running.wait(None if check is None else POLL_SECONDS)) is None:
        if check is None or stopping:
            continue
        try:
            check()
        except BaseException:
            running.stop(_CHECK_GRACE_SECONDS)
            raise
    return outcome


def _start(request: subprocesses.Request, on_line: Callable[[str], None]) -> subprocesses.Running:
    try:
        return subprocesses.start(request, on_line)
    except (OSError, ValueError) as error:
        raise ContractError(
            "script-cannot-start",
            "the program cannot be started",
            where=str(request.cwd),
            found=f"{os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error}",
            fix=f"look at '{request.argv[0]}', its arguments and its environment",
        ) from None


def _wait_for_group(group: int) -> None:
    """Wait until no process of the group is left; the alarm of ``_signals_passed_on`` bounds it."""
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-group, os.WNOHANG)[0]:  # as process 1 we inherit the group's orphans
                pass
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(POLL_SECONDS)


@contextmanager
def _signals_passed_on(stopping: Stopping, grace_seconds: float) -> Iterator[Callable[[subprocesses.Running], None]]:
    """Pass signals on to the program's group; SIGALRM is the clock that ends the grace.

    Signals are not blocked while the program starts, because it would inherit that; one that comes too early is kept
    and passed on by the function that this yields.
    """
    started: list[subprocesses.Running] = []

    def send(signal_number: int) -> None:
        for running in started:
            running.send_signal(signal_number)

    def pass_on(signal_number: int, frame: FrameType | None) -> None:
        del frame
        if not stopping:
            name = signal.Signals(signal_number).name
            announce_in_signal_handler(f"{name} is passed on to the program: {grace_seconds:g} s to finish")
            signal.setitimer(signal.ITIMER_REAL, grace_seconds)
        stopping.set()
        send(signal_number)

    def kill(signal_number: int, frame: FrameType | None) -> None:
        del signal_number, frame
        announce_in_signal_handler(f"the program is killed: it has not ended within {grace_seconds:g} s")
        send(signal.SIGKILL)

    def follow(running: subprocesses.Running) -> None:
        started.append(running)
        if stopping:
            send(signal.SIGTERM)

    handlers = {**dict.fromkeys(_FORWARDED, pass_on), signal.SIGALRM: kill}
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield follow
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)

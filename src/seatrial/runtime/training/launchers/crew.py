"""Programs that run beside the user's own on one host: a Dask scheduler, a worker, an SSH daemon.

Rules:

- Their output is part of the job's log, line by line.
- None of them ends before it is told to; one that does fails the job.
- Leaving the ``with`` ends them all: SIGTERM, a few seconds, SIGKILL, to whole process groups.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from seatrial.core import subprocesses
from seatrial.core.errors import ContractError, UserCodeError
from seatrial.core.exit_codes import describe_exit
from seatrial.runtime.training.log_lines import announce
from seatrial.runtime.training.stopping import POLL_SECONDS, Stopping

_END_GRACE_SECONDS = 5.0
_CONNECT_TIMEOUT_SECONDS = 5.0


class Crew:
    """The programs beside the user's; a context manager that ends them."""

    def __init__(self) -> None:
        self._members: dict[str, subprocesses.Running] = {}

    def __enter__(self) -> Crew:
        return self

    def start(self, name: str, argv: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> None:
        """Start a program under a name for messages.

        Raises:
            ContractError: it cannot be started.
        """
        announce(f"starting {name}: {' '.join(argv)}")
        request = subprocesses.Request(argv=tuple(argv), environment=environment, cwd=cwd)
        try:
            self._members[name] = subprocesses.start(request, _log)
        except OSError as error:
            raise ContractError(
                "launcher-cannot-start",
                f"{name} cannot be started",
                where=argv[0],
                found=error.strerror or str(error),
            ) from None

    def check(self) -> None:
        """Raises ``UserCodeError`` when one of the programs has ended."""
        for name, running in self._members.items():
            if not running.is_running and (outcome := running.wait(None)) is not None:
                raise UserCodeError(
                    "launcher-ended",
                    f"{name} has ended before the job",
                    found=describe_exit(outcome.exit_code),
                    fix="read its last lines in the log of this host",
                )

    def wait_for_port(self, name: str, port: int, *, seconds: float, stopping: Stopping) -> None:
        """Wait until one of the programs takes connections.

        Raises:
            ContractError: it does not in time.
            UserCodeError: one of the programs has ended.
            JobStopping: the job is being stopped meanwhile.
        """
        deadline = time.monotonic() + seconds
        while not can_connect(name, port):
            self.check()
            if time.monotonic() > deadline:
                raise ContractError(
                    "launcher-not-ready", f"nothing listens on port {port} of '{name}'", found=f"none in {seconds:g} s"
                )
            if stopping.wait(POLL_SECONDS):
                stopping.raise_if_set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        for running in self._members.values():
            running.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _END_GRACE_SECONDS
        for running in reversed(self._members.values()):
            running.stop(max(0.0, deadline - time.monotonic()))


def can_connect(host: str, port: int) -> bool:
    """Whether a TCP connection is taken."""
    with contextlib.suppress(OSError, UnicodeError), socket.create_connection((host, port), _CONNECT_TIMEOUT_SECONDS):
        return True
    return False


def _log(line: str) -> None:
    # Past Python's buffers and in one call: these lines come from several threads.
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno() if sys.stdout else 1, f"{line}\n".encode(errors="replace"))

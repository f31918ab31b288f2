"""Start a process from an argv list, read its output line by line, stop it down a ladder.

Rules:

- A process starts in a session of its own, so that a signal reaches it and what it started, and a Ctrl-C meant for us
  does not.
- Output is read by one thread a process; ``Running.wait`` returns after the last line was handed over, however slow
  ``on_line`` is, but does not wait for ever on a pipe that a left-behind grandchild keeps open: ``DRAIN_SECONDS`` after
  the end it returns as soon as the pipe is empty.
- The ladder is SIGTERM to the process (or its group), a grace period, SIGKILL to the group.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MAX_LINE_BYTES = 262_144
"""A longer line is handed over in pieces of this size (that of one CloudWatch Logs event); memory stays bounded."""

DRAIN_SECONDS = 2.0
"""How long after the end of the process itself more output is waited for."""

_DRAIN_POLL_SECONDS = 0.05

_READ_BYTES = 65_536

OnLine = Callable[[str], None]
"""Receives one line of output, without its line end, undecodable bytes replaced."""


class LineSplitter:
    """Turn chunks of bytes into lines, line ends removed, undecodable bytes replaced."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that ``chunk`` completes."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines = [piece for line in whole for piece in _pieces(line)]
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(_decode(self._rest[:MAX_LINE_BYTES]))
            self._rest = self._rest[MAX_LINE_BYTES:]
        return lines

    def flush(self) -> list[str]:
        """Return a last line that had no line end, if there was one."""
        rest, self._rest = self._rest, b""
        return _pieces(rest) if rest else []


def _pieces(line: bytes) -> list[str]:
    line = line.removesuffix(b"\r")
    if len(line) <= MAX_LINE_BYTES:
        return [_decode(line)]
    return [_decode(line[start : start + MAX_LINE_BYTES]) for start in range(0, len(line), MAX_LINE_BYTES)]


def _decode(line: bytes) -> str:
    return line.decode("utf-8", errors="replace")


class Output(enum.Enum):
    """Which streams of the process are read."""

    MERGED = "merged"
    """stdout and stderr in one pipe, in the order they were written."""
    STDERR_ONLY = "stderr-only"
    """stderr is read; stdout goes straight to ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A process to start."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """The whole environment of the process; nothing is inherited."""
    cwd: Path | None = None
    output: Output = Output.MERGED
    pass_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended."""

    exit_code: int
    """0 to 255; 128 + n when signal n ended it, as a shell counts."""

    @property
    def is_success(self) -> bool:
        return self.exit_code == 0


class Running:
    """A started process."""

    def __init__(self, process: subprocess.Popen[bytes], stream: IO[bytes], on_line: OnLine) -> None:
        self._process = process
        self._pump = _Pump(stream, on_line, name=f"output of {process.pid}")
        self._pump.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_seconds: float | None = None) -> Outcome | None:
        """Wait for the end and the last line; ``None`` when the time is up first."""
        try:
            code = self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        self._pump.drain()
        return Outcome(code if code >= 0 else 128 - code)

    def send_signal(self, signal_number: int) -> None:
        """Signal the process and everything in its group; nothing happens when they are gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal_number)

    def stop(self, grace_seconds: float) -> Outcome:
        """SIGTERM to the group, then after ``grace_seconds`` SIGKILL; the group is empty afterwards."""
        if self.is_running:
            self.send_signal(signal.SIGTERM)
        outcome = self.wait(grace_seconds)
        self.send_signal(signal.SIGKILL)
        while outcome is None:
            outcome = self.wait(None)
        return outcome


def start(request: Request, on_line: OnLine) -> Running:
    """Start a process.

    Args:
        request: What to start.
        on_line: Called from a thread of its own for each line of output.

    Raises:
        OSError: the program cannot be started (missing, not executable, bad interpreter).
    """
    stderr_only = request.output is Output.STDERR_ONLY
    process = subprocess.Popen(
        list(request.argv),
        env=dict(request.environment),
        cwd=request.cwd,
        stdin=subprocess.DEVNULL,
        stdout=None if stderr_only else subprocess.PIPE,
        stderr=subprocess.PIPE if stderr_only else subprocess.STDOUT,
        start_new_session=True,
        pass_fds=request.pass_fds,
    )
    stream = process.stderr if stderr_only else process.stdout
    assert stream is not None  # noqa: S101 (asked for above)
    return Running(process, stream, on_line)


class _Pump(threading.Thread):
    """Hands over the lines of a stream until it ends."""

    def __init__(self, stream: IO[bytes], on_line: OnLine, *, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._stream = stream
        self._on_line = on_line
        self._is_idle = False
        """Everything written so far has been handed over."""

    def run(self) -> None:
        splitter = LineSplitter()
        with self._stream:
            descriptor = self._stream.fileno()
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            while True:
                self._is_idle = not poll.poll(0)
                chunk = os.read(descriptor, _READ_BYTES)
                self._is_idle = False
                if not chunk:
                    break
                for line in splitter.feed(chunk):
                    self._on_line(line)
        for line in splitter.flush():
            self._on_line(line)

    def drain(self) -> None:
        """Wait for the last line of a process that has ended."""
        self.join(DRAIN_SECONDS)
        while self.is_alive() and not self._is_idle:
            self.join(_DRAIN_POLL_SECONDS)

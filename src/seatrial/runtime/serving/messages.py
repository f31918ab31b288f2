"""What supervisor, template and workers tell each other: JSON lines through pipes, and heartbeats in shared memory.

Many processes write into one pipe of reports. A line of at most ``PIPE_BUF`` bytes is written whole (POSIX), so longer
texts are cut.
"""

from __future__ import annotations

import mmap
import os
import select
import time
from typing import Any

import msgspec

from seatrial.core import errors

MAX_LINE_BYTES = min(select.PIPE_BUF, 4096)
_TEXT_MAX_CHARACTERS = (600, 250, 100, 20)
"""Lengths to which an error's texts are cut, tried until the line is short enough."""


class TemplateReady(msgspec.Struct, tag=True, frozen=True):
    """The template can fork workers."""

    why_not_shared: str | None = None
    """The reason for which the model it loaded must not be shared."""


class Failed(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Template or worker cannot start; an error of ``core.errors`` by class name and fields."""

    error_class: str
    code: str
    what: str
    where: str | None = None
    found: str | None = None
    expected: str | None = None
    fix: str | None = None


class Forked(msgspec.Struct, tag=True, frozen=True):
    slot: int
    pid: int


class Ready(msgspec.Struct, tag=True, frozen=True):
    """A worker takes requests."""

    slot: int
    pid: int


class Hung(msgspec.Struct, tag=True, frozen=True):
    """A worker gives up because a hook went past the time-out."""

    slot: int
    pid: int


class Exited(msgspec.Struct, tag=True, frozen=True):
    """A worker has ended; ``status`` is that of ``waitpid``."""

    slot: int
    pid: int
    status: int


Report = TemplateReady | Failed | Forked | Ready | Hung | Exited


class Fork(msgspec.Struct, tag=True, frozen=True):
    """Start a worker."""

    slot: int


class Signal(msgspec.Struct, tag=True, frozen=True):
    """Send a signal to a worker, if it is still there."""

    pid: int
    number: int


class Stop(msgspec.Struct, tag=True, frozen=True):
    """Take no more connections, let the workers finish, end when they have."""


Order = Fork | Signal | Stop


def send(file_descriptor: int, message: Report | Order) -> None:
    """Write one message."""
    os.write(file_descriptor, msgspec.json.encode(message) + b"\n")


class LineReader:
    """Collects messages from a pipe that is read without blocking.

    Args:
        file_descriptor: Read end, non-blocking.
        of_type: ``Report`` or ``Order``.
    """

    def __init__(self, file_descriptor: int, of_type: Any) -> None:  # noqa: ANN401 (a union is no type)
        self._file_descriptor = file_descriptor
        self._decoder = msgspec.json.Decoder(of_type)
        self._rest = b""
        self.is_at_end = False
        """Every writer has closed its end."""

    def read(self) -> list[Any]:
        """Return the messages that have arrived."""
        try:
            chunk = os.read(self._file_descriptor, 65_536)
        except BlockingIOError:
            return []
        self.is_at_end = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [self._decoder.decode(line) for line in lines]


def describe_error(error: errors.SeatrialError) -> Failed:
    """An error in the form in which it fits into one line."""
    for max_characters in _TEXT_MAX_CHARACTERS:
        failed = _cut(error, max_characters)
        if len(msgspec.json.encode(failed)) < MAX_LINE_BYTES:
            break
    return failed


def _cut(error: errors.SeatrialError, max_characters: int) -> Failed:
    def cut(text: str | None) -> str | None:
        return sendable(text) if text else None

    def sendable(text: str) -> str:
        # Half a surrogate pair, from a file's name that is no UTF-8 for instance, has no place in JSON.
        return text[:max_characters].encode(errors="backslashreplace").decode()

    return Failed(
        error_class=type(error).__name__,
        code=error.code,
        what=sendable(error.what),
        where=cut(error.where),
        found=cut(error.found),
        expected=cut(error.expected),
        fix=cut(error.fix),
    )


def restore_error(failed: Failed) -> errors.SeatrialError:
    """The error that ``describe_error`` took apart."""
    error_class: type[errors.SeatrialError] = getattr(errors, failed.error_class, errors.SeatrialError)
    return error_class(
        failed.code,
        failed.what,
        where=failed.where,
        found=failed.found,
        expected=failed.expected,
        fix=failed.fix,
    )


class Heartbeats:
    """The time of each worker's last sign of life, in memory shared over fork."""

    def __init__(self, slot_count: int) -> None:
        self._memory = mmap.mmap(-1, 8 * slot_count)
        self._times = memoryview(self._memory).cast("d")

    def beat(self, slot: int) -> None:
        self._times[slot] = time.monotonic()

    def age_seconds(self, slot: int) -> float:
        return time.monotonic() - self._times[slot]

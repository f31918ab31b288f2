"""Lines in the job's log: one line an event, written at once."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys


def announce(text: str) -> None:
    """Write one line of ours to stderr, marked so that it can be told from the user's own.

    A stderr that is closed, or whose reader has gone, must not keep the failure file from being written.
    """
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"seatrial: {text}\n")
            sys.stderr.flush()


def announce_in_signal_handler(text: str) -> None:
    """As ``announce``, past Python's buffers, which the interrupted code may be in the middle of writing."""
    with contextlib.suppress(OSError):
        os.write(2, f"seatrial: {text}\n".encode())


def write_line_by_line() -> None:
    """Make stdout and stderr of this process, and of Python programs that it starts, appear line by line.

    Behind a pipe Python keeps back 8 KiB otherwise, and the log of a killed container lacks its end.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    os.environ.setdefault("PYTHONUNBUFFERED", "1")


def show_crashes() -> None:
    """Make this process, and Python programs that it starts, write their Python stacks to stderr when they crash."""
    with contextlib.suppress(RuntimeError, ValueError, OSError):  # stderr is closed
        faulthandler.enable()
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")

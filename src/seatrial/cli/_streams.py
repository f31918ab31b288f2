"""What becomes of a command whose stdout or stderr is closed, full, without a reader, or without some characters."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO, cast


def prepare_streams() -> None:
    """Make a stream that was closed (``>&-``) as ``/dev/null``, and stdout one for characters its encoding lacks.

    Python has ``None`` for a closed one, and the next file to be opened would take its number and receive its output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115 (open as long as the process lives)
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def discard(stream: TextIO) -> None:
    """Send the rest of a stream nowhere, with what is in its buffer, so that Python's last flush cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class SteadyStream:
    """A text stream that goes quiet instead of failing: without a word when its reader is gone, else with a warning."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        discard(self._stream)
        if not isinstance(error, BrokenPipeError) and self._stream is not sys.stderr:
            steady(sys.stderr).write(f"warning: the rest of the log is lost: {error.strerror}\n")


def steady(stream: TextIO) -> TextIO:
    """``stream`` as a ``SteadyStream``."""
    return cast(TextIO, SteadyStream(stream))


def print_product(content: bytes) -> None:
    """What a command was run for, to stdout.

    Raises:
        OSError: it cannot be written there; ``BrokenPipeError`` when nobody reads it.
    """
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    except OSError:
        discard(sys.stdout)
        raise


def are_one_file(one: TextIO, other: TextIO) -> bool:
    """Whether two streams write to one pipe, terminal or file."""
    try:
        return os.path.sameopenfile(one.fileno(), other.fileno())
    except OSError:  # no file at all
        return False

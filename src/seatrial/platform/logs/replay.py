"""A container's output written once, although it is read again from its first line after a restart."""

from __future__ import annotations

import time

from seatrial.platform.logs.lines import encode_message, split_message
from seatrial.platform.logs.writer import LogWriter


class ReplayedLog:
    """Writes what the stream does not have yet.

    The stream's events are compared with what comes; from the first difference on, such as a line that was cut when
    its writer was killed, everything is written.

    Args:
        writer: The stream; closed with this.
        position: Where the container's output begins in the stream; ``None`` for one that is yet to begin.
    """

    def __init__(self, writer: LogWriter, position: int | None) -> None:
        self._writer = writer
        self._old = writer.written_since(writer.position if position is None else position)
        self._has_caught_up = False

    @property
    def position(self) -> int:
        return self._writer.position

    def write(self, message: str) -> float:
        """Write one line unless it stands there.

        Returns:
            When it was first written, in seconds since the epoch.
        """
        if not self._has_caught_up:
            seconds = self._find(message)
            if seconds is not None:
                return seconds
            self._has_caught_up = True
        self._writer.write(message)
        return time.time()

    def close(self) -> None:
        self._writer.close()

    def _find(self, message: str) -> float | None:
        timestamp_ms = None
        for piece in split_message(encode_message(message)):
            line = next(self._old, None)
            if line is None or line.message != piece.decode():
                return None
            timestamp_ms = line.timestamp_ms
        return None if timestamp_ms is None else timestamp_ms / 1000

"""Read the FIFOs of Pipe mode without hanging on a job that is being stopped. Source: contract.md §1.5.

A plain ``open`` of a FIFO blocks until its writer comes, and a plain read until the writer writes; neither can be left
when SIGTERM arrives. Here both wait in short steps and look at ``Stopping`` in between.
"""

from __future__ import annotations

import io
import os
import select
from pathlib import Path

from seatrial.runtime.training.stopping import Stopping

POLL_SECONDS = 0.1
"""Between two looks for a FIFO or for data, as AWS's own sample does."""

BUFFER_BYTES = 1 << 20


def open_fifo(path: Path, stopping: Stopping) -> io.BufferedReader:
    """Open a FIFO for reading once it is there.

    Returns:
        A buffered stream; its reads raise ``JobStopping`` when no data comes any more because the job is being stopped.

    Raises:
        JobStopping: the job is being stopped and the FIFO has not come.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            if stopping.wait(POLL_SECONDS):
                stopping.raise_if_set()
            continue
        return io.BufferedReader(_Fifo(descriptor, path, stopping), BUFFER_BYTES)


class _Fifo(io.RawIOBase):
    """A FIFO opened without blocking, read as if it blocked."""

    def __init__(self, descriptor: int, path: Path, stopping: Stopping) -> None:
        self._descriptor = descriptor
        self._stopping = stopping
        self._has_had_writer = False
        self.name = str(path)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, buffer: object) -> int:
        """Wait for data; 0 when the writer has closed its end."""
        if not self._has_had_writer:
            # Before a writer has come, a read gives "end of file" too; only the poll can tell the two apart.
            self._wait_for_data()
            self._has_had_writer = True
        while True:
            try:
                return os.readv(self._descriptor, [buffer])  # type: ignore[list-item]  # RawIOBase knows no buffer type
            except BlockingIOError:
                self._wait_for_data()

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _wait_for_data(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN | select.POLLHUP)
        while not poll.poll(POLL_SECONDS * 1000):
            self._stopping.raise_if_set()

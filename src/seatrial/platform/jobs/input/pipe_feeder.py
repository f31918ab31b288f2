"""Pipe mode: one feeder for each channel of a host writes the channel's epochs into FIFOs. Source: contract.md §1.5.

Rules:

- ``<channel>_<epoch>``, epochs from 0. There is one FIFO of a channel at a time: the next one appears when its reader
  has read all or has closed it, and the old one goes away, so that opening it again fails and never hangs.
- Channels do not wait for each other: each has a thread, which sleeps in the kernel while nobody reads.
- An epoch that a reader leaves early is at its end.
- When the data cannot be had, the reader does not get an end of the data that looks like a good one: ``on_problem`` is
  called, and the FIFO stays open until ``stop``.
- ``stop`` ends everything at once, whoever reads or does not; no writer, thread, FIFO or descriptor is left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from seatrial.core.errors import SeatrialError
from seatrial.platform.jobs.input.content import ChannelContent, download_failed
from seatrial.platform.jobs.input.epoch_stream import EpochStream
from seatrial.platform.jobs.input.fifo import EpochClosed, FeedStopped, Fifo, FifoWriter, Wake, open_directory
from seatrial.platform.jobs.input.source import ObjectSource

OnProblem = Callable[[SeatrialError], None]
"""Takes what keeps the data from the container; called from a feeder's thread. The job has to fail with it."""


class PipeFeeder:
    """Feeds one channel of one host.

    Args:
        content: What the channel holds.
        source: Where the objects are.
        data_dir: The host's ``/opt/ml/input/data``.
        spool_dir: For temporary files; not of the container.
        on_problem: See ``OnProblem``.
        host_index: As ``contract.channel_order.epoch_items``.
        host_count: As there.
    """

    def __init__(
        self,
        content: ChannelContent,
        source: ObjectSource,
        *,
        data_dir: Path,
        spool_dir: Path,
        on_problem: OnProblem,
        host_index: int = 0,
        host_count: int = 1,
    ) -> None:
        self._content = content
        self._source = source
        self._data_dir = data_dir
        self._spool_dir = spool_dir
        self._on_problem = on_problem
        self._host = (host_index, host_count)
        self._wake = Wake()
        self._thread = threading.Thread(target=self._run, name=f"pipe-{content.channel.name}", daemon=True)
        self._directory = -1
        self._first: Fifo | None = None

    def start(self) -> None:
        """Make the FIFO of epoch 0 and begin to wait for its reader. Called before the container starts.

        Raises:
            ContractError: there is something in the FIFO's place.
            OSError: ``data_dir`` cannot be opened.
        """
        self._directory = open_directory(self._data_dir)
        try:
            self._first = self._make_fifo(0)
        except BaseException:
            os.close(self._directory)
            self._directory = -1
            raise
        self._thread.start()

    def stop(self) -> None:
        """End the feed and wait for that; called once, when the container has ended, also without ``start``."""
        self._wake.set()
        if self._directory >= 0:
            self._thread.join()
            os.close(self._directory)
        self._wake.close()

    def _run(self) -> None:
        fifo, epoch = self._first, 0
        try:
            while True:
                with fifo or self._make_fifo(epoch) as opened:
                    self._feed(opened, epoch)
                fifo, epoch = None, epoch + 1
        except FeedStopped:
            return
        except Exception as error:  # a thread has nobody above it: no FIFO could be made, no descriptor was left, …
            self._on_problem(download_failed(error))

    def _make_fifo(self, epoch: int) -> Fifo:
        return Fifo(self._directory, f"{self._content.channel.name}_{epoch}")

    def _feed(self, fifo: Fifo, epoch: int) -> None:
        writer = fifo.open_writer(self._wake)
        try:
            self._write_epoch(writer, epoch)
        except EpochClosed:
            return
        except (SeatrialError, OSError, EOFError) as error:
            self._on_problem(download_failed(error))
            self._wake.wait()
        finally:
            writer.close()
        fifo.wait_until_read(self._wake)

    def _write_epoch(self, writer: FifoWriter, epoch: int) -> None:
        index, count = self._host
        items = self._content.of_host(epoch=epoch, host_index=index, host_count=count)
        EpochStream(self._content.channel, self._source, writer, spool_dir=self._spool_dir).write(items)

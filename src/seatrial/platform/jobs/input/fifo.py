"""One FIFO of Pipe mode: make it, wait for its reader, write without ever hanging, take it away.

Rules:

- Nothing here waits for a container that does not read, once the ``Wake`` is set: opening, writing and waiting all end.
- The directory belongs to the container, which may put anything in it. A FIFO is made below an open directory and used
  through a descriptor of itself, so that a name that was replaced leads nowhere.
- Whoever has opened the FIFO, or is about to, gets the end of the data when it is taken away; nobody is left waiting.

Linux only: elsewhere a FIFO cannot be reached through a descriptor of itself, and Docker Desktop's containers run on
another kernel than the one whose FIFO it is.

``open`` of a FIFO for writing waits in the kernel until there is a reader, at no cost and with no delay; ``Wake.set``
ends that by being a reader itself for a moment.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import termios
import threading
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from seatrial.core.errors import ContractError

PIPE_BYTES = 1 << 20
"""What a pipe is made to hold: Linux's limit for everybody (``fs.pipe-max-size``). Its default is 64 KiB."""

_READER_LOOK_FIRST_SECONDS = 0.0005
_READER_LOOK_LAST_SECONDS = 0.01


class FeedStopped(Exception):
    """``Wake.set`` was called."""


class EpochClosed(Exception):
    """The reader closed the FIFO before it had read all."""


class Wake:
    """Ends whatever waits on it, for good; ``set`` may be called from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._on_set: Callable[[], int] | None = None
        self._reader, self._writer = os.pipe()
        self._held = -1

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def fileno(self) -> int:
        """Readable once it is set."""
        return self._reader

    def check(self) -> None:
        """Raise ``FeedStopped`` once it is set."""
        if self._event.is_set():
            raise FeedStopped

    def wait(self, seconds: float | None = None) -> None:
        """Wait a while, or for ever; raise ``FeedStopped`` as soon as it is set."""
        if self._event.wait(seconds):
            raise FeedStopped

    def open_interruptibly(self, open_reader: Callable[[], int], open_writer: Callable[[], int]) -> int:
        """Run an ``open`` that waits for a reader; once this is set ``open_reader`` is the reader it waits for.

        Raises:
            FeedStopped: it was set.
        """
        with self._lock:
            self.check()
            self._on_set = open_reader
        descriptor = open_writer()
        with self._lock:
            self._on_set = None
            if self._event.is_set():
                os.close(descriptor)
                raise FeedStopped
        return descriptor

    def set(self) -> None:
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            os.write(self._writer, b"\0")
            if self._on_set is not None:
                self._held = self._on_set()  # kept open until ``close``: the writer may have yet to open

    def close(self) -> None:
        """Free the descriptors; nobody waits any more."""
        for descriptor in (self._reader, self._writer, self._held):
            if descriptor >= 0:
                os.close(descriptor)


class Fifo:
    """The FIFO of one epoch.

    Args:
        directory: A descriptor of the directory.
        name: Of the FIFO in it.

    Raises:
        ContractError: the container has put something in its place.
    """

    def __init__(self, directory: int, name: str) -> None:
        self.name = name
        self._directory = directory
        try:
            os.mkfifo(name, dir_fd=directory)
            self._itself = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            raise _obstructed(name, error.strerror or str(error)) from error
        if not stat.S_ISFIFO(os.fstat(self._itself).st_mode):
            os.close(self._itself)
            raise _obstructed(name, "something else")
        os.chmod(self._path(), 0o644)  # whatever the umask

    def open_writer(self, wake: Wake) -> FifoWriter:
        """Wait for a reader.

        Raises:
            FeedStopped: ``wake`` was set.
        """
        descriptor = wake.open_interruptibly(
            lambda: self._reopen(os.O_RDONLY | os.O_NONBLOCK), lambda: self._reopen(os.O_WRONLY)
        )
        return FifoWriter(descriptor, wake)

    def wait_until_read(self, wake: Wake) -> None:
        """Wait, after the writer was closed, until the reader has closed or has read the last byte.

        A reader that never closes does not keep the next epoch from coming.

        Raises:
            FeedStopped: ``wake`` was set.
        """
        seconds = _READER_LOOK_FIRST_SECONDS
        while self._has_unread():
            wake.wait(seconds)
            seconds = min(seconds * 1.5, _READER_LOOK_LAST_SECONDS)

    def remove(self) -> None:
        """Take the FIFO away; a reader that still waits for its writer gets the end of the data."""
        with suppress(OSError):
            found = os.stat(self.name, dir_fd=self._directory, follow_symlinks=False)
            if os.path.samestat(found, os.fstat(self._itself)):
                os.unlink(self.name, dir_fd=self._directory)
        with suppress(OSError):  # ENXIO: nobody waits
            os.close(self._reopen(os.O_WRONLY | os.O_NONBLOCK))
        os.close(self._itself)

    def __enter__(self) -> Fifo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _has_unread(self) -> bool:
        """Whether a reader is there and bytes are in the pipe; looking is to be a writer for a moment."""
        try:
            descriptor = self._reopen(os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return False
            raise
        try:
            count = array("i", [0])
            fcntl.ioctl(descriptor, termios.FIONREAD, count)
            return count[0] > 0
        finally:
            os.close(descriptor)

    def _reopen(self, flags: int) -> int:
        return os.open(self._path(), flags | os.O_CLOEXEC)

    def _path(self) -> str:
        return f"/proc/self/fd/{self._itself}"


class FifoWriter:
    """The writer's end. Every method raises ``EpochClosed`` and ``FeedStopped``."""

    def __init__(self, descriptor: int, wake: Wake) -> None:
        self._descriptor = descriptor
        self._wake = wake
        os.set_blocking(descriptor, False)
        with suppress(OSError):  # over the user's limit: a small pipe is slower, nothing else
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._poll.register(wake.fileno(), select.POLLIN)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._when_ready(lambda: os.write(self._descriptor, rest)) :]  # noqa: B023 (called at once)

    def send_file(self, source: int, size_bytes: int) -> None:
        """Write that much of a plain file from where it stands; the bytes do not pass through this process.

        Raises:
            EOFError: the file is shorter.
        """
        while size_bytes > 0:
            sent = self._when_ready(lambda: self._send_some(source, size_bytes))  # noqa: B023 (called at once)
            if sent == 0:
                raise EOFError(f"the file ended {size_bytes:,} bytes early")
            size_bytes -= sent

    def _send_some(self, source: int, size_bytes: int) -> int:
        return os.splice(source, self._descriptor, min(size_bytes, PIPE_BYTES))

    def _when_ready(self, send: Callable[[], int]) -> int:
        while True:
            self._wake.check()
            try:
                return send()
            except BlockingIOError:
                self._poll.poll()
            except BrokenPipeError:
                raise EpochClosed from None

    def close(self) -> None:
        os.close(self._descriptor)


def open_directory(directory: Path) -> int:
    """A descriptor for ``Fifo``."""
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _obstructed(name: str, found: str) -> ContractError:
    return ContractError(
        "channel-fifo-obstructed",
        f"the FIFO {name} cannot be made",
        where="/opt/ml/input/data",
        found=found,
        expected="a name that nothing has",
        fix="keep the program from writing there",
    )

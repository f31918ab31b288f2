"""Bodies on their way in: temporary files that a crash leaves behind and the next start clears away."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType

from seatrial.objects import xattrs
from seatrial.objects.checksums import Bytes, new_checksum, render_checksum
from seatrial.objects.disk import copy_range, write_all
from seatrial.objects.records import Identity, Record, identity_of

_ABANDONED_SECONDS = 60.0
"""A file so old that nobody holds was left by a crash; a younger one may not be locked yet."""


class IncomingFile:
    """A body that is written to a temporary file and hashed on the way.

    Args:
        directory: On the file system of the buckets.
        algorithms: Checksums to compute.
        hashes: Whether to compute any; a copy inside the kernel does not see the bytes.
    """

    def __init__(self, directory: Path, algorithms: Collection[str] = (), *, hashes: bool = True) -> None:
        self.path = f"{directory}/{secrets.token_hex(12)}.body"
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)  # says that somebody is at work with it
        self._md5 = hashlib.md5(usedforsecurity=False) if hashes else None
        self._checksums = {name: new_checksum(name) for name in algorithms}
        self._size_bytes = 0
        self._is_open = True

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def write(self, data: Bytes) -> None:
        if self._md5 is not None:
            self._md5.update(data)
        for checksum in self._checksums.values():
            checksum.update(data)
        write_all(self._descriptor, data)
        self._size_bytes += len(data)

    def copy_from(self, source: int, offset: int, size: int) -> None:
        """Append bytes of another file without hashing them."""
        copy_range(source, self._descriptor, offset, size)
        self._size_bytes += size

    def md5(self) -> bytes:
        assert self._md5 is not None, "a body that was not hashed has no MD5"  # noqa: S101
        return self._md5.digest()

    def checksum(self, algorithm: str) -> str:
        return render_checksum(self._checksums[algorithm].digest())

    def checksums(self) -> dict[str, str]:
        """All that were computed."""
        return {name: render_checksum(checksum.digest()) for name, checksum in self._checksums.items()}

    def identity(self) -> Identity:
        """What identifies the file once all is written."""
        return identity_of(os.fstat(self._descriptor))

    def seal(self, record: Record) -> bool:
        """Make what is written survive a power cut, and its record with it; false when that needs a side-car."""
        has_record = xattrs.write_record(self._descriptor, record)
        os.fsync(self._descriptor)
        return has_record

    def discard(self) -> None:
        """Remove the temporary file if it is still there, and close it."""
        if self._is_open:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self.close()

    def close(self) -> None:
        """Close the file, which has been renamed to its place."""
        if self._is_open:
            self._is_open = False
            os.close(self._descriptor)

    def __enter__(self) -> IncomingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def remove_abandoned(directory: Path) -> None:
    """Remove the temporary files and directories that processes left which were killed."""
    now = time.time()
    for path in directory.iterdir():
        if path.is_dir():
            _remove_abandoned_directory(path, now)
            continue
        with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            if now - os.fstat(file.fileno()).st_mtime > _ABANDONED_SECONDS:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _remove_abandoned_directory(path: Path, now: float) -> None:
    with contextlib.suppress(FileNotFoundError):
        if now - path.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)

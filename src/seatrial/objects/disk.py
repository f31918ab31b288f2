"""What a durable store asks of a file system: sync, copies inside the kernel, locks, small files at once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

COPY_BYTES = 8 << 20
"""How much is copied with one call."""

_IS_BENEATH_ERRNOS = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def mode_of(path: str) -> int:
    """The mode of what is there, links not followed; 0 when nothing is."""
    try:
        return os.lstat(path).st_mode
    except OSError as error:
        if error.errno in _IS_BENEATH_ERRNOS:
            return 0
        raise


def is_directory(path: str) -> bool:
    """Whether a directory is there, and not a link to one."""
    return stat.S_ISDIR(mode_of(path))


def sync_directory(path: str) -> None:
    """Make the names in a directory survive a power cut; one that is gone needs no more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def copy_range(source: int, target: int, offset: int, size: int) -> None:
    """Append bytes of one file to another, shared on disk where the file system can.

    Raises:
        OSError: the source ended before ``size`` bytes.
    """
    end = offset + size
    while offset < end:
        copied = _copy_some(source, target, offset, min(COPY_BYTES, end - offset))
        if copied == 0:
            raise OSError(errno.EIO, "a file is shorter than it was")
        offset += copied


def _copy_some(source: int, target: int, offset: int, size: int) -> int:
    if sys.platform == "linux":
        try:
            return os.copy_file_range(source, target, size, offset_src=offset)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
                raise
    data = os.pread(source, size, offset)
    write_all(target, data)
    return len(data)


def write_atomically(
    path: Path, data: bytes, *, temporary_dir: Path, is_durable: bool, makes_directory: bool = True
) -> None:
    """Replace a small file: a reader finds the old one or the new one.

    Args:
        path: The file.
        data: Its new content.
        temporary_dir: On the same file system.
        is_durable: Whether it has to survive a power cut, not only the end of this process.
        makes_directory: Whether the file's directory is made when it is missing.

    Raises:
        FileNotFoundError: the directory is missing and is not to be made.
    """
    temporary = temporary_dir / f"{secrets.token_hex(12)}.small"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            write_all(descriptor, data)
            if is_durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            if not makes_directory:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(temporary, path)
            if is_durable:
                sync_directory(str(path.parent.parent))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if is_durable:
        sync_directory(str(path.parent))


class Locks:
    """Locks by name between threads and processes; names share a fixed number of lock files.

    A lock ends with its process, whatever ends that. Nobody may hold two at once: they could be the same.
    """

    COUNT = 512

    def __init__(self, directory: Path, hash_name: Callable[[str], int]) -> None:
        self._directory = directory
        self._hash_name = hash_name

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Wait for the lock and keep it for the block."""
        path = self._directory / f"{self._hash_name(name) % self.COUNT:03x}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

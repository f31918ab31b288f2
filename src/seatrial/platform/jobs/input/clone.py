"""Copy a file's content, sharing its blocks where the file system can."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from seatrial.core.trees import CHUNK_BYTES, Checkpoint

_FICLONE = 0x40049409
"""``linux/fs.h``; Python has no name for it before 3.12."""

_NOT_HERE = frozenset((errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM))


def copy_or_clone(source: int, target: int, checkpoint: Checkpoint) -> None:
    """Make an empty file hold what another one holds; both by their descriptors, the source from its beginning.

    Raises:
        OSError: the target cannot be written.
    """
    with suppress(OSError):
        fcntl.ioctl(target, _FICLONE, source)
        return
    is_direct = hasattr(os, "copy_file_range")
    offset = 0
    while True:
        checkpoint()
        try:
            if is_direct:
                sent = os.copy_file_range(source, target, CHUNK_BYTES, offset, offset)
            else:
                sent = os.pwrite(target, os.pread(source, CHUNK_BYTES, offset), offset)
        except OSError as error:
            if not is_direct or error.errno not in _NOT_HERE:
                raise
            is_direct = False
            continue
        if sent == 0:
            return
        offset += sent


def can_clone(path: Path, directory: Path) -> bool:
    """Whether a file and a new one in a directory can share their blocks (btrfs, XFS, ZFS; not ext4)."""
    probe = directory / ".clone-probe"
    try:
        with path.open("rb") as source, probe.open("xb") as target:
            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        return True
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)


def can_link(path: Path, directory: Path) -> bool:
    """Whether a file can have a second name in a directory: both are on one file system, and the file is ours."""
    probe = directory / ".link-probe"
    try:
        os.link(path, probe, follow_symlinks=False)
    except OSError:
        return False
    probe.unlink()
    return True

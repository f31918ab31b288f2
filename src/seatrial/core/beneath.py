"""Open files below a directory that somebody else may change at any moment: no link is followed on the way.

``core.trees`` reads what nobody writes any more; here a running container may put a link in the place of a directory
between two looks, and must not lead us out of the directory by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def open_directory(top: Path, name: PurePosixPath) -> Iterator[int]:
    """A directory below ``top``, to be used as a ``dir_fd``.

    Args:
        top: Where to begin; a link in its own path is followed.
        name: Relative, without ``..``; nothing for ``top`` itself.

    Raises:
        OSError: there is none, or one of its parts is a link (``ENOTDIR`` or ``ELOOP``).
        ValueError: the name leads out.
    """
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(str(name))
    directory = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in name.parts:
            child = os.open(part, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = child
        yield directory
    finally:
        os.close(directory)

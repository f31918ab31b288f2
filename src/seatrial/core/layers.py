"""Files of an overlay file system, found in its layers by whoever cannot see it mounted.

What an upper layer has counts; a character device 0/0 there says that a name is gone, and an attribute of a directory
that nothing of the lower layers shows in it (Linux, ``Documentation/filesystems/overlayfs.rst``).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

_OPAQUE_ATTRIBUTES = ("trusted.overlay.opaque", "user.overlay.opaque")
"""The second one is written by a user namespace."""


def find_in_layers(layers: Sequence[Path], name: PurePosixPath) -> Path:
    """Where a file or directory of an overlay lies.

    Args:
        layers: Uppermost first.
        name: Relative to the top of each of them.

    Returns:
        A path in the layer that has it; of a directory of which several layers hold entries the uppermost one, which
        does not show the others.

    Raises:
        FileNotFoundError: it was removed in an upper layer.
    """
    for layer in layers[:-1]:
        found = _look(layer, name)
        if found is not None:
            return found
    return layers[-1] / name


def is_merged(layers: Sequence[Path], name: PurePosixPath) -> bool:
    """Whether several layers hold entries of a directory, so that no path of one of them shows all of it."""
    return sum(_has_entries(layer / name) for layer in layers) > 1


def _look(layer: Path, name: PurePosixPath) -> Path | None:
    """The path if this layer decides; ``None`` if a lower one does."""
    path = layer
    is_opaque = False
    for part in name.parts:
        path /= part
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            if is_opaque:
                raise
            return None
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if not stat.S_ISDIR(status.st_mode):
            return layer / name
        is_opaque = is_opaque or _is_opaque(path)
    return path if is_opaque or _has_entries(path) else None


def _has_entries(path: Path) -> bool:
    with suppress(OSError):
        return path.is_dir() and not path.is_symlink() and any(path.iterdir())
    return False


def _is_opaque(path: Path) -> bool:
    for name in _OPAQUE_ATTRIBUTES:
        with suppress(OSError, AttributeError):  # others than Linux have no such attributes
            if os.getxattr(path, name, follow_symlinks=False) == b"y":
                return True
    return False

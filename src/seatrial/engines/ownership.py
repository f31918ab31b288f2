"""Files that a root container wrote into bind-mounted directories: whom they belong to afterwards.

A container that runs as root leaves root's files in the caller's directories, which the caller can neither read nor
delete as a rule (contract.md §7, pitfall 15). So whatever is new there and not the caller's is given to the caller, by
root of a throw-away container of the same image, before the end of the container is reported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from seatrial.engines.base import Mount


def foreign_paths(mounts: Sequence[Mount], owner_id: int) -> set[Path]:
    """The uppermost files and directories of writable mounts that do not belong to ``owner_id``."""
    found: set[Path] = set()
    for mount in mounts:
        if not mount.is_read_only:
            found.update(_foreign_below(mount.source, owner_id))
    return found


def _foreign_below(directory: Path, owner_id: int) -> Iterator[Path]:
    try:
        entries = list(os.scandir(directory)) if directory.is_dir() else []
    except PermissionError:
        return
    for entry in entries:
        if entry.stat(follow_symlinks=False).st_uid != owner_id:
            yield Path(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            yield from _foreign_below(Path(entry.path), owner_id)


def container_path(path: Path, mounts: Sequence[Mount]) -> PurePosixPath:
    """Where a host path below a mount's source is seen in the container."""
    mount = max((mount for mount in mounts if path.is_relative_to(mount.source)), key=lambda one: len(one.source.parts))
    return mount.target / path.relative_to(mount.source)

"""Files that a root container wrote into bind-mounted directories: whom they belong to afterwards.

A container that runs as root leaves root's files in the caller's directories, which the caller can neither read nor
delete as a rule (contract.md §7, pitfall 15). So whatever is new there and not the caller's is given to the caller, by
root of a throw-away container of the same image, before the end of the container is reported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from seatrial.engines.base import Mount


def written_mounts(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    """The directories that a container may have written to: of an overlay its changes, never its source."""
    return tuple(
        mount
        if mount.changes_dir is None
        else Mount(source=mount.changes_dir, target=mount.target, is_read_only=mount.is_read_only)
        for mount in mounts
    )


def foreign_paths(mounts: Sequence[Mount], owner_id: int) -> set[Path]:
    """The uppermost files and directories of writable mounts that do not belong to ``owner_id``."""
    found: set[Path] = set()
    for mount in mounts:
        if not mount.is_read_only:
            found.update(_foreign_below(mount.source, owner_id))
    return found


def _foreign_below(top: Path, owner_id: int) -> Iterator[Path]:
    pending = [top]
    while pending:  # no recursion: a container may nest directories deeper than Python nests calls
        for entry in _entries(pending.pop()):
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                if entry.stat(follow_symlinks=False).st_uid != owner_id:
                    yield Path(entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    """What is in a directory; nothing where it is a file, gone, or not for us to read."""
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def container_path(path: Path, mounts: Sequence[Mount]) -> PurePosixPath:
    """Where a host path below a mount's source is seen in the container."""
    mount = max((mount for mount in mounts if path.is_relative_to(mount.source)), key=lambda one: len(one.source.parts))
    return mount.target / path.relative_to(mount.source)

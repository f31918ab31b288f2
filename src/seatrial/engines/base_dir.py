"""Without a private file system: lay a container's mounts out below a directory that stands for ``/opt/ml``.

A program that honours ``SAGEMAKER_BASE_DIR`` reads there what others read in ``/opt/ml``. A mount at ``/opt/ml``
itself becomes that directory; any other one becomes a link in it. Everything made here is listed for the launcher,
which removes it when the container ends, ours or the caller's death notwithstanding.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from seatrial.contract.layout import OPT_ML
from seatrial.core.errors import EngineError
from seatrial.engines.base import Mount

BASE_DIR_VARIABLE = "SAGEMAKER_BASE_DIR"


@dataclass(slots=True, kw_only=True)
class BaseDir:
    """A directory in the place of ``/opt/ml``."""

    root: Path
    made: list[Path] = field(default_factory=list)
    """Links, files and directories of ours outside the scratch directory, in the order of their making."""


def remove_made(made: list[Path]) -> None:
    """Take back what was made; a directory that something else was put in stays."""
    for path in reversed(made):
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()


def make_scratch_dir() -> Path:
    """A directory for one container: its home, and its ``/opt/ml`` where nothing is mounted there."""
    return Path(tempfile.mkdtemp(prefix="seatrial-container-"))


def lay_out(mounts: tuple[Mount, ...], scratch_dir: Path) -> BaseDir:
    """Make the directory.

    Raises:
        EngineError: a mount cannot be shown below it.
    """
    whole = next((mount.source for mount in mounts if mount.target == OPT_ML), None)
    base = BaseDir(root=whole or scratch_dir / "ml")
    base.root.mkdir(exist_ok=True)
    try:
        for mount in sorted(mounts, key=lambda one: one.target):
            if mount.target != OPT_ML:
                _link(base, mount)
    except BaseException:
        remove_made(base.made)
        raise
    return base


def make_nested_mount_points(mounts: tuple[Mount, ...]) -> list[Path]:
    """With a private file system: make the places, inside other mounts' sources, where mounts will lie.

    The container would make them itself, and leave them in the caller's directory; these are listed, to be removed.
    """
    base = BaseDir(root=Path("/"))
    for mount in mounts:
        outer = _enclosing(mount, mounts)
        if outer is None or not outer.source.is_dir():
            continue
        place = outer.source / mount.target.relative_to(outer.target)
        if mount.source.is_dir():
            _make_dirs(base, place, outer.source)
        elif not place.exists():
            _make_dirs(base, place.parent, outer.source)
            place.touch()
            base.made.append(place)
    return base.made


def _enclosing(mount: Mount, mounts: tuple[Mount, ...]) -> Mount | None:
    around = [other for other in mounts if other.target in mount.target.parents]
    return max(around, key=lambda other: len(other.target.parts), default=None)


def _link(base: BaseDir, mount: Mount) -> None:
    if not mount.target.is_relative_to(OPT_ML):
        raise EngineError(
            "mount-not-possible",
            "without namespaces the process engine can only mount below /opt/ml",
            found=str(mount.target),
            fix="use the docker engine, or run where namespaces are allowed",
        )
    place = base.root / PurePosixPath(mount.target).relative_to(OPT_ML)
    _make_dirs(base, place.parent, base.root)
    if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
        place.rmdir()  # an empty place for the mount, as Docker would use it
    if place.exists() or place.is_symlink():
        raise EngineError(
            "mount-not-possible",
            "without namespaces the process engine cannot mount over files",
            where=str(place),
            fix="empty the directory, use the docker engine, or run where namespaces are allowed",
        )
    place.symlink_to(mount.source)
    base.made.append(place)


def _make_dirs(base: BaseDir, path: Path, stop: Path) -> None:
    missing = []
    while path != stop and not path.exists():
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        one.mkdir()
        base.made.append(one)

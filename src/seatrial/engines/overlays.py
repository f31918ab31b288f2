"""Copy-on-write views of a caller's directory: the layers of a mount with ``changes_dir``, and where they can be had.

changes_dir/upper    what the container has written
changes_dir/work     the kernel's
changes_dir/empty    the second layer of a view that nobody can write to: an overlay without an upper layer has two
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.contract.layout import OPT_ML
from seatrial.core.errors import EngineError
from seatrial.core.trees import remove_tree
from seatrial.engines.base import Mount
from seatrial.engines.isolation import Isolation, trial_instructions
from seatrial.engines.launch import LaunchFailedError, launch

if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import OverlayLayers

_UPPER_FILE_SYSTEMS = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "tmpfs", "xfs"})
"""Kinds that the kernel takes for every layer of an overlay."""

_SEPARATORS = frozenset(":,\\")
"""Of the options of an overlay, in which a path cannot hold them."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The directories of an overlay; see ``OverlayLayers``."""

    lower: tuple[Path, ...]
    upper: Path | None
    work: Path | None

    def options(self) -> str:
        """As ``mount`` takes them."""
        lower = "lowerdir=" + ":".join(map(str, self.lower))
        return lower if self.upper is None else f"{lower},upperdir={self.upper},workdir={self.work}"


def make_layers(mount: Mount) -> Layers | None:
    """Make the directories of a mount's overlay; ``None`` for a mount without one."""
    if mount.changes_dir is None:
        return None
    names = ("empty",) if mount.is_read_only else ("upper", "work")
    made = [mount.changes_dir / name for name in names]
    for path in made:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)
    if mount.is_read_only:
        return Layers(lower=(made[0], mount.source), upper=None, work=None)
    return Layers(lower=(mount.source,), upper=made[0], work=made[1])


def written_layers(mount: Mount) -> tuple[Path, ...]:
    """The layers of a mount with ``changes_dir`` that may hold files, uppermost first."""
    if mount.changes_dir is None or mount.is_read_only:
        return (mount.source,)
    return (mount.changes_dir / "upper", mount.source)


def instruction(mount: Mount) -> OverlayLayers | None:
    """The same for the launcher."""
    layers = make_layers(mount)
    if layers is None:
        return None
    return {
        "lower": [str(path) for path in layers.lower],
        "upper": None if layers.upper is None else str(layers.upper),
        "work": None if layers.work is None else str(layers.work),
    }


def can_mount(directory: Path, isolation: Isolation) -> bool:
    """Whether the launcher can mount an overlay of directories below ``directory``, found out by trying it once.

    The file system counts, and in a user namespace the kernel.
    """
    key = (os.stat(directory).st_dev, isolation)
    if key not in _FOUND:
        _FOUND[key] = _try(directory, isolation)
    return _FOUND[key]


_FOUND: dict[tuple[int, Isolation], bool] = {}


def _try(directory: Path, isolation: Isolation) -> bool:
    trial = Path(tempfile.mkdtemp(prefix=".overlay-", dir=directory))
    try:
        source = trial / "source"
        source.mkdir()
        (source / "file").touch()
        mount = Mount(source=source, target=OPT_ML / "trial", changes_dir=trial)
        instructions = trial_instructions(isolation)
        instructions["mounts"] = [
            {"source": str(source), "target": str(mount.target), "is_read_only": False, "layers": instruction(mount)}
        ]
        instructions["argv"] = ["sh", "-c", 'echo 1 > "$0"', str(mount.target / "file")]
        launcher = launch(instructions, (), lambda _line: None)
        exit_code = launcher.wait(None)
        launcher.close()
    except (LaunchFailedError, EngineError):
        return False
    else:
        return exit_code == 0
    finally:
        remove_tree(trial)


def can_daemon_mount(directory: Path) -> bool:
    """Whether a daemon on this machine, which is root, can: known from the kind of the file system, without trying."""
    path = directory.resolve()
    return sys.platform == "linux" and not _SEPARATORS & set(str(path)) and _file_system(path) in _UPPER_FILE_SYSTEMS


def _file_system(path: Path) -> str:
    """The kind of the file system that holds an existing path, as Linux calls it; empty when that cannot be told."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        if left.split(" ")[2] == wanted:
            return right.split(" ")[0]
    return ""

"""Limits for processor and memory through Linux control groups, version 2 or 1.

Version 2 needs a directory below which the ``memory`` and ``cpu`` controllers are handed on: the root of the hierarchy
when we are root, else our own group where the system has delegated it. Version 1 needs root.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from seatrial.core.errors import EngineError
from seatrial.engines.base import ResourceLimits

_CPU_PERIOD_MICROSECONDS = 100_000
_MOUNT_INFO = Path("/proc/self/mountinfo")
_OWN_GROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroups:
    """Groups made for one container; empty when it has no limits."""

    dirs: tuple[Path, ...] = ()
    oom_kill_file: Path | None = None
    """Holds a line ``oom_kill N``."""

    def remove(self) -> None:
        """Remove the groups when no process ever joined them; after a start the launcher does it."""
        for path in self.dirs:
            with contextlib.suppress(OSError):
                path.rmdir()


def create(name: str, limits: ResourceLimits, hierarchies: Hierarchies | None = None) -> ControlGroups:
    """Make the control groups that hold a container to its limits; shared memory is not theirs.

    Raises:
        EngineError: the limits cannot be set on this machine.
    """
    wanted = {"memory": limits.memory_bytes is not None, "cpu": limits.cpu_count is not None}
    if not any(wanted.values()):
        return ControlGroups()
    places = hierarchies or find_hierarchies()
    made: list[Path] = []
    oom_kill_file = None
    try:
        for controller in (name for name, is_wanted in wanted.items() if is_wanted):
            group, version = _make(places, controller, name)
            if group not in made:
                made.append(group)
            for file, value in _settings(controller, version, limits):
                if (group / file).exists() or file in _REQUIRED_FILES:
                    (group / file).write_text(value)
            if controller == "memory":
                oom_kill_file = group / ("memory.events" if version == 2 else "memory.oom_control")
    except OSError as error:
        ControlGroups(dirs=tuple(made)).remove()
        raise _refused(limits, str(error)) from error
    return ControlGroups(dirs=tuple(made), oom_kill_file=oom_kill_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchies:
    """Where groups can be made."""

    version_2: tuple[Path, ...] = ()
    """Directories to try, best first."""
    version_1: tuple[tuple[str, Path], ...] = ()
    """Controller and the root of its hierarchy."""


def find_hierarchies() -> Hierarchies:
    """The control group hierarchies mounted here."""
    try:
        return parse_hierarchies(_MOUNT_INFO.read_text(), _OWN_GROUPS.read_text())
    except OSError:
        return Hierarchies()


def parse_hierarchies(mount_info: str, own_groups: str) -> Hierarchies:
    """Find hierarchies in the texts of ``/proc/self/mountinfo`` and ``/proc/self/cgroup``."""
    own = next((line[3:] for line in own_groups.splitlines() if line.startswith("0::")), "/")
    version_2: list[Path] = []
    version_1: list[tuple[str, Path]] = []
    for line in mount_info.splitlines():
        left, _, right = line.partition(" - ")
        point, (kind, _, options) = Path(left.split()[4]), right.split(" ", 2)
        if kind == "cgroup2":
            version_2 += [point, (point / own.lstrip("/")).parent]
        elif kind == "cgroup":
            version_1 += [(name, point) for name in ("memory", "cpu") if name in options.split(",")]
    return Hierarchies(version_2=tuple(version_2), version_1=tuple(version_1))


_REQUIRED_FILES = frozenset({"memory.max", "cpu.max", "memory.limit_in_bytes", "cpu.cfs_quota_us"})


def _make(places: Hierarchies, controller: str, name: str) -> tuple[Path, int]:
    """Make one group where ``controller`` works; returns it and the version of its hierarchy."""
    for parent in places.version_2:
        handed_on = parent / "cgroup.subtree_control"
        with contextlib.suppress(OSError):
            if controller in handed_on.read_text().split() and os.access(parent, os.W_OK):
                group = parent / f"seatrial-{name}"
                group.mkdir(exist_ok=True)  # the other controller may have made it
                return group, 2
    for present, root in places.version_1:
        if present == controller and os.access(root, os.W_OK):
            group = root / f"seatrial-{name}"
            group.mkdir()
            return group, 1
    raise OSError(f"no control group hierarchy here lets us limit {controller}")


def _settings(controller: str, version: int, limits: ResourceLimits) -> list[tuple[str, str]]:
    """Files to write, in order; swap is off, or a limit on memory would only slow the program down."""
    memory = str(limits.memory_bytes)
    quota = round((limits.cpu_count or 0) * _CPU_PERIOD_MICROSECONDS)
    table = {
        ("memory", 2): [("memory.max", memory), ("memory.swap.max", "0"), ("memory.oom.group", "1")],
        ("memory", 1): [("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)],
        ("cpu", 2): [("cpu.max", f"{quota} {_CPU_PERIOD_MICROSECONDS}")],
        ("cpu", 1): [("cpu.cfs_period_us", str(_CPU_PERIOD_MICROSECONDS)), ("cpu.cfs_quota_us", str(quota))],
    }
    return table[controller, version]


def _refused(limits: ResourceLimits, reason: str) -> EngineError:
    asked = [f"memory_bytes={limits.memory_bytes}"] if limits.memory_bytes is not None else []
    asked += [f"cpu_count={limits.cpu_count:g}"] if limits.cpu_count is not None else []
    return EngineError(
        "limit-not-possible",
        "the process engine cannot limit a program's resources on this machine",
        where="/sys/fs/cgroup",
        found=reason,
        expected=" ".join(asked),
        fix="leave the limit out, run as root or in a delegated group (systemd-run --user --scope -p Delegate=yes), "
        "or use the docker engine",
    )

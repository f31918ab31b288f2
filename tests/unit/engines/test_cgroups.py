"""Control groups made in a copy of the kernel's tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines import cgroups
from seatrial.engines.base import ResourceLimits
from seatrial.engines.cgroups import Hierarchies

MOUNT_INFO = """\
25 1 0:23 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
31 25 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_parse_hierarchies_of_a_hybrid_tree_finds_both_versions() -> None:
    found = cgroups.parse_hierarchies(MOUNT_INFO, "4:memory:/a\n0::/user.slice/app.scope\n")
    root = Path("/sys/fs/cgroup")
    assert found.version_2 == (root / "unified", root / "unified/user.slice")
    assert found.version_1 == (("cpu", root / "cpu,cpuacct"), ("memory", root / "memory"))


def test_create_without_limits_makes_nothing() -> None:
    assert cgroups.create("x", ResourceLimits(shm_bytes=1), Hierarchies()) == cgroups.ControlGroups()


def test_create_in_version_2_makes_one_group_for_both_limits(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    limits = ResourceLimits(memory_bytes=1000, cpu_count=1.5)
    groups = cgroups.create("x", limits, Hierarchies(version_2=(tmp_path,)))
    group = tmp_path / "seatrial-x"
    assert groups.dirs == (group,)
    assert groups.oom_kill_file == group / "memory.events"
    assert (group / "memory.max").read_text() == "1000"
    assert (group / "cpu.max").read_text() == "150000 100000"


def test_create_in_version_1_makes_a_group_for_each_limit(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "cpu").mkdir()
    places = Hierarchies(version_1=(("memory", tmp_path / "memory"), ("cpu", tmp_path / "cpu")))
    groups = cgroups.create("x", ResourceLimits(memory_bytes=1000, cpu_count=0.5), places)
    assert groups.dirs == (tmp_path / "memory/seatrial-x", tmp_path / "cpu/seatrial-x")
    assert (tmp_path / "memory/seatrial-x/memory.limit_in_bytes").read_text() == "1000"
    assert (tmp_path / "cpu/seatrial-x/cpu.cfs_quota_us").read_text() == "50000"


def test_create_where_nothing_is_handed_on_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("\n")
    with pytest.raises(EngineError) as refusal:
        cgroups.create("x", ResourceLimits(memory_bytes=1000), Hierarchies(version_2=(tmp_path,)))
    assert refusal.value.code == "limit-not-possible"
    assert [path.name for path in tmp_path.iterdir()] == ["cgroup.subtree_control"]

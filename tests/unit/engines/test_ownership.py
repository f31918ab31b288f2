from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from seatrial.core.trees import remove_tree
from seatrial.engines.base import Mount
from seatrial.engines.ownership import container_path, foreign_paths


def test_foreign_paths_are_the_uppermost_ones_of_writable_mounts(tmp_path: Path) -> None:
    for name in ("out/data", "in"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "out/data/file").touch()
    mounts = (
        Mount(source=tmp_path / "out", target=PurePosixPath("/opt/ml/output")),
        Mount(source=tmp_path / "in", target=PurePosixPath("/opt/ml/input"), is_read_only=True),
    )
    assert foreign_paths(mounts, os.geteuid()) == set()
    assert foreign_paths(mounts, os.geteuid() + 1) == {tmp_path / "out/data"}


def test_foreign_paths_below_directories_nested_deeper_than_python_nests_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    monkeypatch.chdir(top)
    try:
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        assert foreign_paths((Mount(source=top, target=PurePosixPath("/data")),), os.geteuid()) == set()
    finally:
        remove_tree(top)  # pytest cannot


def test_container_path_takes_the_innermost_mount() -> None:
    mounts = (
        Mount(source=Path("/a"), target=PurePosixPath("/opt/ml")),
        Mount(source=Path("/a/b"), target=PurePosixPath("/data")),
    )
    assert container_path(Path("/a/b/c"), mounts) == PurePosixPath("/data/c")

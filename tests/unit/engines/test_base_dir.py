"""Mounts laid out as links, and taken back."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines import base_dir
from seatrial.engines.base import Mount

ML = PurePosixPath("/opt/ml")


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("whole", "channel", "model", "scratch")}
    for path in found.values():
        path.mkdir()
        (path / f"in-{path.name}").touch()
    return found


def test_lay_out_without_a_whole_mount_links_below_the_scratch_directory(sources: dict[str, Path]) -> None:
    mounts = (
        Mount(source=sources["channel"], target=ML / "input/data/training"),
        Mount(source=sources["model"], target=ML / "model"),
    )
    base = base_dir.lay_out(mounts, sources["scratch"])
    assert (base.root / "input/data/training/in-channel").exists()
    assert (base.root / "model/in-model").exists()


def test_lay_out_inside_a_whole_mount_is_taken_back_without_a_trace(sources: dict[str, Path]) -> None:
    (sources["whole"] / "model").mkdir()  # an empty place for the mount
    mounts = (
        Mount(source=sources["channel"], target=ML / "input/data/training"),
        Mount(source=sources["whole"], target=ML),
        Mount(source=sources["model"], target=ML / "model"),
    )
    base = base_dir.lay_out(mounts, sources["scratch"])
    assert base.root == sources["whole"]
    assert (sources["whole"] / "input/data/training/in-channel").exists()
    base_dir.remove_made(base.made)
    assert [path.name for path in sources["whole"].iterdir()] == ["in-whole"]
    assert (sources["channel"] / "in-channel").exists()


def test_lay_out_over_files_is_refused_and_leaves_nothing(sources: dict[str, Path]) -> None:
    (sources["whole"] / "model").mkdir()
    (sources["whole"] / "model/precious").touch()
    mounts = (
        Mount(source=sources["whole"], target=ML),
        Mount(source=sources["channel"], target=ML / "input/a"),
        Mount(source=sources["model"], target=ML / "model"),
    )
    with pytest.raises(EngineError) as refusal:
        base_dir.lay_out(mounts, sources["scratch"])
    assert refusal.value.code == "mount-not-possible"
    assert not (sources["whole"] / "input").exists()
    assert (sources["whole"] / "model/precious").exists()


def test_lay_out_outside_opt_ml_is_refused(sources: dict[str, Path]) -> None:
    with pytest.raises(EngineError) as refusal:
        base_dir.lay_out((Mount(source=sources["model"], target=PurePosixPath("/data")),), sources["scratch"])
    assert refusal.value.code == "mount-not-possible"


def test_make_nested_mount_points_makes_only_what_is_missing(sources: dict[str, Path]) -> None:
    (sources["whole"] / "input").mkdir()
    mounts = (
        Mount(source=sources["whole"], target=ML),
        Mount(source=sources["channel"], target=ML / "input/data/training"),
        Mount(source=sources["channel"] / "in-channel", target=ML / "file"),
    )
    made = base_dir.make_nested_mount_points(mounts)
    assert made == [
        sources["whole"] / "input/data",
        sources["whole"] / "input/data/training",
        sources["whole"] / "file",
    ]

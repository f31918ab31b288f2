"""``seatrial demo`` to its good end, as the first thing that a newcomer runs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CLASSIC, OURS = "decision-trees", "decision-trees-seatrial"
IMAGES = tuple(f"seatrial/{example}:demo" for example in (CLASSIC, OURS))
TIMINGS = r"98\.0% +\d+\.\d\d s +\d+\.\d\d s +\d+\.\d\d ms"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Demo:
    """What a demo left and said."""

    exit_code: int
    log: str
    """Of the containers."""
    said: str
    left: list[Path]

    @property
    def predictions(self) -> list[str]:
        return re.findall(r"^predictions: (.+)$", self.said, re.MULTILINE)

    def row(self, example: str) -> str:
        """An example's row of the table."""
        rows = [line for line in self.said.splitlines() if line.split(" ")[0] == example]
        assert len(rows) == 1, self.said
        return rows[0]


def run_demo(directory: Path, *options: str, path: str | None = None) -> Demo:
    """Run the command with a HOME and a directory for temporary files in which there is nothing."""
    environment = {**os.environ, "COLUMNS": "120", "PATH": os.environ["PATH"] if path is None else path}
    for variable in ("HOME", "TMPDIR"):
        (directory / variable).mkdir()
        environment[variable] = str(directory / variable)
    finished = subprocess.run(
        [sys.executable, "-m", "seatrial", "demo", *options],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    left = [one for variable in ("HOME", "TMPDIR") for one in (directory / variable).iterdir()]
    return Demo(finished.returncode, finished.stdout, finished.stderr, left)


def assert_both_agree(demo: Demo) -> None:
    assert demo.exit_code == 0, demo.said
    assert len(demo.predictions) == 2
    assert len(set(demo.predictions)) == 1
    assert re.fullmatch(r"(setosa, ){5}… \(30 in all\)", demo.predictions[0])
    for example in (CLASSIC, OURS):
        assert re.fullmatch(f"{example} +{TIMINGS} *", demo.row(example))
    assert demo.said.splitlines()[-1] == "the predictions are identical"
    assert "error[" not in demo.said
    assert "accuracy" in demo.log


def path_without(program: str) -> str:
    """PATH less the directories that hold a program."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not (Path(folder) / program).exists())


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_demo_shows_that_both_containers_predict_the_same(tmp_path: Path) -> None:
    demo = run_demo(tmp_path)

    assert_both_agree(demo)
    assert demo.left == []


def test_demo_without_nginx_says_so_and_runs_the_container_that_needs_none(tmp_path: Path) -> None:
    demo = run_demo(tmp_path, "--quiet", path=path_without("nginx"))

    assert demo.exit_code == 0, demo.said
    assert demo.said.count("skipped:") == 1
    assert f"skipped: {CLASSIC} needs the program nginx, not installed here\n" in demo.said
    assert len(demo.predictions) == 1
    assert re.fullmatch(f"{OURS} +{TIMINGS} *", demo.row(OURS))
    assert "identical" not in demo.said
    assert demo.log == ""
    assert demo.left == []


@pytest.fixture
def images_replaced() -> Iterator[None]:
    """The images stay, for their layers; those that lose their names to them go."""
    import docker

    with contextlib.closing(docker.from_env()) as client:
        older = {tag: image.id for image in client.images.list() for tag in image.tags if tag in IMAGES}
        yield
        for tag, identifier in older.items():
            if client.images.get(tag).id != identifier and not client.images.get(identifier).tags:
                with contextlib.suppress(docker.errors.APIError):  # somebody runs it
                    client.images.remove(identifier)


@pytest.mark.docker
@pytest.mark.usefixtures("images_replaced")
def test_demo_with_docker_builds_both_images_and_they_predict_the_same(tmp_path: Path) -> None:
    demo = run_demo(tmp_path, "--engine", "docker")

    assert_both_agree(demo)
    assert list((tmp_path / "TMPDIR").iterdir()) == []  # what builds the wheel leaves its notes in HOME

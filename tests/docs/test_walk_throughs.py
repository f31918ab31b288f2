"""What the pages tell a reader to type works, and prints what they say."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

import pytest
import walk_through
from source_tree import DOCS, REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    *sorted((DOCS / "tutorial").glob("*.md")),
    *sorted((DOCS / "how-to").glob("*.md")),
]
COMMANDS = [
    (page, step.text)
    for page in [*PAGES, REPOSITORY / "CONTRIBUTING.md"]
    for step in walk_through.read_steps(page)
    if isinstance(step, walk_through.Command)
]


def _name(value: Path | str) -> str:
    return value.relative_to(REPOSITORY).as_posix() if isinstance(value, Path) else value


def _is_run(page: Path) -> bool:
    return any(
        isinstance(step, walk_through.Command) and walk_through.NOT_RUN.match(step.text) is None
        for step in walk_through.read_steps(page)
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", [page for page in PAGES if _is_run(page)], ids=_name)
def test_walk_through_typed_as_written_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")

    walk_through.run(walk_through.read_steps(page), tmp_path)


@pytest.mark.parametrize(("page", "text"), [entry for entry in COMMANDS if entry[1].startswith("make ")], ids=_name)
def test_make_target_on_a_page_exists(page: Path, text: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *text.split()[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "text"), [entry for entry in COMMANDS if "pip install" in entry[1]], ids=_name)
def test_extra_in_a_pip_command_exists(page: Path, text: str) -> None:
    known = set(metadata.metadata("seatrial").get_all("Provides-Extra") or ())
    named = {extra for part in text.split("[")[1:] for extra in part.split("]")[0].split(",")}

    assert named <= known


def test_tour_of_the_readme_has_the_two_commands() -> None:
    typed = [text for page, text in COMMANDS if page.name == "README.md"]

    assert {"make demo", "make test"} <= set(typed)

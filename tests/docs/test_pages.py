"""Links resolve, named files exist, generated pages cover the commands, fragments have their names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from source_tree import DOCS, REPOSITORY

from seatrial.cli.main import cli

PAGES = sorted(
    {
        *REPOSITORY.glob("*.md"),
        *(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
        *REPOSITORY.glob("changelog.d/*.md"),
        *REPOSITORY.glob(".github/**/*.md"),
        *REPOSITORY.glob("examples/*/README.md"),
        *REPOSITORY.glob("benchmarks/*.md"),
    }
)
ARCHITECTURE = REPOSITORY / "ARCHITECTURE.md"

_BUILD = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d"]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_FRAGMENT = re.compile(r"\d+\.(breaking|feature|bugfix|deprecation|doc|internal)(\.\d+)?\.md")


def _name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def _anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_to_files_and_headings_resolve(page: Path) -> None:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in (match["target"] for match in _LINK.finditer(text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_pages_have_no_address_of_this_machine_and_no_trailing_space(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"(?:/root|/home/\w+|/Users/\w+)/\S*", text) == []
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent == REPOSITORY or DOCS in page.parents], ids=_name
)
def test_lines_outside_of_code_fit_120_columns(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)

    assert [line for line in text.splitlines() if len(line) > 120] == []


def test_architecture_names_only_files_that_exist() -> None:
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w.-]+\.(?:py|toml|md|txt))`", ARCHITECTURE.read_text("utf-8")))
    # A path is written from the root, or from src/seatrial; /opt/ml/… are the container's.
    missing = [
        path
        for path in sorted(named)
        if not (REPOSITORY / path).exists() and not (REPOSITORY / "src" / "seatrial" / path).exists()
    ]

    assert missing == []


def test_architecture_has_a_line_for_every_package() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    packages = [
        path.parent.relative_to(REPOSITORY / "src" / "seatrial").as_posix()
        for path in (REPOSITORY / "src" / "seatrial").glob("*/__init__.py")
    ]

    assert [package for package in packages if f"`{package}/`" not in text] == []


def _commands(group: click.Group, context: click.Context) -> dict[str, click.Command]:
    return {name: command for name in group.list_commands(context) if (command := group.get_command(context, name))}


def test_every_option_of_every_command_has_help() -> None:
    """The reference of the commands is drawn from these texts."""
    with click.Context(cli) as context:
        silent = [
            f"{name} {parameter.opts[0]}"
            for name, command in {"seatrial": cli, **_commands(cli, context)}.items()
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.help
        ]

    assert silent == []


def test_reference_of_the_commands_is_drawn_from_the_code() -> None:
    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")

    assert "click:: seatrial.cli.main:cli" in text
    assert ":nested: full" in text


def test_every_page_below_docs_is_reached_from_the_index() -> None:
    """Sphinx warns too; this test needs no build."""
    indexes = "\n".join(path.read_text("utf-8") for path in (DOCS / "index.md", DOCS / "decisions" / "index.md"))
    pages = [path for path in DOCS.rglob("*.md") if "_build" not in path.parts and path.name != "index.md"]

    lost = [
        _name(page)
        for page in pages
        if page.relative_to(DOCS).with_suffix("").as_posix() not in indexes and page.parent.name != "decisions"
    ]
    assert lost == []


def test_change_fragments_are_named_by_issue_and_type() -> None:
    fragments = [path.name for path in (REPOSITORY / "changelog.d").iterdir() if path.name != "README.md"]

    assert [name for name in fragments if _FRAGMENT.fullmatch(name) is None] == []
    assert fragments


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    sphinx = pytest.importorskip("sphinx.cmd.build", reason="the documentation tools are not installed")
    del sphinx
    done = subprocess.run(
        [*_BUILD, tmp_path / "doctrees", DOCS, tmp_path / "html"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )

    assert done.returncode == 0, done.stderr

"""What is laid out for stdout: it fits a terminal, is whole in a pipe, and cannot drive either."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli import jobs
from seatrial.cli._page import Page

HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\rgone\x9b1m\u202e"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def narrow_terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 40) -> None:
    """From here on; pytest has a stdout of its own for a test's setup."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")


def sample(name: str, value: str) -> Page:
    page = Page()
    page.heading(name)
    page.pairs({name: value})
    page.table(("NAME", "STATUS"), [(name, ("Failed", "red"))], indent=2)
    return page


def test_pipe_gets_long_values_on_one_line_without_colours() -> None:
    page = sample("n" * 63, "v" * 500)

    assert [line for line in page.text().splitlines() if "v" * 500 in line]
    assert "\x1b" not in page.text()
    assert f"  {'n' * 63}  Failed\n" in page.text()


def test_terminal_gets_no_line_longer_than_itself_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow_terminal(monkeypatch)
    page = Page()
    page.table(("NAME", "STATUS", "WHY"), [("x" * 30, "InProgress", "because " * 9)])

    assert max(map(len, page.text().splitlines())) <= 40
    assert page.text().count("x") == 30
    assert page.text().count("because") == 9
    assert "InProgress" in page.text()


JOBS = [
    ("n" * 59, ("Completed", "green"), "Completed", "Nov 23 14:22", "3m 20s"),
    *((f"job-{number}", "InProgress", "Training", "Nov 23 14:22", "1.4 s") for number in range(50)),
]


@pytest.mark.parametrize(
    ("columns", "headings"),
    [(120, ["NAME", "STATUS", "SECONDARY", "CREATED", "DURATION"]), (90, ["NAME", "STATUS", "CREATED"]), (80, None)],
)
def test_names_of_jobs_are_whole_in_a_terminal_of_any_width(
    monkeypatch: pytest.MonkeyPatch, columns: int, headings: list[str] | None
) -> None:
    narrow_terminal(monkeypatch, columns)
    page = Page()
    page.table(jobs._COLUMNS, JOBS, optional=jobs._OPTIONAL_COLUMNS)

    lines = page.text().splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].split() == (headings or ["NAME", "STATUS"])
    assert {row[0] for row in JOBS} <= {line.split()[0] for line in lines}


@pytest.mark.parametrize("columns", [30, 40, 56])
def test_row_that_is_too_wide_becomes_a_block(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    narrow_terminal(monkeypatch, columns)
    page = Page()
    page.table(jobs._COLUMNS, JOBS, optional=jobs._OPTIONAL_COLUMNS)

    lines = page.text().splitlines()
    assert max(map(len, lines)) <= columns
    assert "".join(lines[:2]).startswith("n" * 59) or "".join(lines[:3]).startswith("n" * 59)
    assert lines.count("job-7") == 1
    assert lines[lines.index("job-7") + 1 :][:4] == [
        "  STATUS     InProgress",
        "  SECONDARY  Training",
        "  CREATED    Nov 23 14:22",
        "  DURATION   1.4 s",
    ]


@pytest.mark.parametrize("columns", [30, 40, 56])
def test_name_of_a_pair_is_never_broken_and_its_value_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    narrow_terminal(monkeypatch, columns)
    page = Page()
    page.pairs({"TrainingJobStatus": "Failed", "S3OutputPath": "s3://" + "b" * 99})

    lines = page.text().splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0] == "  TrainingJobStatus  Failed"
    assert lines[1].startswith("  S3OutputPath")
    assert "".join(line.strip() for line in lines[1:]).count("b") == 99


def test_text_with_escape_sequences_reaches_the_terminal_without(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow_terminal(monkeypatch)
    page = sample(HOSTILE, HOSTILE)
    page.log([HOSTILE.replace("\x1b[31m", "").replace("\x1b[0m", "")])

    assert not set("\x1b\x07\r\x9b\u202e") & set(page.text())


@given(st.text(), st.text())
def test_no_line_ends_with_spaces_whatever_is_shown(name: str, value: str) -> None:
    assert all(line == line.rstrip() for line in sample(name, value).text().split("\n"))

"""What is laid out for stdout: it fits a terminal, is whole in a pipe, and cannot drive either."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.cli._page import Page

HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\rgone\x9b1m"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on; pytest has a stdout of its own for a test's setup."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "40")
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


def test_text_with_escape_sequences_reaches_the_terminal_without(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow_terminal(monkeypatch)
    page = sample(HOSTILE, HOSTILE)
    page.log([HOSTILE.replace("\x1b[31m", "").replace("\x1b[0m", "")])

    assert not set("\x1b\x07\r\x9b") & set(page.text())


@given(st.text(), st.text())
def test_no_line_ends_with_spaces_whatever_is_shown(name: str, value: str) -> None:
    assert all(line == line.rstrip() for line in sample(name, value).text().split("\n"))

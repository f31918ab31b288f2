"""What is printed: aligned, and unable to drive a terminal."""

import io
import json
import sys
from collections.abc import Callable

import pytest

from seatrial.cli._output import Output, errors_page, without_controls
from seatrial.core.errors import ContractError

HOSTILE = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\rgone\x9b1m\u202e\u2066\u200f"
HARMLESS = "red ]0;title[2Jgone1m"


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal and keeps what is written."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


def shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, show: Callable[[Output], None], kind: str = "dumb") -> str:
    """What one terminal for stdout and stderr receives; a dumb one without colours of our own."""
    terminal = Terminal()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", terminal)
        patched.setattr(sys, "stderr", terminal)
        patched.setenv("TERM", kind)
        show(Output())
    return terminal.text()


def show_error(out: Output) -> None:
    out.error(ContractError("slug", HOSTILE, where=HOSTILE, found=HOSTILE, expected=HOSTILE, fix=HOSTILE))


@pytest.mark.parametrize(
    "show",
    [
        lambda out: out.say(HOSTILE),
        lambda out: out.pairs({"FailureReason": HOSTILE}),
        lambda out: out.pairs({HOSTILE: "value"}),
        lambda out: out.table(HOSTILE, (HOSTILE,), [(HOSTILE,)]),
        lambda out: out.result({HOSTILE: HOSTILE}),
        show_error,
    ],
)
def test_text_with_escape_sequences_reaches_the_terminal_without(
    monkeypatch: pytest.MonkeyPatch, show: Callable[[Output], None]
) -> None:
    shown = shown_on_a_terminal(monkeypatch, show)

    assert HARMLESS in shown or json.dumps(HOSTILE) in shown
    assert not set("\x1b\x07\r\x9b\u202e\u2066\u200f") & set(shown)


@pytest.mark.parametrize(
    "show",
    [
        lambda out: out.log_line("\x1b[31mred\x1b[2J"),
        lambda out: out.body(b"\x1b[31mred\x1b[2J"),
        lambda out: out.last_lines(["\x1b[31mred\x1b[2J"]),
    ],
)
def test_colours_of_a_log_stay_and_end_with_their_line(
    monkeypatch: pytest.MonkeyPatch, show: Callable[[Output], None]
) -> None:
    shown = shown_on_a_terminal(monkeypatch, show, "xterm")

    assert "\x1b[31mred" in shown
    assert "[2J" in shown
    assert "\x1b[2J" not in shown
    assert shown.endswith("\x1b[0m\n")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (" 10%\r 50%\r100%", "100%"),
        ("with the line end of Windows\r", "with the line end of Windows"),
        ("\r 10%\r\x1b[32m100%\x1b[0m\r\r", "\x1b[32m100%\x1b[0m"),
        ("gpj.\u202eexe\u2066\u2069", "gpj.exe"),
        ("", ""),
    ],
)
def test_log_line_shows_what_a_terminal_would_leave_of_it(line: str, left: str) -> None:
    assert without_controls(line) == left


def test_pairs_of_several_lines_stay_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    Output().pairs({"FailureReason": "AlgorithmError: a\n  b\r\nc, exit code: 1", "Model": "m", "Empty": ""})

    assert capsys.readouterr().err.splitlines() == [
        "  FailureReason  AlgorithmError: a",
        "                   b",
        "                 c, exit code: 1",
        "  Model          m",
        "  Empty          ",
    ]


def test_texts_with_square_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.say("[bold]say[/]")
    out.pairs({"name": "[red]value"})
    out.table("[b]title", ("[i]column",), [("[/]cell",)])

    shown = capsys.readouterr().err
    assert all(text in shown for text in ("[bold]say[/]", "[red]value", "[b]title", "[i]column", "[/]cell"))


def test_error_leads_to_its_section_of_a_page_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(Output())

    page = errors_page()
    assert page is not None
    assert page.is_absolute()
    assert "### container-not-chosen" in page.read_text()
    assert f"  see       {page}#slug" in capsys.readouterr().err.splitlines()


def test_error_without_a_page_leads_nowhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.cli._output.errors_page", lambda: None)
    show_error(Output())

    assert "see" not in capsys.readouterr().err


def test_body_on_a_terminal_ends_with_a_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown_on_a_terminal(monkeypatch, lambda out: out.body(b"1\n2")) == "1\n2\n"


def test_body_where_stderr_is_elsewhere_is_exact_and_leaves_stderr_alone(capsysbinary) -> None:  # noqa: ANN001
    Output().body(b"\x00\xff2")

    assert capsysbinary.readouterr() == (b"\x00\xff2", b"")

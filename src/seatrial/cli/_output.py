"""The only place that prints.

What a container prints goes to stdout; what Seatrial says goes to stderr. On a terminal a line below the log shows the
phase and the time it has taken; in a pipe each phase is a plain line.

Texts come from containers, servers and files, so whatever is printed is made harmless here: ``plain`` for what Seatrial
says, ``without_controls`` for logs, which keep their colours. A stream that nobody reads any more never ends a command
whose work is something else: its lines are dropped. It does end one that was run for what it prints, with
``BrokenPipeError``.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

import seatrial
from seatrial.cli._streams import are_one_file, print_product, steady
from seatrial.core.errors import SeatrialError

_CONTROL = re.compile(
    r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # a text with these can show another one: CVE-2021-42574
)
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 8


def without_controls(line: str) -> str:
    """``line`` with colours kept and every other control character dropped, so that a log cannot drive the terminal.

    Of a progress bar, which returns to the beginning of its line again and again, the last state is left.
    """
    shown = line.rstrip("\r").rpartition("\r")[2]
    return _CONTROL.sub(lambda match: match[0] if len(match[0]) > 1 else "", shown)


def plain(text: str) -> str:
    """``text`` without colours, control characters and changes of the writing direction; line ends and tabs stay."""
    return _CONTROL.sub("", text)


def errors_page() -> Path | None:
    """The page of errors that an installed package carries, or the one of the source tree; ``None`` without either."""
    package = Path(seatrial.__file__).resolve().parent
    pages = (package / "errors.md", package.parents[1] / "docs/reference/errors.md")
    return next((page for page in pages if page.is_file()), None)


class _PhaseLine:
    """The line below the log: a spinner, the phase, the seconds it has taken; drawn anew several times a second."""

    def __init__(self, phase: str, started: float) -> None:
        self._phase = phase
        self._started = started

    def __rich__(self) -> Text:
        seconds = time.monotonic() - self._started
        frame = _FRAMES[int(seconds * _FRAMES_PER_SECOND) % len(_FRAMES)]
        return Text.assemble((frame, "cyan"), f" {self._phase} ", (f"{seconds:.1f} s", "dim"))


class Output:
    """Prints for one command; a context manager that leaves the terminal as it was.

    Args:
        is_quiet: Leave out the container's log and the phases.
        is_json: stdout is kept for one JSON document, so the container's log goes to stderr.
    """

    def __init__(self, *, is_quiet: bool = False, is_json: bool = False) -> None:
        self._is_quiet = is_quiet
        self._log = steady(sys.stderr if is_json else sys.stdout)
        self._console = Console(file=steady(sys.stderr), highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end_live()

    def phase(self, name: str) -> None:
        """Say that a new phase has begun."""
        if self._is_quiet:
            return
        with self._lock:
            if not self._console.is_terminal:
                self._print(f"[{time.monotonic() - self._started:6.1f} s] {name}")
                return
            line = _PhaseLine(plain(name), time.monotonic())
            if self._live is None:
                self._live = Live(
                    line, console=self._console, transient=True, refresh_per_second=_FRAMES_PER_SECOND,
                    redirect_stdout=False, redirect_stderr=False,
                )  # fmt: skip
                self._live.start()
            else:
                self._live.update(line)

    def log_line(self, line: str) -> None:
        """One line of a container's output: made harmless on a terminal, untouched in a pipe."""
        if self._is_quiet:
            return
        with self._lock:
            if not self._log.isatty():
                self._log.write(f"{line}\n")
                self._log.flush()
            elif self._live is not None:
                self._console.print(Text.from_ansi(without_controls(line)))
            else:
                self._log.write(_ending_its_colours(without_controls(line)))

    def say(self, text: str) -> None:
        """A sentence to the user."""
        self._end_live()
        self._print(text)

    def pairs(self, rows: Mapping[str, str]) -> None:
        """Names and values, one pair a line, values aligned, further lines of a value below its first."""
        self._end_live()
        width = max((len(plain(name)) for name in rows), default=0)
        for name, value in rows.items():
            first, *others = plain(value).rstrip("\n").split("\n")
            self._print("  ", (plain(name).ljust(width), "dim"), f"  {first}")
            for line in others:
                self._print(f"  {'':{width}}  {line}")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table that fits the terminal; the first column is a name, the others are right-aligned."""
        self._end_live()
        table = Table(title=Text(plain(title)), title_justify="left", box=None, pad_edge=False, header_style="dim")
        for index, column in enumerate(columns):
            table.add_column(Text(plain(column)), justify="left" if index == 0 else "right")
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        self._console.print(table, soft_wrap=False)

    def result(self, document: Mapping[str, object]) -> None:
        """The one JSON document of a command run with ``--json``."""
        self._end_live()
        print_product(f"{json.dumps(document, indent=2)}\n".encode())

    def product(self, text: str) -> None:
        """What the command was run for, as text that is harmless already."""
        self._end_live()
        print_product(text.encode(sys.stdout.encoding, errors="replace"))

    def product_line(self, line: str) -> None:
        """One line of a container's output that the command was run for; see ``log_line``."""
        self._end_live()
        text = _ending_its_colours(without_controls(line)) if sys.stdout.isatty() else f"{line}\n"
        print_product(text.encode(sys.stdout.encoding, errors="replace"))

    def body(self, body: bytes) -> None:
        """The body of an HTTP answer, byte for byte; on a terminal made harmless and ended with a line end.

        Where stdout and stderr are one pipe or file, what is said next begins on a line of its own.
        """
        self._end_live()
        if sys.stdout.isatty():
            lines = body.decode("utf-8", errors="replace").splitlines()
            text = "".join(_ending_its_colours(without_controls(line)) for line in lines)
            body = text.encode(sys.stdout.encoding, errors="replace")
        print_product(body)
        if body and not body.endswith(b"\n") and are_one_file(sys.stdout, sys.stderr):
            self._print()

    def last_lines(self, lines: Sequence[str]) -> None:
        """The end of a failed container's output."""
        self._end_live()
        if not lines:
            self._print(("the container printed nothing", "dim"))
            return
        count = "the last line" if len(lines) == 1 else f"the last {len(lines)} lines"
        self._print((f"{count} of the container's output:", "dim"))
        for line in lines:
            self._console.print(Text.assemble(("  │ ", "dim"), Text.from_ansi(without_controls(line))))

    def error(self, error: SeatrialError) -> None:
        """What is wrong, where, what was found and expected, and what to do about it."""
        self._end_live()
        self._print((f"error[{error.code}]", "bold red"), f": {error.what}")
        page = errors_page()
        see = f"{page}#{error.code}" if page else None
        rows = {"in": error.where, "found": error.found, "expected": error.expected, "fix": error.fix, "see": see}
        self.pairs({name: text for name, text in rows.items() if text})

    def _print(self, *parts: str | tuple[str, str]) -> None:
        """A line to the user, made of texts and of texts with a style."""
        styled = ((part, "") if isinstance(part, str) else part for part in parts)
        self._console.print(Text.assemble(*((plain(text), style) for text, style in styled)))

    def _end_live(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()


def _ending_its_colours(line: str) -> str:
    return f"{line}\x1b[0m\n" if "\x1b" in line else f"{line}\n"

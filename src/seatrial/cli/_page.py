"""Text for stdout in sections and tables, laid out for the terminal; in a pipe no line is broken.

Whatever is put on a page is made harmless by ``plain``; lines of a container's log keep their colours.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seatrial.cli._output import plain, without_controls

Cell: TypeAlias = "str | tuple[str, str]"
"""A text, or a text and its style."""

_PIPE_WIDTH = 1_000_000


class Page:
    """Collects what one command prints on stdout; ``Output.page`` prints it."""

    def __init__(self) -> None:
        is_terminal = sys.stdout.isatty()
        self._file = io.StringIO()
        size = shutil.get_terminal_size()
        self._console = Console(
            file=self._file,
            width=size.columns if is_terminal else _PIPE_WIDTH,
            height=size.lines,  # without one, the width counts for nothing where TERM is dumb
            force_terminal=is_terminal,
            highlight=False,
        )

    def heading(self, text: str) -> None:
        """A title, with an empty line before it unless it is the first."""
        if self._file.tell():
            self._print(Text())
        self._print(Text(plain(text), style="bold"))

    def pairs(self, rows: Mapping[str, Cell]) -> None:
        """Names and values, indented; a long value is broken below its beginning."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for name, value in rows.items():
            table.add_row(Text(f"  {plain(name)}", style="dim"), _text(value))
        self._print(table)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, indent: int = 0) -> None:
        """A table under headings; where it is too wide, cells of its first and last column are broken."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
        for index, column in enumerate(columns):
            is_broken = index in {0, len(columns) - 1}
            table.add_column(
                Text(f"{'' if index else ' ' * indent}{plain(column)}"), overflow="fold", no_wrap=not is_broken
            )
        for first, *others in rows:
            table.add_row(Text.assemble(" " * indent, _text(first)), *map(_text, others))
        self._print(table)

    def log(self, lines: Iterable[str]) -> None:
        """Lines of a container, behind a bar."""
        for line in lines:
            text = Text.assemble(("  │ ", "dim"), Text.from_ansi(without_controls(line)))
            self._console.print(text, soft_wrap=True)

    def text(self) -> str:
        """The page; no line ends with spaces."""
        return "".join(f"{line.rstrip()}\n" for line in self._file.getvalue().splitlines())

    def _print(self, what: Text | Table) -> None:
        self._console.print(what)


def _text(cell: Cell) -> Text:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return Text(plain(text), style=style)

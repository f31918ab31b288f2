"""Text for stdout in sections and tables, laid out for the terminal; in a pipe no line is broken.

Whatever is put on a page is made harmless by ``plain``; lines of a container's log keep their colours.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seatrial.cli._columns import GAP, fitting_columns, value_goes_below
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

    def pairs(self, rows: Mapping[str, Cell], *, indent: int = 2) -> None:
        """Names and values, indented. A name is never broken; a long value is, beside its name or below it."""
        names = {name: Text(f"{' ' * indent}{plain(name)}", style="dim") for name in rows}
        label_width = max((_width(label) for label in names.values()), default=0)
        for name, value in rows.items():
            label, text = names[name], _text(value)
            if value_goes_below(label_width, _width(text), self._console.width):
                self._print(label)
                self._print(Padding(text, (0, 0, 0, indent + GAP)))
            else:
                self._print_row(label, text, label_width)

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        indent: int = 0,
        optional: Sequence[str] = (),
        folding: str | None = None,
    ) -> None:
        """A table under headings; where its columns do not fit side by side, a block of lines for each row.

        Args:
            columns: Headings; the first column is what the row is of.
            rows: Cells.
            indent: Empty places before each line.
            optional: Columns that are left out where they do not fit, the first of them first.
            folding: The column whose cells are broken where they do not fit.
        """
        cells = [[_text(cell) for cell in row] for row in rows]
        headings = [Text(plain(column)) for column in columns]
        kept = fitting_columns(
            [max(map(_width, column)) for column in zip(headings, *cells, strict=True)],
            self._console.width - indent,
            optional=[columns.index(one) for one in optional],
            folding=None if folding is None else columns.index(folding),
        )
        if kept is None:
            self._blocks(columns, cells, indent)
            return
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim", show_edge=False)
        for index in kept:
            table.add_column(headings[index], overflow="fold", no_wrap=columns[index] != folding)
        for row in cells:
            table.add_row(*(row[index] for index in kept))
        self._print(Padding(table, (0, 0, 0, indent)))

    def _blocks(self, columns: Sequence[str], rows: Iterable[Sequence[Text]], indent: int) -> None:
        for first, *others in rows:
            self._print(Padding(first, (0, 0, 0, indent)))
            named = {name: (cell.plain, str(cell.style)) for name, cell in zip(columns[1:], others, strict=True)}
            self.pairs({name: cell for name, cell in named.items() if cell[0]}, indent=indent + GAP)

    def log(self, lines: Iterable[str]) -> None:
        """Lines of a container, behind a bar."""
        for line in lines:
            text = Text.assemble(("  │ ", "dim"), Text.from_ansi(without_controls(line)))
            self._console.print(text, soft_wrap=True)

    def text(self) -> str:
        """The page; no line ends with spaces."""
        return "".join(f"{line.rstrip()}\n" for line in self._file.getvalue().splitlines())

    def _print_row(self, label: Text, value: Text, label_width: int) -> None:
        table = Table.grid(padding=(0, GAP, 0, 0))
        table.add_column(width=label_width, no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row(label, value)
        self._print(table)

    def _print(self, what: Text | Table | Padding) -> None:
        self._console.print(what, overflow="fold")


def _text(cell: Cell) -> Text:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return Text(plain(text), style=style)


def _width(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))

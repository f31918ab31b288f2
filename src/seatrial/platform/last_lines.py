"""The end of a container's output, kept while the output passes by: a failure shows it."""

from __future__ import annotations

import collections
from collections.abc import Callable

LAST_LINES_COUNT = 20
"""How many lines a failure shows."""


class LastLines:
    """Passes lines on and remembers the last ones; call it with each line."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._lines: collections.deque[str] = collections.deque(maxlen=LAST_LINES_COUNT)

    def __call__(self, line: str) -> None:
        self._lines.append(line)
        self._on_line(line)

    def lines(self) -> tuple[str, ...]:
        """The last lines so far, oldest first."""
        return tuple(self._lines)

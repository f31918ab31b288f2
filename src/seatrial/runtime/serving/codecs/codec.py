"""What a codec is, the two forms of data it can give, and the error of a body that breaks its content type."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seatrial.core.errors import RequestError


class DataForm(enum.Enum):
    """What ``predict_fn`` takes as its data."""

    NUMPY = "numpy"
    """A ``numpy.ndarray``, its first axis the records."""
    DATAFRAME = "dataframe"
    """A ``pandas.DataFrame``, one row a record; the only form in which columns differ in type."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One content type in both directions."""

    media_types: tuple[str, ...]
    """Lower case, without parameters. The first is SageMaker's name; the others are read and written the same way."""
    decode: Callable[[bytes, DataForm], Any]
    """Raises ``MalformedBodyError`` and nothing else. Text arrives as UTF-8 without a byte order mark."""
    encode: Callable[[Any], bytes]
    """Raises ``UserCodeError`` ``prediction-not-encodable`` and nothing else of its own. ``None`` never arrives."""
    is_text: bool
    """Whether the ``charset`` parameter of a Content-Type means something."""


class MalformedBodyError(RequestError):
    """A request body breaks its content type (HTTP 400).

    Args:
        line: From 1, where the content type has lines.
        column: From 1: the field in ``text/csv``, the character in JSON.
        where: For what has no lines, such as ``record 3``; otherwise made of line and column.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        line: int | None = None,
        column: int | None = None,
        where: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        if where is None and line is not None:
            where = f"line {line}" if column is None else f"line {line}, column {column}"
        super().__init__(code, what, where=where, found=found, expected=expected, fix=fix)
        self.line = line
        self.column = column


_EXCERPT_CHARACTERS = 40

USE_A_DATAFRAME = "annotate predict_fn's data as pandas.DataFrame, or write input_fn"
"""The way out for data that one matrix of numbers cannot hold."""


def excerpt(value: object) -> str:
    """Quote what was found, cut to a length that fits a sentence."""
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
    quoted = repr(text[:_EXCERPT_CHARACTERS])
    return quoted if len(text) <= _EXCERPT_CHARACTERS else f"{quoted[:-1]}…{quoted[-1]}"

"""Records and fields of a CSV body, found without reading the fields.

A comma or newline separates where it stands outside quotes. RFC 4180 writes a quote inside a quoted field twice, so a
byte is inside quotes exactly when an odd number of quotes precede it; that is one cumulative sum over the body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seatrial.runtime.serving.codecs.charsets import check_utf8
from seatrial.runtime.serving.codecs.codec import USE_A_DATAFRAME, MalformedBodyError, excerpt

_COMMA, _LF, _CR, _QUOTE = b',\n\r"'
_BEFORE_A_FIELD = np.isin(np.arange(256), [_COMMA, _LF, _QUOTE])
_AFTER_A_FIELD = np.isin(np.arange(256), [_COMMA, _LF, _CR, _QUOTE])

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def first_line(body: bytes) -> bytes:
    end = body.find(b"\n")
    return body if end < 0 else body[:end]


def is_rectangular(lines: bytes, width: int) -> bool:
    """Whether each line without quotes has ``width`` fields; ``lines`` does not end with a newline."""
    data = np.frombuffer(lines, np.uint8)
    separators = data[(data == _COMMA) | (data == _LF)]
    if (len(separators) + 1) % width:
        return False
    ends = separators[width - 1 :: width]
    return bool((ends == _LF).all()) and int(np.count_nonzero(separators == _LF)) == len(ends)


def unquoted_numbers(body: bytes) -> bytes:
    """Take the quotes off fields that hold numbers.

    Raises:
        MalformedBodyError: a quote is out of place, or a quoted field holds what no number has.
    """
    data = np.frombuffer(body, np.uint8)
    inside = _inside_quotes(body, data)
    _check_quotes(body, data, inside)
    strange = inside & ((data == _COMMA) | (data == _LF))
    strange[1:] |= _opens(data, inside)[1:] & _closes(data, inside)[:-1]
    if strange.any():
        line, column = _place(data, inside, int(strange.argmax()))
        raise MalformedBodyError(
            "malformed-body",
            "a field is not a number",
            line=line,
            column=column,
            found="quoted text",
            expected="a number",
            fix=USE_A_DATAFRAME,
        )
    return body.translate(None, b'"')


@dataclass(frozen=True, slots=True)
class Shape:
    record_count: int
    field_count: int


def checked_shape(body: bytes) -> Shape:
    """Count records and fields of a body that is not empty.

    Raises:
        MalformedBodyError: the text is not UTF-8, a quote is out of place, a line is empty or a record's width differs
            from the first's.
    """
    check_utf8(body)
    data = np.frombuffer(body, np.uint8)
    _check_line_ends(body, data)
    inside = _inside_quotes(body, data)
    _check_quotes(body, data, inside)
    ends = np.flatnonzero((data == _LF) & ~inside)
    if not body.endswith(b"\n") or inside[-1]:
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends[:-1] + 1))
    _check_no_blank_line(data, starts, ends)
    commas = np.flatnonzero((data == _COMMA) & ~inside)
    widths = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
    uneven = np.flatnonzero(widths != widths[0])
    if len(uneven):
        first = int(uneven[0])
        raise ragged(_line_number(data, int(starts[first])), int(widths[first]), int(widths[0]))
    return Shape(len(ends), int(widths[0]))


def ragged(line: int, found: int, expected: int) -> MalformedBodyError:
    return MalformedBodyError(
        "malformed-body",
        "a record's number of fields differs from the first record's",
        line=line,
        column=min(found, expected) + 1,
        found=_count(found),
        expected=_count(expected),
    )


def blank_line(line: int) -> MalformedBodyError:
    return MalformedBodyError(
        "malformed-body",
        "a line is empty",
        line=line,
        column=1,
        found="nothing",
        expected="a record",
        fix="end the body with at most one newline",
    )


def _count(fields: int) -> str:
    return f"{fields} field" if fields == 1 else f"{fields} fields"


def _inside_quotes(body: bytes, data: Bytes) -> Mask:
    """Which bytes lie inside quotes; an opening quote does not, the closing one does."""
    if b'"' not in body:
        return np.zeros(len(data), np.bool_)
    quotes = data == _QUOTE
    before = np.cumsum(quotes, dtype=np.uint8) - quotes  # wraps at 256, which is even
    inside: Mask = (before & 1).astype(np.bool_)
    return inside


def _opens(data: Bytes, inside: Mask) -> Mask:
    opens: Mask = (data == _QUOTE) & ~inside
    return opens


def _closes(data: Bytes, inside: Mask) -> Mask:
    closes: Mask = (data == _QUOTE) & inside
    return closes


def _check_quotes(body: bytes, data: Bytes, inside: Mask) -> None:
    if b'"' not in body:
        return
    opens = _opens(data, inside)
    before = np.concatenate((np.array([_LF], np.uint8), data[:-1]))
    after = np.concatenate((data[1:], np.array([_LF], np.uint8)))
    misplaced = (opens & ~_BEFORE_A_FIELD[before]) | (_closes(data, inside) & ~_AFTER_A_FIELD[after])
    if misplaced.any():
        raise _bad_quote(
            data, inside, int(misplaced.argmax()), "a quote stands inside a field", 'a quote in a quoted field as ""'
        )
    if body.count(b'"') % 2:
        last = int(np.flatnonzero(opens)[-1])
        raise _bad_quote(data, inside, last, "a quoted field has no end", 'a closing "')


def _bad_quote(data: Bytes, inside: Mask, offset: int, what: str, expected: str) -> MalformedBodyError:
    line, column = _place(data, inside, offset)
    found = excerpt(data[offset : offset + 80].tobytes())
    return MalformedBodyError("malformed-body", what, line=line, column=column, found=found, expected=expected)


def _check_line_ends(body: bytes, data: Bytes) -> None:
    if body.count(b"\r") == body.count(b"\r\n"):
        return
    returns = data == _CR
    lone = returns & ~np.append(data[1:] == _LF, False)
    offset = int(lone.argmax())
    raise MalformedBodyError(
        "malformed-body",
        "a carriage return stands alone",
        line=_line_number(data, offset),
        found="CR",
        expected="LF or CRLF",
    )


def _check_no_blank_line(data: Bytes, starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]) -> None:
    lengths = ends - starts
    padded = np.append(data, np.uint8(0))
    blank = np.flatnonzero((lengths == 0) | ((lengths == 1) & (padded[starts] == _CR)))
    if len(blank):
        raise blank_line(_line_number(data, int(starts[blank[0]])))


def _line_number(data: Bytes, offset: int) -> int:
    return int(np.count_nonzero(data[:offset] == _LF)) + 1


def _place(data: Bytes, inside: Mask, offset: int) -> tuple[int, int]:
    """Line and field, both from 1, of a byte."""
    outside = ~inside[:offset]
    record_ends = np.flatnonzero((data[:offset] == _LF) & outside)
    start = int(record_ends[-1]) + 1 if len(record_ends) else 0
    commas = int(np.count_nonzero((data[start:offset] == _COMMA) & outside[start:]))
    return _line_number(data, offset), commas + 1

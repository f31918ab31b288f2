"""``text/csv``: no header row, one line one record, quotes as in RFC 4180, CRLF or LF; a final newline adds no record.

As numbers (``DataForm.NUMPY``) a body becomes one float64 matrix in C order. It is float64 because float32 would round
integers beyond 2**24, such as identifiers, without a word; a model that wants float32 converts. A number is what
Python's ``float`` takes, ASCII only and without ``_``; blanks around it are let through, ``nan`` and ``inf`` (any case,
as ``numpy.savetxt`` writes them) are values, and a number beyond float64's range is infinite. An empty field is an
error, and so is an empty line: skipping it would put every later prediction against the wrong record.

As ``DataForm.DATAFRAME`` a body becomes what ``pandas.read_csv(header=None)`` makes of it (typed columns, an empty
field missing), except that ragged rows and empty lines are errors here too.

How it is fast: a JSON array of numbers and a line of CSV differ only by the brackets, so blocks of lines go through
msgspec's number parser, which is an order of magnitude faster than ``numpy.genfromtxt``. What that parser refuses
(``.5``, ``+1``, ``nan``) goes line by line through ``float``, which also finds the line and column of a fault.
``benchmarks/codecs.py`` has the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from seatrial.runtime.serving.codecs import csv_structure, dataframes
from seatrial.runtime.serving.codecs.codec import USE_A_DATAFRAME, Codec, DataForm, MalformedBodyError, excerpt
from seatrial.runtime.serving.codecs.csv_writer import render_csv

Matrix = npt.NDArray[np.float64]

_BLOCK_BYTES = 65_536
"""Lines are parsed in blocks of about this size, so that the Python numbers between text and matrix stay few."""

_NUMBERS = msgspec.json.Decoder(list[float])


def decode(body: bytes, form: DataForm) -> Any:  # noqa: ANN401 (one of two libraries' types)
    """Decode a body; see above.

    Raises:
        MalformedBodyError: with the line and, for a field, its number as the column.
    """
    if form is DataForm.DATAFRAME:
        return _decode_dataframe(body)
    return decode_matrix(body)


def decode_matrix(body: bytes) -> Matrix:
    """Decode numbers into shape ``(record_count, feature_count)``."""
    if body.find(b"\n", 0, -1) < 0:
        try:
            values = _NUMBERS.decode(b"[%b]" % body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            values = []
        if values:
            return np.array([values])
    if not body or body in (b"\n", b"\r\n"):
        raise _empty()
    if b'"' in body:
        body = csv_structure.unquoted_numbers(body)
    return _decode_blocks(body)


def _decode_blocks(body: bytes) -> Matrix:
    width = csv_structure.first_line(body).count(b",") + 1
    blocks, line = [], 1
    for block in _blocks(body):
        rows = _decode_block(block, width, line)
        blocks.append(rows)
        line += len(rows)
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _blocks(body: bytes) -> Iterator[bytes]:
    """Cut a body at newlines; no block ends with one."""
    start, end = 0, len(body) - body.endswith(b"\n")
    while start <= end:
        cut = end if end - start <= _BLOCK_BYTES else body.find(b"\n", start + _BLOCK_BYTES, end)
        cut = end if cut < 0 else cut
        yield body[start:cut]
        start = cut + 1


def _decode_block(block: bytes, width: int, first_line: int) -> Matrix:
    if csv_structure.is_rectangular(block, width):
        try:
            values = _NUMBERS.decode(b"[%b]" % block.replace(b"\n", b","))
        except (msgspec.DecodeError, UnicodeDecodeError):
            values = []
        if values:
            return np.array(values).reshape(-1, width)
    return np.array([_decode_line(line, width, first_line + i) for i, line in enumerate(block.split(b"\n"))])


def _decode_line(line: bytes, width: int, number: int) -> list[float]:
    fields = line.split(b",")
    if b"_" not in line and len(fields) == width:
        try:
            return [float(field) for field in fields]
        except ValueError:
            pass
    raise _fault(fields, width, number)


def _fault(fields: list[bytes], width: int, line: int) -> MalformedBodyError:
    """Say what is wrong with a line of which something is."""
    if fields in ([b""], [b"\r"]):
        return csv_structure.blank_line(line)
    for column, field in enumerate(fields[:width], 1):
        if not _is_number(field):
            text = field.strip()
            what = "a field is not a number" if text else "a field is empty"
            return MalformedBodyError(
                "malformed-body",
                what,
                line=line,
                column=column,
                found=excerpt(text) if text else "nothing",
                expected="a number",
                fix=USE_A_DATAFRAME,
            )
    return csv_structure.ragged(line, len(fields), width)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _empty() -> MalformedBodyError:
    return MalformedBodyError(
        "malformed-body", "the body is empty", line=1, column=1, found="nothing", expected="at least one record"
    )


def _decode_dataframe(body: bytes) -> Any:  # noqa: ANN401 (pandas is optional)
    if not body or body in (b"\n", b"\r\n"):
        raise _empty()
    shape = csv_structure.checked_shape(body)
    return dataframes.read_csv(body, shape)


def encode(prediction: Any) -> bytes:  # noqa: ANN401 (what predict_fn returned)
    return render_csv(prediction).encode()


CODEC = Codec(media_types=("text/csv",), decode=decode, encode=encode, is_text=True)

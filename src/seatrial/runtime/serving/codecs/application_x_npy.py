"""``application/x-npy``: one array in numpy's own file format, dtype and shape as sent.

Arrays of Python objects are refused both ways: they hold pickles, and reading a pickle runs code of the sender's
choosing (AWS's toolkit reads them). So are structured and date types, which no model takes. The header is read by a
small grammar of our own instead of numpy's, which evaluates it as a Python literal, and nothing is allocated before the
array that it claims has been seen to be there.

Source: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.runtime.serving.codecs import dataframes, predictions
from seatrial.runtime.serving.codecs.codec import USE_A_DATAFRAME, Codec, DataForm, MalformedBodyError, excerpt

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
"""By the format's major version: how wide the header's length is."""
_MAX_HEADER_BYTES = 4_096
_MAX_DIMENSIONS = 32

_HEADER = re.compile(r"\{(?:[^{}]*)\}\s*")
_DTYPE = re.compile(r"""['"]descr['"]\s*:\s*(?:'([^']*)'|"([^"]*)"|(?P<other>[^'"\s]))""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)\b""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(\s*((?:\d{1,18}\s*,?\s*)*)\)""")
_PLAIN_DTYPE = re.compile(r"[<>|=]?[biufcSU]\d{1,9}")


def decode(body: bytes, form: DataForm) -> Any:  # noqa: ANN401 (one of two libraries' types)
    """Decode one array; it is in native byte order and the caller may write to it.

    Raises:
        MalformedBodyError: names the byte.
    """
    array = decode_array(body)
    if form is DataForm.NUMPY:
        return array
    if array.ndim not in (1, 2):
        raise _broken("an array of this shape makes no DataFrame", 0, f"shape {array.shape}", "one or two dimensions")
    return dataframes.from_columns(dict(enumerate(array.reshape(len(array), -1).T)))


def decode_array(body: bytes) -> npt.NDArray[Any]:
    header, start = _read_header(body)
    dtype, shape = _parse_dtype(header), _parse_shape(header)
    order = _ORDER.search(header)
    if order is None:
        raise _broken("the header does not say its order", 0, excerpt(header), "'fortran_order'")
    expected_bytes = math.prod(shape) * dtype.itemsize
    if len(body) - start != expected_bytes:
        raise _broken(
            "the array and its header disagree", start, f"{len(body) - start} bytes", f"{expected_bytes} bytes"
        )
    if not shape:
        raise _broken("the array has no axis of records", start, "one number, shape ()", "shape (1,) or more")
    if not expected_bytes:
        raise _broken("the array holds no values", start, f"shape {shape}", "at least one record")
    flat = np.frombuffer(body, dtype, offset=start)
    array = flat.reshape(shape, order="F" if order[1] == "True" else "C")
    return array.astype(dtype.newbyteorder("="), order="C")


def _read_header(body: bytes) -> tuple[str, int]:
    """The header's text, and where the data begins."""
    if not body.startswith(_MAGIC):
        raise _broken("the body is no .npy file", 0, excerpt(body[:8]) if body else "nothing", "the bytes 93 'NUMPY'")
    length_bytes = _LENGTH_BYTES.get(body[6]) if len(body) > 6 else None
    if length_bytes is None:
        raise _broken("the format's version is unknown", 6, body[6:8].hex(" ") or "the end", "1.0, 2.0 or 3.0")
    start = 8 + length_bytes
    end = start + int.from_bytes(body[8:start], "little")
    if end - start > _MAX_HEADER_BYTES or end > len(body):
        raise _broken(
            "the header is not all there",
            8,
            f"a length of {end - start} bytes",
            f"at most {min(_MAX_HEADER_BYTES, max(len(body) - start, 0))} bytes",
        )
    header = body[start:end].decode("latin-1")
    if _HEADER.fullmatch(header) is None:
        raise _broken("the header is no dictionary", start, excerpt(header), "'descr', 'fortran_order' and 'shape'")
    return header, end


def _parse_dtype(header: str) -> np.dtype[Any]:
    match = _DTYPE.search(header)
    name = (match[1] or match[2] or "") if match else ""
    if match is not None and (match["other"] or not _PLAIN_DTYPE.fullmatch(name)):
        raise MalformedBodyError(
            "malformed-body",
            "the array's type cannot be taken from a request",
            where="header 'descr'",
            found=excerpt(name or header[match.start() :]),
            expected="booleans, numbers or strings (no objects, records or dates)",
            fix="send plain numbers, or " + USE_A_DATAFRAME,
        )
    try:
        dtype = np.dtype(name) if name else None
    except (TypeError, ValueError, OverflowError):
        dtype = None
    if dtype is None or not dtype.itemsize:
        raise _broken("the header names no type", 0, excerpt(name), "'descr', such as '<f8'")
    return dtype


def _parse_shape(header: str) -> tuple[int, ...]:
    match = _SHAPE.search(header)
    if match is None:
        raise _broken("the header names no shape", 0, excerpt(header), "'shape', such as (10, 4)")
    shape = tuple(int(length) for length in re.findall(r"\d+", match[1]))
    if len(shape) > _MAX_DIMENSIONS:
        raise _broken("the array has too many dimensions", 0, str(len(shape)), f"at most {_MAX_DIMENSIONS}")
    return shape


def _broken(what: str, offset: int, found: str, expected: str) -> MalformedBodyError:
    return MalformedBodyError("malformed-body", what, where=f"byte {offset}", found=found, expected=expected)


def encode(prediction: Any) -> bytes:  # noqa: ANN401 (what predict_fn returned)
    buffer = io.BytesIO()
    np.save(buffer, predictions.as_array(prediction), allow_pickle=False)
    return buffer.getvalue()


CODEC = Codec(media_types=("application/x-npy",), decode=decode, encode=encode, is_text=False)

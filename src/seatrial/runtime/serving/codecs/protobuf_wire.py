"""Protobuf's wire format: the parts that the ``Record`` message needs.

A message is a sequence of fields; a field is a varint key (field number << 3 | wire type) and a value whose length the
wire type tells. Submessages, text and packed numbers are all length-delimited, so one split gives every level.

Source: protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_FIELD_NUMBER = (1 << 29) - 1


NO_INTEGERS = np.empty(0, np.uint64)


class WireError(ValueError):
    """Bytes that are no protobuf message; the text says why."""


def iter_fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Field number, wire type and the bytes of the value (of a varint, its own bytes).

    Raises:
        WireError: the message is cut short or malformed.
    """
    position, size = 0, len(message)
    while position < size:
        key, position = _read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        if not 1 <= number <= _MAX_FIELD_NUMBER:
            raise WireError(f"field number {number}")
        start = position
        if wire_type == LENGTH_DELIMITED:
            length, start = _read_varint(message, position)
            position = start + length
        elif wire_type == VARINT:
            _, position = _read_varint(message, position)
        elif wire_type in _FIXED_BYTES:
            position += _FIXED_BYTES[wire_type]
        else:
            raise WireError(f"wire type {wire_type}")
        if position > size:
            raise WireError(f"field {number} ends {position - size} bytes after its message")
        yield number, wire_type, message[start:position]


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    if position < len(data) and data[position] < 0x80:  # nearly all are one byte
        return data[position], position + 1
    value = 0
    for count, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + count + 1
    raise WireError("a varint without an end")


def decode_varints(packed: bytes) -> npt.NDArray[np.uint64]:
    """Decode varints that follow each other.

    Raises:
        WireError: one has no end or is longer than ten bytes.
    """
    if not packed:
        return NO_INTEGERS
    data = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(data < 0x80)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise WireError("a varint without an end")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if int(lengths.max()) > _MAX_VARINT_BYTES:
        raise WireError("a varint of more than ten bytes")
    shifts = 7 * (np.arange(len(data)) - np.repeat(starts, lengths))
    groups = (data & 0x7F).astype(np.uint64) << shifts.astype(np.uint64)
    return np.bitwise_or.reduceat(groups, starts)


def decode_fixed(packed: bytes, dtype: str) -> npt.NDArray[Any]:
    """Decode little-endian floats that follow each other.

    Raises:
        WireError: the length is no multiple of one float's.
    """
    if len(packed) % np.dtype(dtype).itemsize:
        raise WireError(f"{len(packed)} bytes of packed floats")
    return np.frombuffer(packed, dtype)


def encode_varint(value: int) -> bytes:
    """Encode an integer from 0; a negative one is its 64-bit two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_field(number: int, payload: bytes) -> bytes:
    """Encode a length-delimited field."""
    return encode_varint(number << 3 | LENGTH_DELIMITED) + encode_varint(len(payload)) + payload


def pack_floats(values: npt.NDArray[Any], dtype: str) -> bytes:
    return values.astype(dtype).tobytes()


def pack_varints(values: npt.NDArray[Any]) -> bytes:
    return b"".join(map(encode_varint, values.tolist()))

"""RecordIO framing: a stream of byte records, as Pipe mode and built-in algorithms use it. Source: contract.md §1.5.

A frame, all numbers little-endian and 32 bits wide:

    magic 0xCED7230A | flag (3 bits), length (29 bits) | payload | zero bytes up to a multiple of 4

The flag says whether the frame is a whole record (0) or the first (1), a middle (2) or the last part (3) of one. The
format's author, dmlc-core, cuts a record where the magic word stands in it, leaves the word out, and puts it back
between the parts on reading; files made by MXNet's tools hold such records. AWS's own readers take parts as they come
(its TensorFlow extension) or know no parts (its training toolkit), so ``encode_record`` writes whole records unless
asked otherwise: every reader understands those.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from operator import itemgetter

from seatrial.core.errors import ContractError

MAGIC = 0xCED7230A
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
MAX_FRAME_PAYLOAD_BYTES = (1 << 29) - 1
"""The largest length that fits beside the flag."""

_MAX_PART_BYTES = MAX_FRAME_PAYLOAD_BYTES - 3
"""The largest part that needs no padding, so that parts stand side by side."""

READ_BYTES = 1 << 18
"""What is asked of the stream at once; memory holds this and one record."""

_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_FLAG_SHIFT = 29
_HEADER = struct.Struct("<II")
_HEADER_BYTES = _HEADER.size
_FIRST_OF: Callable[[tuple[bytes]], bytes] = itemgetter(0)

BinaryStream = io.BufferedIOBase | io.RawIOBase
"""What ``open`` gives in a binary mode, and ``io.BytesIO``."""

_Read = Callable[[int], "bytes | None"]


def encode_record(payload: bytes, *, is_splittable: bool = False) -> bytes:
    """Frame one record.

    Args:
        payload: The record.
        is_splittable: Cut at each aligned magic word, as dmlc-core does, so that a reader that starts in the middle of
            a file can tell where records begin. AWS's own readers do not read such records right.

    Raises:
        ContractError: the payload, or a part of it, is longer than a frame can hold.
    """
    parts = _split_at_magic(payload) if is_splittable else [payload]
    if len(parts) == 1:
        return _frame(_WHOLE, payload)
    middle = b"".join(_frame(_MIDDLE, part) for part in parts[1:-1])
    return _frame(_FIRST, parts[0]) + middle + _frame(_LAST, parts[-1])


def write_record(stream: BinaryStream, payload: bytes) -> None:
    """Write one whole record to a binary stream.

    Raises:
        ContractError: as ``encode_record``.
    """
    stream.write(encode_record(payload))


def frame_headers(size_bytes: int) -> Iterator[tuple[bytes, int]]:
    """The frames of one record whose payload is not at hand, to be written piece by piece.

    A record that no frame can hold is cut bare, without magic words between its parts: AWS's TensorFlow extension reads
    it as it was, and ``read_records`` does with ``seam=b""``. AWS publishes nothing about such records (UNVERIFIED).

    Args:
        size_bytes: Length of the record.

    Returns:
        For each frame what stands before its payload, and the length of that. ``padding`` of it follows the payload.
    """
    left = size_bytes
    flag = _WHOLE if left <= MAX_FRAME_PAYLOAD_BYTES else _FIRST
    while left > MAX_FRAME_PAYLOAD_BYTES:
        yield _HEADER.pack(MAGIC, flag << _FLAG_SHIFT | _MAX_PART_BYTES), _MAX_PART_BYTES
        left -= _MAX_PART_BYTES
        flag = _MIDDLE
    yield _HEADER.pack(MAGIC, (flag and _LAST) << _FLAG_SHIFT | left), left


def padding(size_bytes: int) -> bytes:
    """What follows a payload of that length, up to a multiple of 4."""
    return bytes(-size_bytes % 4)


def iter_records(data: bytes, *, seam: bytes = MAGIC_BYTES) -> Iterator[bytes]:
    """Iterate over the records of a body that is in memory; arguments and errors as ``read_records``."""
    return read_records(io.BytesIO(data), seam=seam)


def read_records(stream: BinaryStream, *, seam: bytes = MAGIC_BYTES) -> Iterator[bytes]:
    """Iterate over the records of a binary stream, such as a file or the FIFO of a Pipe mode epoch.

    A record is handed over as soon as it has arrived. Memory holds one record and ``READ_BYTES``.

    Args:
        stream: Read to its end; not closed.
        seam: What belongs between two parts of a record: the magic word, or ``b""`` for data that was cut bare.

    Raises:
        ContractError: no RecordIO, cut short, or parts out of order; names the offset of the bad frame.
    """
    parts: list[bytes] = []
    read = getattr(stream, "read1", stream.read)
    unpack_header = _HEADER.unpack_from
    buffer, base, offset = b"", 0, 0
    while buffer := _read_on(read, buffer, base):
        position, end, last_length = 0, len(buffer), -1
        while end - position >= _HEADER_BYTES:
            # As _parse_header and _padded, whose calls would be a third of the time of a small record.
            magic, length = unpack_header(buffer, position)
            flag = 0
            if magic != MAGIC or length > MAX_FRAME_PAYLOAD_BYTES:
                length, flag = _parse_header(buffer, position, base)
            payload_start = position + _HEADER_BYTES
            next_position = payload_start + (length + 3 & ~3)
            if next_position > end:
                break
            if flag or parts:
                offset = base + position
                _check_flag(flag, is_inside=bool(parts), offset=offset)
                parts.append(buffer[payload_start : payload_start + length])
                if flag == _LAST:
                    yield seam.join(parts)
                    parts = []
            elif length == last_length:
                stride = next_position - position
                next_position = position + stride * _count_run(buffer, position, stride)
                yield from _cut_run(memoryview(buffer)[position:next_position], length, stride)
            else:
                yield buffer[payload_start : payload_start + length]
                last_length = length
            position = next_position
        base += position
        buffer = buffer[position:]
    if parts:
        raise _broken(
            "the data ends inside a record", offset=offset, found="a part that is not the last", expected="flag 3"
        )


def _check_flag(flag: int, *, is_inside: bool, offset: int) -> None:
    if (flag == _FIRST) is is_inside or not _FIRST <= flag <= _LAST:
        expected = "flag 2 or 3, another part of the record before it" if is_inside else "flag 0 or 1, a new record"
        raise _broken("a frame is out of order", offset=offset, found=f"flag {flag}", expected=expected)


def _cut_run(frames: memoryview, length: int, stride: int) -> Iterator[bytes]:
    """The payloads of frames of one length; data for training often has records of one length."""
    return map(_FIRST_OF, struct.iter_unpack(f"{_HEADER_BYTES}x{length}s{stride - _HEADER_BYTES - length}x", frames))


def _count_run(buffer: bytes, position: int, stride: int) -> int:
    """How many whole frames from a position on have the same header, compared column by column."""
    count = (len(buffer) - position) // stride
    end = position + count * stride
    for column in range(position, position + _HEADER_BYTES):
        found = buffer[column:end:stride]
        count = min(count, len(found) - len(found.lstrip(buffer[column : column + 1])))
    return count


def _read_on(read: _Read, buffer: bytes, base: int) -> bytes:
    """Add to the start of a frame until the frame is whole; empty at the end of the data."""
    chunks, have, need = [buffer], len(buffer), _HEADER_BYTES
    if have >= _HEADER_BYTES:
        need += _padded(_parse_header(buffer, 0, base)[0])
    while have < need:
        chunk = read(READ_BYTES)
        if not chunk:
            break
        chunks.append(chunk)
        have += len(chunk)
    if 0 < have < need:
        raise _broken(
            "the data ends inside a frame", offset=base, found=f"{have} bytes of it", expected=f"at least {need} bytes"
        )
    return b"".join(chunks)


def _parse_header(buffer: bytes, position: int, base: int) -> tuple[int, int]:
    magic, word = _HEADER.unpack_from(buffer, position)
    if magic != MAGIC:
        raise _broken(
            "the data is no RecordIO",
            offset=base + position,
            found=f"bytes {buffer[position : position + 4].hex(' ')}",
            expected=f"the magic number {MAGIC_BYTES.hex(' ')}",
        )
    return word & MAX_FRAME_PAYLOAD_BYTES, word >> _FLAG_SHIFT


def _frame(flag: int, payload: bytes) -> bytes:
    length = len(payload)
    if length > MAX_FRAME_PAYLOAD_BYTES:
        raise ContractError(
            "record-too-large",
            "a record is longer than a RecordIO frame can hold",
            found=f"{length:,} bytes",
            expected=f"at most {MAX_FRAME_PAYLOAD_BYTES:,} bytes",
            fix="make smaller records",
        )
    return _HEADER.pack(MAGIC, flag << _FLAG_SHIFT | length) + payload + bytes(_padded(length) - length)


def _split_at_magic(payload: bytes) -> list[bytes]:
    """The parts between the magic words that begin at a multiple of four."""
    parts, start, found = [], 0, payload.find(MAGIC_BYTES)
    while found >= 0:
        if found % 4 == 0:
            parts.append(payload[start:found])
            start = found + 4
        found = payload.find(MAGIC_BYTES, found + 4 if found % 4 == 0 else found + 1)
    return [*parts, payload[start:]]


def _padded(length: int) -> int:
    return length + 3 & ~3


def _broken(what: str, *, offset: int, found: str, expected: str) -> ContractError:
    return ContractError(
        "recordio-broken", what, where=f"RecordIO data at byte {offset}", found=found, expected=expected
    )

r"""An event as a line of a log file.

    1732366001123 epoch 3: loss 0.25
    1732366001124\Traceback …\n  File "train.py"

Milliseconds since 1970 in UTC, one separator, the message, a newline. After a space the message stands as it came,
control bytes included. A message with newlines (only PutLogEvents brings them) follows a backslash instead and has
``\n`` for each, ``\\`` for a backslash: one event stays one line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_MESSAGE_BYTES = 256 * 1024
"""A longer message of a container becomes several events. CloudWatch took no more until 2025."""

_MAX_DIGITS = 15
_LINE = re.compile(rb"(\d{1,15})([ \\])(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\([n\\])")


class Line(NamedTuple):
    """An event and where it stands in its stream."""

    start: int
    """Offset of its first byte in the stream, segments that were dropped included."""
    end: int
    """Offset behind its newline."""
    timestamp_ms: int
    message: str


def encode_line(timestamp_ms: int, message: bytes) -> bytes:
    """One line, whatever the message holds."""
    if b"\n" in message:
        escaped = message.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
        return b"%d\\%b\n" % (timestamp_ms, escaped)
    return b"%d %b\n" % (timestamp_ms, message)


def encode_message(message: str) -> bytes:
    """UTF-8; a lone surrogate, which has no UTF-8, becomes U+FFFD."""
    try:
        return message.encode()
    except UnicodeEncodeError:
        return re.sub("[\ud800-\udfff]", "\ufffd", message).encode()


def split_message(message: bytes) -> list[bytes]:
    """Pieces of UTF-8 of at most ``MAX_MESSAGE_BYTES``, none of which ends inside a character."""
    pieces = []
    start = 0
    while len(message) - start > MAX_MESSAGE_BYTES:
        end = start + MAX_MESSAGE_BYTES
        while message[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        pieces.append(message[start:end])
        start = end
    pieces.append(message[start:])
    return pieces


def decode_line(start: int, raw: bytes) -> Line | None:
    """An event; ``None`` for a line that is none, such as what a loss of power or an editor left.

    Args:
        start: Its offset in the stream.
        raw: The line without its newline.
    """
    stamp, separator, rest = raw.partition(b" ")
    if separator and len(stamp) <= _MAX_DIGITS and stamp.isdigit():  # nearly every line, so without the expression
        return Line(start, start + len(raw) + 1, int(stamp), rest.decode("utf-8", "replace"))
    found = _LINE.fullmatch(raw)
    if found is None:
        return None
    escaped = found[3].decode("utf-8", "replace")
    message = _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else "\\", escaped)
    return Line(start, start + len(raw) + 1, int(found[1]), message)


def decode_timestamp(raw: bytes) -> int | None:
    """Only the timestamp, in milliseconds; ``None`` as ``decode_line``. The end of ``raw`` may be missing."""
    found = _LINE.match(raw)
    return None if found is None else int(found[1])

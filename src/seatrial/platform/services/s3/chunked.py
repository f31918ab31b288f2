"""Decode the ``aws-chunked`` content encoding, signed or not, with or without trailers; signatures are not looked at.

::

    size in hex [;chunk-signature=...] CRLF  data CRLF  ...  0[;chunk-signature=...] CRLF  trailers  CRLF

Source: Amazon S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple
Chunks" and "... including trailing headers".
"""

from __future__ import annotations

import enum

_LINE_MAX_BYTES = 8192


class ChunkedError(ValueError):
    """The body is not what it says it is."""


class _State(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILERS = enum.auto()


class ChunkedDecoder:
    """Takes a body in pieces of any size and gives its data."""

    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}
        """Names in lower case."""
        self._state = _State.SIZE
        self._line = bytearray()
        self._left = 0

    def feed(self, data: bytes) -> list[memoryview]:
        """The data that is in the next bytes of the body, not copied.

        Raises:
            ChunkedError: they break the format.
        """
        view = memoryview(data)
        found = []
        while view:
            if self._state is _State.DATA:
                piece = view[: self._left]
                found.append(piece)
                self._left -= len(piece)
                view = view[len(piece) :]
                if self._left == 0:
                    self._state = _State.DATA_END
                continue
            end = data.find(b"\n", len(data) - len(view))
            taken = len(view) if end < 0 else end + 1 - (len(data) - len(view))
            self._line += view[:taken]
            view = view[taken:]
            if len(self._line) > _LINE_MAX_BYTES:
                raise ChunkedError("a line of the body is too long")
            if end >= 0:
                line = bytes(self._line).strip()
                self._line.clear()
                self._take_line(line)
        return found

    def finish(self) -> None:
        """Say that the body ended.

        Raises:
            ChunkedError: it is cut off.
        """
        if self._state is not _State.TRAILERS:
            raise ChunkedError("the body ends before its last chunk")
        if self._line:
            self._take_line(bytes(self._line).strip())

    def _take_line(self, line: bytes) -> None:
        if self._state is _State.SIZE:
            size = line.split(b";", 1)[0].strip()
            if not size or len(size) > 16 or size.strip(b"0123456789abcdefABCDEF"):
                raise ChunkedError("a chunk has no size")
            self._left = int(size, 16)
            self._state = _State.DATA if self._left else _State.TRAILERS
        elif self._state is _State.DATA_END:
            if line:
                raise ChunkedError("a chunk is longer than its size")
            self._state = _State.SIZE
        elif line:
            name, separator, value = line.decode("latin-1").partition(":")
            if not separator:
                raise ChunkedError("a trailer has no name")
            self.trailers[name.strip().lower()] = value.strip()

"""Decode the ``aws-chunked`` content encoding, signed or not, with or without trailers.

::

    size in hex [;chunk-signature=...] CRLF  data CRLF  ...  0[;chunk-signature=...] CRLF  trailers  CRLF

The last trailer of a signed body is ``x-amz-trailer-signature``. Without a key there is nothing to compare signatures
with: at a loopback address they are passed over.

Source: Amazon S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple
Chunks" and "... including trailing headers".
"""

from __future__ import annotations

import enum

from seatrial.platform.wire.chunk_signatures import ChunkSignatures

_LINE_MAX_BYTES = 8192
_TRAILERS_MAX_COUNT = 32
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class ChunkedError(ValueError):
    """The body is not what it says it is."""

    code = "IncompleteBody"
    """S3's, of the answer."""


class ChunkSignatureError(ChunkedError):
    """A chunk, or the trailers, are not what the client signed."""

    code = "SignatureDoesNotMatch"


class _State(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILERS = enum.auto()


class ChunkedDecoder:
    """Takes a body in pieces of any size and gives its data.

    Args:
        signatures: Of its chunks, to be verified; ``None`` verifies none.
    """

    def __init__(self, signatures: ChunkSignatures | None = None) -> None:
        self._signatures = signatures
        self._claimed = ""
        self.trailers: dict[str, str] = {}
        """Names in lower case."""
        self._state = _State.SIZE
        self._line = bytearray()
        self._left = 0
        self._has_signed_trailers = False

    def feed(self, data: bytes) -> list[memoryview]:
        """The data that is in the next bytes of the body, not copied.

        Raises:
            ChunkedError: they break the format, or are not what was signed.
        """
        view = memoryview(data)
        found = []
        while view:
            if self._state is _State.DATA:
                piece = view[: self._left]
                found.append(piece)
                self._left -= len(piece)
                if self._signatures is not None:
                    self._signatures.update(piece)
                view = view[len(piece) :]
                if self._left == 0:
                    self._end_chunk()
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
            ChunkedError: it is cut off, or trailers are not signed.
        """
        if self._state is not _State.TRAILERS:
            raise ChunkedError("the body ends before its last chunk")
        if self._line:
            self._take_line(bytes(self._line).strip())
        if self._signatures is not None and self.trailers and not self._has_signed_trailers:
            raise ChunkSignatureError("the trailers have no signature")

    def _end_chunk(self) -> None:
        if self._signatures is not None and not self._signatures.is_chunk(self._claimed):
            raise ChunkSignatureError("a chunk has another signature")

    def _take_trailer(self, name: str, value: str) -> None:
        if self._has_signed_trailers or len(self.trailers) >= _TRAILERS_MAX_COUNT:
            raise ChunkedError("there are more trailers than there may be")
        if name == _TRAILER_SIGNATURE and self._signatures is not None:
            self._has_signed_trailers = True
            if not self._signatures.is_trailer(self.trailers, value):
                raise ChunkSignatureError("the trailers have another signature")
        else:
            self.trailers[name] = value

    def _take_line(self, line: bytes) -> None:
        if self._state is _State.SIZE:
            size, _, extension = (part.strip() for part in line.partition(b";"))
            if not size or len(size) > 16 or size.strip(b"0123456789abcdefABCDEF"):
                raise ChunkedError("a chunk has no size")
            self._left = int(size, 16)
            self._claimed = extension.removeprefix(b"chunk-signature=").decode("latin-1")
            self._state = _State.DATA if self._left else _State.TRAILERS
            if not self._left:
                self._end_chunk()
        elif self._state is _State.DATA_END:
            if line:
                raise ChunkedError("a chunk is longer than its size")
            self._state = _State.SIZE
        elif line:
            name, separator, value = line.decode("latin-1").partition(":")
            if not separator:
                raise ChunkedError("a trailer has no name")
            self._take_trailer(name.strip().lower(), value.strip())

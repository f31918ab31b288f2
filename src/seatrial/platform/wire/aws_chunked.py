r"""The body of ``Content-Encoding: aws-chunked``: chunks with or without signatures, and trailing headers.

    <size in hex>[;chunk-signature=<64 hex>]\r\n
    <bytes>\r\n
    …
    0[;chunk-signature=<64 hex>]\r\n
    [<name>:<value>\r\n …]
    [x-amz-trailer-signature:<64 hex>\r\n]
    \r\n

Each signature covers the one before it, from the request's own on. Bytes go out as they come in and before the
signature of their chunk is known, so that memory stays flat: whoever takes them must keep nothing until the decoder is
done.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re

from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.refusals import Refusal, authentication_error
from seatrial.platform.wire.signing import EMPTY_SHA256, Signature, sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

LINE_LIMIT_BYTES = 8192
"""Of a chunk's first line and of one trailing header."""
TRAILER_LIMIT_COUNT = 32
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?[ \t]*")
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


def is_chunked(payload: str | None) -> bool:
    """Whether ``x-amz-content-sha256`` announces chunks."""
    return payload is not None and payload.startswith("STREAMING-")


class _State(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    END_OF_DATA = enum.auto()
    TRAILER = enum.auto()
    DONE = enum.auto()


class ChunkDecoder:
    """Takes a chunked body in pieces of any size and gives its content.

    Args:
        payload: ``x-amz-content-sha256``, one of the three forms above.
        signature: The request's, to verify those of the chunks; ``None`` reads them and verifies nothing (loopback).
        decoded_length: ``x-amz-decoded-content-length`` in bytes, when the client gives it.

    Attributes:
        trailers: Trailing headers by lower-case name, complete when ``is_done``.
    """

    def __init__(self, payload: str, *, signature: Signature | None = None, decoded_length: int | None = None) -> None:
        if payload not in (SIGNED, SIGNED_WITH_TRAILER, UNSIGNED_WITH_TRAILER):
            raise ServiceError("NotImplemented", f"Seatrial does not read a body of the form {payload}", 501)
        self.trailers: dict[str, str] = {}
        self._is_signed = payload != UNSIGNED_WITH_TRAILER
        self._has_trailer = payload != SIGNED
        self._verifies = signature if self._is_signed else None
        self._previous = signature.seed if signature is not None else ""
        self._expected_length = decoded_length
        self._length = 0
        self._state = _State.SIZE
        self._buffer = b""
        self._position = 0
        self._left = 0
        self._is_last = False
        self._claimed = ""
        self._hash = hashlib.sha256()
        self._signed_trailers = ""

    @property
    def is_done(self) -> bool:
        return self._state is _State.DONE

    def feed(self, data: bytes) -> list[memoryview]:
        """Take the next piece of the body; give the content that is in it, not copied.

        Raises:
            ServiceError: SignatureDoesNotMatch, InvalidRequest, IncompleteBody or MalformedTrailerError, as in S3.
        """
        self._buffer = self._buffer[self._position :] + data if self._position < len(self._buffer) else data
        self._position = 0
        content: list[memoryview] = []
        while self._step(content):
            pass
        if self.is_done and self._position < len(self._buffer):
            raise _invalid("there are bytes after the last chunk")
        return content

    def close(self) -> None:
        """The body has ended.

        Raises:
            ServiceError: IncompleteBody: in the middle of a chunk, or with another length than was announced.
        """
        if not self.is_done:
            raise ServiceError("IncompleteBody", "The request body terminated unexpectedly", 400)
        if self._expected_length is not None and self._length != self._expected_length:
            what = (
                f"You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header: "
                f"{self._expected_length} announced, {self._length} received"
            )
            raise ServiceError("IncompleteBody", what, 400)

    def _step(self, content: list[memoryview]) -> bool:
        """One state's work; ``False`` when more bytes are needed."""
        if self._state is _State.DATA:
            return self._take_data(content)
        if self._state is _State.DONE:
            return False
        line = self._take_line()
        if line is None:
            return False
        if self._state is _State.SIZE:
            self._start_chunk(line)
        elif self._state is _State.END_OF_DATA:
            if line:
                raise _invalid("a chunk is longer than it says")
            self._state = _State.SIZE
        else:
            self._take_trailer(line)
        return True

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", self._position, self._position + LINE_LIMIT_BYTES + 2)
        if end < 0:
            if len(self._buffer) - self._position > LINE_LIMIT_BYTES:
                raise _invalid(f"a line of the chunks is longer than {LINE_LIMIT_BYTES} bytes")
            return None
        line = self._buffer[self._position : end]
        self._position = end + 2
        return line

    def _start_chunk(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None or (self._is_signed and found[2] is None):
            raise _invalid("the first line of a chunk is no size, or has no signature")
        self._left = int(found[1], 16)
        self._claimed = (found[2] or b"").decode("ascii")
        self._hash = hashlib.sha256()
        self._is_last = self._left == 0
        if not self._is_last:
            self._state = _State.DATA
            return
        self._end_chunk()
        self._state = _State.TRAILER

    def _take_data(self, content: list[memoryview]) -> bool:
        piece = memoryview(self._buffer)[self._position : self._position + self._left]
        if not piece:
            return False
        self._position += len(piece)
        self._left -= len(piece)
        self._length += len(piece)
        if self._verifies is not None:
            self._hash.update(piece)
        content.append(piece)
        if self._expected_length is not None and self._length > self._expected_length:
            raise ServiceError("IncompleteBody", "The request body is longer than x-amz-decoded-content-length", 400)
        if self._left == 0:
            self._end_chunk()
            self._state = _State.END_OF_DATA
        return True

    def _end_chunk(self) -> None:
        if self._verifies is not None:
            self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{self._hash.hexdigest()}", self._claimed)

    def _take_trailer(self, line: bytes) -> None:
        if not line:
            self._end()
            return
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        if not self._has_trailer or not colon or not name or len(self.trailers) >= TRAILER_LIMIT_COUNT:
            raise _malformed_trailer()
        if name == _TRAILER_SIGNATURE:
            self._claimed = value.strip()
            self._check_trailers()
        else:
            self.trailers[name] = value.strip()
            self._signed_trailers += f"{name}:{value.strip()}\n"

    def _check_trailers(self) -> None:
        if self._verifies is not None:
            digest = hashlib.sha256(self._signed_trailers.encode("latin-1")).hexdigest()
            self._check("AWS4-HMAC-SHA256-TRAILER", digest, self._claimed)
            self._signed_trailers = ""

    def _end(self) -> None:
        if self._verifies is not None and self._signed_trailers:
            raise authentication_error(Refusal.MISMATCH, protocol="rest-xml")  # trailing headers that nobody signed
        self._state = _State.DONE

    def _check(self, kind: str, digests: str, claimed: str) -> None:
        signature = self._verifies
        if signature is None:
            return
        text = f"{kind}\n{signature.signed_at}\n{signature.scope}\n{self._previous}\n{digests}"
        expected = sign(signature.signing_key, text)
        if not hmac.compare_digest(expected.encode(), claimed.encode("utf-8", "surrogatepass")):
            raise authentication_error(Refusal.MISMATCH, protocol="rest-xml")
        self._previous = expected


def _invalid(what: str) -> ServiceError:
    return ServiceError("InvalidRequest", f"The aws-chunked body cannot be read: {what}", 400)


def _malformed_trailer() -> ServiceError:
    what = "The request contained trailing data that was not well-formed or did not conform to our published schema."
    return ServiceError("MalformedTrailerError", what, 400)

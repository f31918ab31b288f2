"""Take bodies in: undo ``aws-chunked``, hash and write off the event loop, verify what the client said of them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from seatrial.objects.base import Incoming, ObjectStore
from seatrial.objects.checksums import ALGORITHMS, Bytes, new_checksum, render_checksum
from seatrial.platform.services.s3 import xml
from seatrial.platform.services.s3.chunked import ChunkedDecoder, ChunkedError
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.requests import Receive, S3Request
from seatrial.platform.wire.chunk_signatures import SIGNED, SIGNED_WITH_TRAILER, UNSIGNED_WITH_TRAILER, ChunkSignatures
from seatrial.platform.wire.numbers import parse_digits

BATCH_BYTES = 1 << 20
"""A body up to this size needs one visit to a thread; a larger one is written in such pieces."""
PUT_MAX_BYTES = 5 << 30
"""One put or one part. Source: S3 user guide, "Uploading objects"."""

_CHECKSUM_HEADER = "x-amz-checksum-"
_Result = TypeVar("_Result")


class ClientGoneError(Exception):
    """The connection closed before the body was there; nobody waits for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What a request's headers say of its body."""

    size_bytes: int | None
    md5: bytes | None
    sha256: str | None
    """In hex."""
    checksums: Mapping[str, str]
    """Algorithm to value, from headers."""
    trailing: str | None
    """The algorithm whose value comes after the body."""
    is_chunked: bool

    @property
    def algorithms(self) -> set[str]:
        """All that have to be computed to verify the body."""
        return {*self.checksums, *([self.trailing] if self.trailing else [])}


def read_promises(headers: Mapping[str, str], *, verifies_payload_hash: bool) -> Promises:
    """What the headers promise.

    Raises:
        S3Error: ``InvalidDigest``, ``InvalidRequest``, ``MissingContentLength`` or ``EntityTooLarge``.
    """
    sha256 = headers.get("x-amz-content-sha256", "")
    encodings = [one.strip() for one in headers.get("content-encoding", "").split(",")]
    is_chunked = sha256.startswith("STREAMING-") or "aws-chunked" in encodings
    length = headers.get("x-amz-decoded-content-length" if is_chunked else "content-length", "")
    size_bytes = parse_digits(length)
    if size_bytes is None:
        raise S3Error("MissingContentLength")
    if size_bytes > PUT_MAX_BYTES:
        raise S3Error("EntityTooLarge", ProposedSize=length, MaxSizeAllowed=str(PUT_MAX_BYTES))
    has_payload_hash = verifies_payload_hash and len(sha256) == 64
    return Promises(
        size_bytes=size_bytes,
        md5=_md5_of(headers.get("content-md5")),
        sha256=sha256 if has_payload_hash else None,
        checksums=checksums_of(headers),
        trailing=_trailing_algorithm(headers.get("x-amz-trailer")),
        is_chunked=is_chunked,
    )


def checksums_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The checksum headers of a request.

    Raises:
        S3Error: ``NotImplemented``: an algorithm that we do not know; ``InvalidRequest``: a value that is none.
    """
    found = {}
    for name, value in headers.items():
        if not name.startswith(_CHECKSUM_HEADER) or name in ("x-amz-checksum-algorithm", "x-amz-checksum-mode"):
            continue
        if name == "x-amz-checksum-type":
            continue
        algorithm = name.removeprefix(_CHECKSUM_HEADER).upper()
        _check_algorithm(algorithm, name)
        if not _is_digest(value.rpartition("-")[0] or value, len(new_checksum(algorithm).digest())):
            raise S3Error("InvalidRequest", f"Value for {name} header is invalid.")
        found[algorithm] = value
    return found


def algorithm_of(headers: Mapping[str, str], name: str) -> str | None:
    """The algorithm that a header names.

    Raises:
        S3Error: ``NotImplemented``.
    """
    value = headers.get(name)
    if value is None:
        return None
    _check_algorithm(value.upper(), name)
    return value.upper()


class Bodies:
    """Takes the bodies of requests in for a store.

    Args:
        store: Where to.
        executor: Where files are written and bytes are hashed.
    """

    def __init__(self, store: ObjectStore, executor: Executor) -> None:
        self._store = store
        self._executor = executor

    async def in_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Run what touches files off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*arguments))

    async def take_in(
        self, request: S3Request, finish: Callable[[Incoming], _Result], *, algorithms: Collection[str] = ()
    ) -> _Result:
        """Take in a body, verify it, and let ``finish`` store it, in a thread.

        Raises:
            S3Error: the body is not what its headers say.
            ClientGoneError: it did not arrive.
        """
        promises = read_promises(request.headers, verifies_payload_hash=request.signature is not None)
        wanted = {*algorithms, *promises.algorithms, *(["SHA256"] if promises.sha256 else [])}
        decoder = ChunkedDecoder(_chunk_signatures(request)) if promises.is_chunked else None
        loop = asyncio.get_running_loop()

        def begin(pieces: list[Bytes]) -> Incoming:
            self._store.describe_bucket(request.bucket)  # before five gigabytes are taken in for nothing
            return _write(self._store.receive(wanted), pieces)

        def end(incoming: Incoming | None, pieces: list[Bytes]) -> _Result:
            with incoming or self._store.receive(wanted) as body:
                _write(body, pieces)
                _verify(body, promises, decoder)
                return finish(body)

        incoming: Incoming | None = None
        pending: asyncio.Future[Incoming] | None = None
        batch: list[Bytes] = []
        size = 0
        try:
            async with aclosing(_pieces(request.receive, decoder)) as pieces:
                async for piece in pieces:
                    batch.append(piece)
                    size += len(piece)
                    if size >= BATCH_BYTES:
                        if pending is not None:
                            incoming = await pending
                        pending = (
                            loop.run_in_executor(self._executor, begin, batch)
                            if incoming is None
                            else loop.run_in_executor(self._executor, _write, incoming, batch)
                        )
                        batch, size = [], 0
            if pending is not None:
                incoming, pending = await pending, None
            return await loop.run_in_executor(self._executor, end, incoming, batch)
        except ChunkedError as error:
            raise S3Error(error.code, str(error)) from None
        finally:
            if pending is not None:
                results = await asyncio.gather(pending, return_exceptions=True)
                incoming = incoming or (None if isinstance(results[0], BaseException) else results[0])
            if incoming is not None:
                incoming.discard()

    async def read_small(self, request: S3Request) -> bytes:
        """A body that is XML, verified.

        Raises:
            S3Error: it is too large, or not what its headers say.
            ClientGoneError: it did not arrive.
        """
        headers = {"content-length": "0", **request.headers}
        promises = read_promises(headers, verifies_payload_hash=request.signature is not None)
        decoder = ChunkedDecoder(_chunk_signatures(request)) if promises.is_chunked else None
        body = bytearray()
        try:
            async with aclosing(_pieces(request.receive, decoder)) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) > xml.BODY_MAX_BYTES:
                        raise S3Error("EntityTooLarge", MaxSizeAllowed=str(xml.BODY_MAX_BYTES))
            _verify(_InMemory(bytes(body)), promises, decoder)
        except ChunkedError as error:
            raise S3Error(error.code, str(error)) from None
        return bytes(body)


class _InMemory:
    """As much of ``Incoming`` as verifying asks for."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.size_bytes = len(body)

    def md5(self) -> bytes:
        return hashlib.md5(self._body, usedforsecurity=False).digest()

    def checksum(self, algorithm: str) -> str:
        checksum = new_checksum(algorithm)
        checksum.update(self._body)
        return render_checksum(checksum.digest())


def _chunk_signatures(request: S3Request) -> ChunkSignatures | None:
    """How to verify a chunked body; ``None`` where its chunks are not signed, or nobody asked for a key.

    Raises:
        S3Error: ``NotImplemented``: signed in a way that we cannot verify.
    """
    signature = request.signature
    if signature is None or signature.payload == UNSIGNED_WITH_TRAILER:
        return None
    if signature.payload in (SIGNED, SIGNED_WITH_TRAILER):
        return ChunkSignatures(signature)
    if signature.payload.startswith("STREAMING-"):
        raise S3Error("NotImplemented", f"Seatrial cannot verify a body of the form {signature.payload}")
    return None


async def _pieces(receive: Receive, decoder: ChunkedDecoder | None) -> AsyncGenerator[Bytes, None]:
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        has_more = message.get("more_body", False)
        data: bytes = message.get("body", b"")
        if decoder is None:
            if data:
                yield data
        else:
            for piece in decoder.feed(data):
                yield piece
    if decoder is not None:
        decoder.finish()


def _write(incoming: Incoming, pieces: list[Bytes]) -> Incoming:
    try:
        for piece in pieces:
            incoming.write(piece)
    except BaseException:
        incoming.discard()
        raise
    return incoming


def _verify(body: Incoming | _InMemory, promises: Promises, decoder: ChunkedDecoder | None) -> None:
    if promises.size_bytes is not None and body.size_bytes != promises.size_bytes:
        raise S3Error("IncompleteBody")
    if promises.md5 is not None and promises.md5 != body.md5():
        raise S3Error("BadDigest")
    if promises.sha256 is not None:
        computed = base64.b64decode(body.checksum("SHA256")).hex()
        if computed != promises.sha256:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=promises.sha256,
                S3ComputedContentSHA256=computed,
            )
    told = dict(promises.checksums)
    if promises.trailing is not None and decoder is not None:
        value = decoder.trailers.get(_CHECKSUM_HEADER + promises.trailing.lower())
        if value is None:
            raise S3Error("InvalidRequest", "The trailer that x-amz-trailer announces is missing")
        told[promises.trailing] = value
    for algorithm, value in told.items():
        if body.checksum(algorithm) != value:
            raise S3Error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def _md5_of(header: str | None) -> bytes | None:
    if header is None:
        return None
    if not _is_digest(header, 16):
        raise S3Error("InvalidDigest")
    return base64.b64decode(header)


def _is_digest(value: str, size_bytes: int) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == size_bytes
    except binascii.Error:
        return False


def _trailing_algorithm(header: str | None) -> str | None:
    if header is None:
        return None
    name = header.strip().lower()
    if not name.startswith(_CHECKSUM_HEADER):
        raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    algorithm = name.removeprefix(_CHECKSUM_HEADER).upper()
    _check_algorithm(algorithm, name)
    return algorithm


def _check_algorithm(algorithm: str, header: str) -> None:
    if algorithm not in ALGORITHMS:
        raise S3Error("NotImplemented", f"The checksum algorithm {algorithm} is not implemented", Header=header)

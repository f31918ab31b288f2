"""The bytes of one epoch of Pipe mode: objects one after the other, decompressed and wrapped as the channel says.

Small pieces are gathered, because each costs a pipe one of its few slots however small it is; large plain files go into
the pipe without passing through this process. Memory holds one gathered block, and one record that is of unknown
length before it has been decompressed, up to ``SPOOL_MEMORY_BYTES``; a longer one is kept in a temporary file.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol, cast

from seatrial.contract.manifests import AttributeValue
from seatrial.contract.recordio import frame_headers, padding
from seatrial.contract.s3_channel import CompressionType, S3Channel
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import RecordWrapperType
from seatrial.core.errors import ContractError
from seatrial.platform.jobs.input.source import ObjectSource, ObjectStream

GATHER_BYTES = 1 << 18
COPY_MAX_BYTES = 1 << 16
"""A plain file up to this is read and gathered; a longer one goes its own way."""
CHUNK_BYTES = 1 << 20
SPOOL_MEMORY_BYTES = 8 << 20


class Sink(Protocol):
    """Takes an epoch; ``FifoWriter`` is one."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """All of it."""

    def send_file(self, source: int, size_bytes: int) -> None:
        """That much of a plain file, from where it stands."""


class EpochStream:
    """Writes items of a channel to a sink.

    Args:
        channel: Says whether objects are decompressed and wrapped.
        source: Where they are.
        sink: Where they go.
        spool_dir: For what is too long to be kept in memory.
    """

    def __init__(self, channel: S3Channel, source: ObjectSource, sink: Sink, *, spool_dir: Path) -> None:
        self._source = source
        self._sink = sink
        self._spool_dir = spool_dir
        self._decompresses = channel.compression_type is CompressionType.GZIP
        self._wraps = channel.record_wrapper_type is RecordWrapperType.RECORD_IO
        self._gathered = bytearray()

    def write(self, items: Iterable[tuple[AttributeValue, ...]]) -> None:
        """Write items in order.

        Raises:
            ObjectStoreError: an object is not there any more.
            ContractError: an object is no gzip data although the channel's ``CompressionType`` is ``Gzip``.
            OSError: an object cannot be read.
        """
        for item in items:
            for value in item:
                if isinstance(value, S3Uri):
                    self._write_object(value)
                else:
                    self._write_sized(len(value), [value])
        self._flush()

    def _write_object(self, uri: S3Uri) -> None:
        with self._source.open(uri.bucket, uri.key) as stream:
            if not self._decompresses:
                self._write_stream(stream)
            elif self._wraps:
                self._write_spooled(_decompressed(stream, uri))
            else:
                self._gather_all(_decompressed(stream, uri))

    def _write_stream(self, stream: ObjectStream) -> None:
        if stream.descriptor is not None and stream.size_bytes > COPY_MAX_BYTES:
            self._write_file(stream.size_bytes, stream.descriptor)
        else:
            self._write_sized(stream.size_bytes, _read_exactly(stream))

    def _write_spooled(self, chunks: Iterator[bytes]) -> None:
        """A record's length stands before it, and decompressed data has one only at its end."""
        with tempfile.SpooledTemporaryFile(SPOOL_MEMORY_BYTES, dir=str(self._spool_dir)) as spool:
            for chunk in chunks:
                spool.write(chunk)
            size_bytes = spool.tell()
            if size_bytes > SPOOL_MEMORY_BYTES:
                spool.flush()
                os.lseek(spool.fileno(), 0, os.SEEK_SET)
                self._write_file(size_bytes, spool.fileno())
            else:
                spool.seek(0)
                self._write_sized(size_bytes, [spool.read()])

    def _write_file(self, size_bytes: int, descriptor: int) -> None:
        self._flush()
        if not self._wraps:
            self._sink.send_file(descriptor, size_bytes)
            return
        for header, length in frame_headers(size_bytes):
            self._gather(header)
            self._flush()
            self._sink.send_file(descriptor, length)
            self._gather(padding(length))

    def _write_sized(self, size_bytes: int, chunks: Iterable[bytes]) -> None:
        if not self._wraps:
            self._gather_all(chunks)
            return
        frames = frame_headers(size_bytes)
        header, left = next(frames)
        self._gather(header)
        for chunk in chunks:
            rest = memoryview(chunk)
            while len(rest) > left:  # the frame is full and another one follows
                self._gather(rest[:left])
                rest = rest[left:]
                header, left = next(frames)
                self._gather(header)
            self._gather(rest)
            left -= len(rest)
        self._gather(padding(size_bytes))

    def _gather_all(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self._gather(chunk)

    def _gather(self, data: bytes | memoryview) -> None:
        if len(data) >= GATHER_BYTES:
            self._flush()
            self._sink.write(data)
            return
        self._gathered += data
        if len(self._gathered) >= GATHER_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._gathered:
            self._sink.write(self._gathered)
            self._gathered = bytearray()


def _read_exactly(stream: ObjectStream) -> Iterator[bytes]:
    """The object's bytes; a length that was told and is not kept would shift all that follows."""
    left = stream.size_bytes
    while left:
        chunk = stream.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise EOFError(f"the object ended {left:,} bytes early")
        left -= len(chunk)
        yield chunk


def _decompressed(stream: ObjectStream, uri: S3Uri) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=cast("IO[bytes]", stream), mode="rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ContractError(
            "channel-object-no-gzip",
            "an object cannot be decompressed",
            where=str(uri),
            found=str(error),
            expected="gzip data, because the channel's CompressionType is Gzip",
            fix="compress it, or leave CompressionType out",
        ) from error

"""What a plain file cannot say of its object, in a small JSON file of our own beside the buckets.

A side-car holds records, each bound to one file by its identity. A write puts the record of the file that is there
and that of the file to come into it *before* the new file takes its place, so that every reader finds the record of the
file it has, and a crash between the two leaves nothing wrong. A file that no record fits was dropped or edited by the
user: it gets defaults.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from seatrial.objects.base import Attributes, ObjectInfo
from seatrial.objects.disk import write_atomically

Identity = tuple[int, int, int]
"""Inode, size in bytes, time of the last write in nanoseconds."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is known of one file."""

    identity: Identity
    etag: str
    attributes: Attributes = Attributes()
    checksums: dict[str, str] = {}
    part_sizes: tuple[int, ...] = ()

    @property
    def cannot_be_recomputed(self) -> bool:
        """Whether losing the record would lose more than what the file's content tells."""
        return self.attributes != Attributes() or bool(self.part_sizes)


class _Sidecar(msgspec.Struct, frozen=True):
    key: str
    records: list[Record]


_DECODER = msgspec.json.Decoder(_Sidecar)
_ENCODER = msgspec.json.Encoder()


def identity_of(status: os.stat_result) -> Identity:
    """What ties a record to a file."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def default_record(identity: Identity) -> Record:
    """The record of a file that was dropped into a bucket: its ETag changes with the file but never needs its content.

    It has the form of a multipart upload's, which no client takes for an MD5.
    """
    digest = hashlib.md5("{}:{}:{}".format(*identity).encode(), usedforsecurity=False).hexdigest()
    return Record(identity=identity, etag=f"{digest}-1")


def object_info(key: str, record: Record) -> ObjectInfo:
    """A record as the store's users see it."""
    _, size_bytes, modified_ns = record.identity
    return ObjectInfo(
        key=key,
        size_bytes=size_bytes,
        modified_ns=modified_ns,
        etag=record.etag,
        attributes=record.attributes,
        checksums=record.checksums,
        part_sizes=record.part_sizes,
    )


class Sidecars:
    """The side-cars of all buckets."""

    def __init__(self, directory: Path, temporary_dir: Path) -> None:
        self._directory = directory
        self._temporary_dir = temporary_dir

    def folder(self, bucket: str) -> Path:
        """Where a bucket's side-cars are."""
        return self._directory / bucket

    def read(self, bucket: str, key: str) -> Mapping[Identity, Record]:
        """The records of an object; none when there is no side-car, or a power cut damaged it."""
        try:
            descriptor = os.open(self._path(bucket, key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        try:
            data = os.read(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        with contextlib.suppress(msgspec.DecodeError):
            sidecar = _DECODER.decode(data)
            if sidecar.key == key:
                return {record.identity: record for record in sidecar.records}
        return {}

    def write(self, bucket: str, key: str, records: list[Record]) -> None:
        """Replace the records of an object."""
        write_atomically(
            Path(self._path(bucket, key)),
            _ENCODER.encode(_Sidecar(key, records)),
            temporary_dir=self._temporary_dir,
            is_durable=any(record.cannot_be_recomputed for record in records),
        )

    def remove(self, bucket: str, key: str) -> None:
        """Forget an object."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(bucket, key))

    def _path(self, bucket: str, key: str) -> str:
        digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        return f"{self._directory}/{bucket}/{digest[:2]}/{digest[2:]}.json"

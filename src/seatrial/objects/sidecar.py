"""Records in small JSON files of our own beside the buckets, for file systems that keep none with a file (``xattrs``).

A side-car holds records, each bound to one file by its identity. A write puts the record of the file that is there
and that of the file to come into it *before* the new file takes its place, so that every reader finds the record of the
file it has, and a crash between the two leaves nothing wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from seatrial.objects.disk import write_atomically
from seatrial.objects.records import Identity, Record


class _Sidecar(msgspec.Struct, frozen=True):
    key: str
    records: list[Record]


_DECODER = msgspec.json.Decoder(_Sidecar)
_ENCODER = msgspec.json.Encoder()


class Sidecars:
    """The side-cars of all buckets.

    Args:
        directory: Of the side-cars.
        temporary_dir: On the same file system.
    """

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

"""What a plain file cannot say of its object: its record, bound to the file by an identity.

A file that no record fits was dropped or edited by the user: it gets defaults.
"""

from __future__ import annotations

import hashlib
import os

import msgspec

from seatrial.objects.base import Attributes, ObjectInfo

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

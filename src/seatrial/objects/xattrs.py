"""Records in an extended attribute of the object's own file: the file and all that is said of it are one.

So a rename puts both in place, one sync makes both durable, and ``mv`` and ``cp -a`` take both along. The attribute
counts while the file has the size and the time of last write that it names; the inode does not matter, so that a
restored backup is as good as what was saved.

The form is short, because 256 bytes of an ext4 inode hold it then. What does not fit into an attribute, and file
systems that have none (macOS from Python, NFS), have side-cars (``sidecar``).
"""

from __future__ import annotations

import errno
import os
import sys
from binascii import unhexlify

import msgspec

from seatrial.objects.base import Attributes
from seatrial.objects.records import Identity, Record

NAME = "user.seatrial"

_HAS_NO_PLACE = frozenset(
    (
        *(errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EROFS),
        *(errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE),
    )
)
"""The file system has no attributes, the file may not have one, or the record is too large for one."""


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    size_bytes: int
    modified_ns: int
    etag: bytes
    """The hash; a multipart upload's tag says the number of parts besides."""
    part_count: int = 0
    checksums: dict[str, str] = {}
    headers: dict[str, str] = {}
    user_metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    part_sizes: tuple[int, ...] = ()


_DECODER = msgspec.msgpack.Decoder(_Packed)
_ENCODER = msgspec.msgpack.Encoder()


def write_record(descriptor: int, record: Record) -> bool:
    """Give an open file its record; false when it can have none."""
    if sys.platform != "linux":
        return False
    try:
        os.setxattr(descriptor, NAME, _pack(record))
    except OSError as error:
        if error.errno in _HAS_NO_PLACE:
            return False
        raise
    return True


def read_record(file: int | str, identity: Identity) -> Record | None:
    """The record of a file by descriptor or path; ``None`` when it has none, or was written to since."""
    if sys.platform != "linux":
        return None
    try:
        packed = _DECODER.decode(os.getxattr(file, NAME, follow_symlinks=not isinstance(file, str)))
    except (OSError, msgspec.DecodeError):
        return None
    return _unpack(packed, identity) if (packed.size_bytes, packed.modified_ns) == identity[1:] else None


def remove_record(descriptor: int) -> None:
    """Take an open file's record away; it is no error when it has none."""
    if sys.platform != "linux":
        return
    try:
        os.removexattr(descriptor, NAME)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


def _pack(record: Record) -> bytes:
    digest, _, part_count = record.etag.partition("-")
    attributes = record.attributes
    packed = _Packed(
        record.identity[1],
        record.identity[2],
        unhexlify(digest),
        int(part_count or 0),
        record.checksums,
        attributes.headers,
        attributes.user_metadata,
        attributes.tags,
        record.part_sizes,
    )
    return _ENCODER.encode(packed)


def _unpack(packed: _Packed, identity: Identity) -> Record:
    return Record(
        identity=identity,
        etag=f"{packed.etag.hex()}-{packed.part_count}" if packed.part_count else packed.etag.hex(),
        attributes=Attributes(packed.headers, packed.user_metadata, packed.tags),
        checksums=packed.checksums,
        part_sizes=packed.part_sizes,
    )

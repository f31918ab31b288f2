"""What a job needs of the place where objects are: to look, to fetch whole objects, to leave files there and
to remove them.

Every ``ObjectStore`` can do that, and so can any S3 server (``remote``). ``testing.transfer_suite`` checks both.
"""

from __future__ import annotations

import abc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seatrial.core.trees import CHUNK_BYTES, Checkpoint, copy_stream
from seatrial.objects.base import Attributes, ObjectStore


class ObjectTransfer(abc.ABC):
    """Whole objects in and out. Any number of threads may use one; nothing holds an object in memory.

    Every method raises ``NoSuchBucketError`` when there is no such bucket, and ``ObjectStoreError`` when the store
    cannot be reached or does not let us.
    """

    @abc.abstractmethod
    def check_bucket(self, bucket: str) -> None:
        """Nothing, when the bucket is there."""

    @abc.abstractmethod
    def has_objects(self, bucket: str, prefix: str) -> bool:
        """Whether a key begins with the prefix."""

    @abc.abstractmethod
    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """Every key that begins with the prefix, in the order of their UTF-8 bytes."""

    @abc.abstractmethod
    def download(self, bucket: str, key: str, target: Path, checkpoint: Checkpoint) -> None:
        """Write an object to a new file, in a directory that is there.

        Args:
            bucket: Where from.
            key: Where from.
            target: The file.
            checkpoint: Called again and again meanwhile; what it raises ends the download.

        Raises:
            NoSuchKeyError: there is no such object.
            OSError: the file cannot be written.
        """

    @abc.abstractmethod
    def upload(self, source: BinaryIO, bucket: str, key: str, *, content_type: str) -> None:
        """Store an open file under a key: all of it from where it stands, or nothing.

        Raises:
            OSError: the file cannot be read.
        """

    @abc.abstractmethod
    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; it is no error when there is none."""


class StoreTransfer(ObjectTransfer):
    """Transfers of a store in this process."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def check_bucket(self, bucket: str) -> None:
        self._store.describe_bucket(bucket)

    def has_objects(self, bucket: str, prefix: str) -> bool:
        return bool(self._store.list_page(bucket, prefix=prefix, max_keys=1).objects)

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return (info.key for info in self._store.list_all(bucket, prefix=prefix))

    def download(self, bucket: str, key: str, target: Path, checkpoint: Checkpoint) -> None:
        opened = self._store.open(bucket, key)
        with opened, os.fdopen(os.dup(opened.fileno()), "rb") as source, target.open("xb") as copy:
            copy_stream(source, copy, checkpoint)

    def upload(self, source: BinaryIO, bucket: str, key: str, *, content_type: str) -> None:
        with self._store.receive() as incoming:
            while chunk := source.read(CHUNK_BYTES):
                incoming.write(chunk)
            attributes = Attributes(headers={"content-type": content_type})
            self._store.put(bucket, key, incoming, attributes=attributes)

    def delete(self, bucket: str, key: str) -> None:
        self._store.delete(bucket, key)

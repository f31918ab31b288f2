"""What a channel needs of the place where its objects are; narrow, so that any S3 can be one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

from seatrial.core.trees import Checkpoint
from seatrial.objects.base import ObjectStore, OpenObject
from seatrial.platform.jobs.input.clone import copy_or_clone


class ObjectStream(Protocol):
    """The content of one object, read once from its beginning to its end."""

    @property
    def size_bytes(self) -> int:
        """The object's length."""

    @property
    def descriptor(self) -> int | None:
        """The plain file that holds the object, at its beginning; ``None`` when there is none."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; empty at the end."""

    def __enter__(self) -> ObjectStream: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ObjectSource(Protocol):
    """Buckets that channels are read from. Any number of threads may use one.

    Every method raises ``ObjectStoreError`` for what is not there and for a store that does not answer.
    """

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """Every key that begins with the prefix, in the order of their UTF-8 bytes."""

    def open(self, bucket: str, key: str) -> ObjectStream:
        """Open an object; a later write or delete does not touch what is read."""

    def local_path(self, bucket: str, key: str) -> Path | None:
        """The plain file of an object, to be linked or cloned and never written to; ``None`` for a store elsewhere."""

    def download(self, bucket: str, key: str, target: Path, checkpoint: Checkpoint) -> None:
        """Write an object to a new file; ``checkpoint`` is called again and again and may end it by raising.

        Raises:
            OSError: the file cannot be written.
        """


class StoreSource:
    """The objects of a store whose objects are files of this machine."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return (info.key for info in self._store.list_all(bucket, prefix=prefix))

    def open(self, bucket: str, key: str) -> ObjectStream:
        return _FileStream(self._store.open(bucket, key))

    def local_path(self, bucket: str, key: str) -> Path | None:
        return self._store.path_of(bucket, key)

    def download(self, bucket: str, key: str, target: Path, checkpoint: Checkpoint) -> None:
        opened = self._store.open(bucket, key)
        with opened, target.open("xb") as copy:
            copy_or_clone(opened.fileno(), copy.fileno(), checkpoint)


class _FileStream:
    def __init__(self, opened: OpenObject) -> None:
        self._opened = opened
        self.size_bytes = opened.info.size_bytes

    @property
    def descriptor(self) -> int:
        return self._opened.fileno()

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; all of the rest in one piece when it is negative."""
        if size >= 0:
            return os.read(self._opened.fileno(), size)
        chunks = []
        while chunk := os.read(self._opened.fileno(), 1 << 20):
            chunks.append(chunk)
        return b"".join(chunks)

    def __enter__(self) -> ObjectStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

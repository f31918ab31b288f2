"""What a channel needs of the place where its objects are; narrow, so that any S3 can be one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import msgspec

from seatrial.core.trees import Checkpoint
from seatrial.objects.base import OpenObject
from seatrial.objects.files import FileStore
from seatrial.platform.jobs.input.clone import copy_or_clone

if TYPE_CHECKING:
    from seatrial.objects.remote import RemoteTransfer


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

    @property
    def place(self) -> SourcePlace:
        """Where another process finds the same objects."""

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

    def __init__(self, store: FileStore) -> None:
        self._store = store

    @property
    def place(self) -> SourcePlace:
        return SourcePlace(objects_dir=str(self._store.root.absolute()))

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


class RemoteSource:
    """The objects of an S3 server."""

    def __init__(self, transfer: RemoteTransfer) -> None:
        self._transfer = transfer

    @property
    def place(self) -> SourcePlace:
        return SourcePlace(s3_endpoint=self._transfer.endpoint_url, region=self._transfer.region)

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return self._transfer.list_keys(bucket, prefix)

    def open(self, bucket: str, key: str) -> ObjectStream:
        return self._transfer.open(bucket, key)

    def local_path(self, bucket: str, key: str) -> Path | None:
        return None

    def download(self, bucket: str, key: str, target: Path, checkpoint: Checkpoint) -> None:
        self._transfer.download(bucket, key, target, checkpoint)


class SourcePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a platform's objects are, for another process of ours; S3 credentials come from its environment."""

    objects_dir: str | None = None
    """The root of the embedded store; otherwise the objects are at ``s3_endpoint``."""
    s3_endpoint: str = ""
    region: str = ""

    def open(self) -> ObjectSource:
        """The objects there.

        Raises:
            ConfigError: as ``RemoteTransfer``.
        """
        if self.objects_dir is not None:
            return StoreSource(FileStore(Path(self.objects_dir)))
        from seatrial.objects.remote import RemoteTransfer  # noqa: PLC0415 (boto3 is slow to import)

        return RemoteSource(RemoteTransfer(self.s3_endpoint, region=self.region))

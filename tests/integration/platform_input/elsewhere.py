"""A source whose objects are no files of this machine, as those of an S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seatrial.core.trees import Checkpoint
from seatrial.objects.base import ObjectStore
from seatrial.platform.jobs.input.source import ObjectStream, StoreSource


class ElsewhereSource:
    def __init__(self, store: ObjectStore) -> None:
        self._here = StoreSource(store)

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return self._here.list_keys(bucket, prefix)

    def open(self, bucket: str, key: str) -> ObjectStream:
        return _Streamed(self._here.open(bucket, key))

    def local_path(self, bucket: str, key: str) -> Path | None:
        return None

    def download(self, bucket: str, key: str, target: Path, checkpoint: Checkpoint) -> None:
        self._here.download(bucket, key, target, checkpoint)


class _Streamed:
    """Hands out uneven pieces, as a connection does."""

    descriptor = None

    def __init__(self, stream: ObjectStream) -> None:
        self._stream = stream
        self.size_bytes = stream.size_bytes

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size if size < 0 else min(size, 50_021))

    def __enter__(self) -> _Streamed:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__(None, None, None)

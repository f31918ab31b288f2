"""The rules of ``objects.transfer`` as tests: inherit ``TransferSuite`` to check a transfer of your own.

::

    class TestMyTransfer(TransferSuite):
        @pytest.fixture
        def transfer(self):
            return MyTransfer(...)

        @pytest.fixture
        def bucket(self):
            return "an-empty-bucket"
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from seatrial.objects.errors import NoSuchBucketError, NoSuchKeyError
from seatrial.objects.transfer import ObjectTransfer

ABSENT_BUCKET = "bucket-that-is-not-there"
ODD_KEYS = ("a b+c&d", "é/ü", "a//b", "..", "../x", "%2e%2e", "a?b#c", "x" * 1024)
LARGE_BYTES = 17_000_000
"""More than two parts of a multipart upload."""


class _StoppedError(Exception):
    """Raised by a checkpoint."""


def never_stop() -> None:
    """A checkpoint that lets everything pass."""


class TransferSuite:
    """Contract tests of transfers."""

    @pytest.fixture
    def transfer(self) -> ObjectTransfer:
        """Under test."""
        raise NotImplementedError

    @pytest.fixture
    def bucket(self) -> str:
        """The name of an empty bucket."""
        raise NotImplementedError

    def test_bucket_is_known(self, transfer: ObjectTransfer, bucket: str) -> None:
        transfer.check_bucket(bucket)
        with pytest.raises(NoSuchBucketError):
            transfer.check_bucket(ABSENT_BUCKET)

    def test_empty_bucket_has_no_keys(self, transfer: ObjectTransfer, bucket: str) -> None:
        assert not transfer.has_objects(bucket, "")
        assert list(transfer.list_keys(bucket, "")) == []

    def test_deleted_object_is_gone_and_may_be_deleted_again(self, transfer: ObjectTransfer, bucket: str) -> None:
        for key in ("gone", "kept"):
            transfer.upload(io.BytesIO(b"x"), bucket, key, content_type="text/csv")
        transfer.delete(bucket, "gone")
        transfer.delete(bucket, "gone")

        assert list(transfer.list_keys(bucket, "")) == ["kept"]

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 5], ids=["empty", "one", "all"])
    def test_file_comes_back(self, transfer: ObjectTransfer, bucket: str, tmp_path: Path, content: bytes) -> None:
        transfer.upload(io.BytesIO(content), bucket, "key", content_type="text/csv")
        transfer.download(bucket, "key", tmp_path / "file", never_stop)

        assert (tmp_path / "file").read_bytes() == content

    def test_large_file_comes_back_with_checkpoints(
        self, transfer: ObjectTransfer, bucket: str, tmp_path: Path
    ) -> None:
        content = bytes(range(256)) * (LARGE_BYTES // 256)
        called: list[int] = []
        (tmp_path / "source").write_bytes(content)
        with (tmp_path / "source").open("rb") as source:
            transfer.upload(source, bucket, "large", content_type="application/x-tar")
        transfer.download(bucket, "large", tmp_path / "file", lambda: called.append(1))

        assert (tmp_path / "file").read_bytes() == content
        assert len(called) > 2

    def test_upload_replaces_the_object(self, transfer: ObjectTransfer, bucket: str, tmp_path: Path) -> None:
        for content in (b"first", b"second"):
            transfer.upload(io.BytesIO(content), bucket, "key", content_type="text/csv")
        transfer.download(bucket, "key", tmp_path / "file", never_stop)

        assert (tmp_path / "file").read_bytes() == b"second"

    def test_keys_are_listed_below_their_prefix_in_order(self, transfer: ObjectTransfer, bucket: str) -> None:
        for key in ("data/z", "data/a", "data-b", "other"):
            transfer.upload(io.BytesIO(b""), bucket, key, content_type="text/csv")

        assert list(transfer.list_keys(bucket, "data")) == ["data-b", "data/a", "data/z"]
        assert transfer.has_objects(bucket, "data/")
        assert not transfer.has_objects(bucket, "data/b")

    @pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
    def test_odd_key_is_an_object_like_another(
        self, transfer: ObjectTransfer, bucket: str, tmp_path: Path, key: str
    ) -> None:
        transfer.upload(io.BytesIO(b"odd"), bucket, key, content_type="text/csv")
        transfer.download(bucket, key, tmp_path / "file", never_stop)

        assert (tmp_path / "file").read_bytes() == b"odd"
        assert list(transfer.list_keys(bucket, key)) == [key]

    def test_absent_object_is_told_and_leaves_no_file(
        self, transfer: ObjectTransfer, bucket: str, tmp_path: Path
    ) -> None:
        with pytest.raises(NoSuchKeyError):
            transfer.download(bucket, "absent", tmp_path / "file", never_stop)
        assert list(tmp_path.iterdir()) == []

    def test_absent_bucket_is_told(self, transfer: ObjectTransfer, bucket: str) -> None:
        with pytest.raises(NoSuchBucketError):
            transfer.has_objects(ABSENT_BUCKET, "")
        with pytest.raises(NoSuchBucketError):
            list(transfer.list_keys(ABSENT_BUCKET, ""))
        with pytest.raises(NoSuchBucketError):
            transfer.upload(io.BytesIO(b"x"), ABSENT_BUCKET, "key", content_type="text/csv")

    def test_checkpoint_ends_a_download(self, transfer: ObjectTransfer, bucket: str, tmp_path: Path) -> None:
        transfer.upload(io.BytesIO(bytes(LARGE_BYTES)), bucket, "large", content_type="application/x-tar")

        def stop() -> None:
            raise _StoppedError

        with pytest.raises(_StoppedError):
            transfer.download(bucket, "large", tmp_path / "file", stop)

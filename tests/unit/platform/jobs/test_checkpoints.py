"""A sync beside a program that writes, deletes, links, and is killed between any two steps."""

import os
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest

from seatrial.contract.s3_uris import S3Uri
from seatrial.core.errors import ConfigError
from seatrial.core.trees import OutsideError
from seatrial.objects.errors import ObjectStoreError
from seatrial.objects.files import FileStore
from seatrial.objects.transfer import StoreTransfer
from seatrial.platform.jobs.checkpoints import CheckpointSync

LOCAL_PATH = PurePosixPath("/opt/ml/checkpoints")


class Dying(StoreTransfer):
    """Ends the process, as it were, at the given call."""

    lives = 1_000

    def upload(self, source: BinaryIO, bucket: str, key: str, *, content_type: str) -> None:
        self._live()
        super().upload(source, bucket, key, content_type=content_type)
        self._live()

    def delete(self, bucket: str, key: str) -> None:
        self._live()
        super().delete(bucket, key)
        self._live()

    def _live(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise KeyboardInterrupt


class Bench:
    def __init__(self, directory: Path) -> None:
        self.store = FileStore(directory / "objects")
        self.store.create_bucket("b", region="us-east-1")
        self.transfer = Dying(self.store)
        self.work = directory / "work"
        self.work.mkdir()

    @property
    def directory(self) -> Path:
        return self.work / "checkpoints"

    def sync(self) -> CheckpointSync:
        """Of a process that has just been started."""
        return CheckpointSync(
            self.transfer, S3Uri("b", "ck"), LOCAL_PATH, self.directory, self.work / "checkpoints.json"
        )

    def restored(self) -> CheckpointSync:
        sync = self.sync()
        sync.restore(lambda: None)
        return sync

    def objects(self) -> dict[str, bytes]:
        infos = self.store.list_all("b", prefix="ck/")
        return {info.key.removeprefix("ck/"): self.store.path_of("b", info.key).read_bytes() for info in infos}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_restored_file_that_nobody_touches_is_left_alone(bench: Bench) -> None:
    bench.store.put_bytes("b", "ck/d/a", b"1")
    sync = bench.restored()
    bench.transfer.lives = 0

    assert (bench.directory / "d/a").read_bytes() == b"1"
    assert sync.finish() == ()
    assert bench.objects() == {"d/a": b"1"}


def test_new_changed_and_deleted_files_are_synced_with_markers(bench: Bench) -> None:
    for name in ("changed", "deleted"):
        bench.store.put_bytes("b", f"ck/{name}", b"1")
    sync = bench.restored()
    (bench.directory / "new").write_bytes(b"2")
    (bench.directory / "changed").write_bytes(b"22")
    (bench.directory / "deleted").unlink()
    (bench.directory / "not.sagemaker-ignore").write_bytes(b"2")
    (bench.directory / "old.sagemaker-uploaded").touch()

    assert sync.finish() == ()
    assert bench.objects() == {"new": b"2", "changed": b"22"}
    markers = sorted(path.name for path in bench.directory.glob("*.sagemaker-*"))
    assert markers == ["changed.sagemaker-uploaded", "new.sagemaker-uploaded", "not.sagemaker-ignore"]


@pytest.mark.parametrize("lives", range(6))
def test_process_that_dies_in_a_sync_leaves_the_next_one_what_it_needs(bench: Bench, lives: int) -> None:
    bench.store.put_bytes("b", "ck/deleted", b"1")
    sync = bench.restored()
    (bench.directory / "deleted").unlink()
    for name in ("a", "b"):
        (bench.directory / name).write_bytes(b"2")
    bench.transfer.lives = lives
    with pytest.raises(KeyboardInterrupt):
        sync.finish()
    bench.transfer.lives = 100
    (bench.directory / "a").unlink()  # meanwhile, whether it is in S3 or not

    assert bench.sync().finish() == ()
    assert bench.objects() == {"b": b"2"}


def test_directory_that_is_half_restored_or_half_removed_deletes_nothing(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.store.put_bytes("b", f"ck/{name}", b"1")

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.sync().restore(die)
    assert bench.sync().finish() == ()
    assert set(bench.objects()) == {"a", "b"}

    bench.directory.rmdir()
    bench.restored().finish()
    (bench.directory / "a").unlink()
    assert bench.sync().finish() == ()
    assert set(bench.objects()) == {"a", "b"}


def test_links_are_followed_inside_and_nothing_outside_is_read(bench: Bench, tmp_path: Path) -> None:
    sync = bench.restored()
    (tmp_path / "secret").write_bytes(b"secret")
    (bench.directory / "a").write_bytes(b"1")
    (bench.directory / "relative").symlink_to("a")
    (bench.directory / "absolute").symlink_to(LOCAL_PATH / "a")
    (bench.directory / "host").symlink_to(tmp_path / "secret")
    (bench.directory / "up").symlink_to("../../secret")
    (bench.directory / "directory").symlink_to(tmp_path)
    os.mkfifo(bench.directory / "fifo")

    assert sync.finish() == ()
    assert bench.objects() == {"a": b"1", "relative": b"1", "absolute": b"1"}
    assert len(sync.passed_over()) == 4


def test_directory_that_becomes_a_link_between_two_looks_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    sync = bench.restored()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a").write_bytes(b"secret")
    (bench.directory / "d").mkdir()
    (bench.directory / "d/a").write_bytes(b"1")
    scan = sync._checkpoints.scan()
    (bench.directory / "d/a").unlink()
    (bench.directory / "d").rmdir()
    (bench.directory / "d").symlink_to(tmp_path / "elsewhere")

    assert "d/a" in scan.files
    with pytest.raises(OutsideError):
        sync._checkpoints.open("d/a")
    sync._checkpoints.mark_uploaded("d/a")
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["a"]


def test_store_that_refuses_is_a_problem_and_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = bench.restored()
    (bench.directory / "a").write_bytes(b"1")

    def refuse(*_: object, **__: object) -> None:
        raise ObjectStoreError("store-refused", "the S3 server is tired")

    with monkeypatch.context() as patch:
        patch.setattr(bench.transfer, "upload", refuse)
        assert sync.finish() == ("s3://b/ck/a is not in step: the S3 server is tired",)
    assert bench.sync().finish() == ()
    assert bench.objects() == {"a": b"1"}


def test_restore_from_a_bucket_that_is_gone_says_so(bench: Bench) -> None:
    bench.store.delete_bucket("b")
    with pytest.raises(ConfigError, match="Data download failed:"):
        bench.restored()

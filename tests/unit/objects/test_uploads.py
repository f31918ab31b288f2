"""Unfinished uploads on disk: what is left when several things happen at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from seatrial.objects.base import Attributes, UploadInfo
from seatrial.objects.errors import NoSuchUploadError
from seatrial.objects.files import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "objects")
    store.create_bucket("bucket")
    return store


def begin(store: FileStore) -> UploadInfo:
    upload_id = store.create_upload("bucket", "key", attributes=Attributes(), algorithm=None, checksum_type=None)
    return store.describe_upload("bucket", "key", upload_id)


def put_part(store: FileStore, upload: UploadInfo, number: int) -> None:
    with store.receive(()) as incoming:
        incoming.write(b"x" * 100)
        store.put_part(upload, number, incoming)


def directories_left(store: FileStore) -> list[str]:
    bookkeeping = store.root / ".seatrial"
    return [str(path) for name in ("uploads", "tmp") for path in (bookkeeping / name).iterdir()]


def test_part_whose_upload_is_removed_before_it_is_written_down_leaves_nothing(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 3: the part's record brought the directory back, and nothing ever removed it."""
    upload = begin(store)
    rename, has_aborted = os.rename, []

    def rename_and_abort(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        if str(target).endswith("00001.json") and not has_aborted:
            has_aborted.append(True)
            store.abort_upload(upload)
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_and_abort)
    with pytest.raises(NoSuchUploadError):
        put_part(store, upload, 1)

    assert has_aborted
    assert directories_left(store) == []


def test_parts_that_arrive_while_the_upload_is_aborted_leave_nothing(store: FileStore) -> None:
    for _ in range(20):
        upload = begin(store)

        def arrive(first: int, upload: UploadInfo = upload) -> None:
            for number in range(first, first + 50):
                try:
                    put_part(store, upload, number)
                except NoSuchUploadError:
                    return

        threads = [threading.Thread(target=arrive, args=(first,)) for first in (1, 101)]
        for thread in threads:
            thread.start()
        store.abort_upload(upload)
        for thread in threads:
            thread.join()
        assert directories_left(store) == []


def test_half_made_upload_of_a_killed_process_is_removed_when_it_is_old(store: FileStore) -> None:
    left = store.root / ".seatrial" / "tmp" / "0123-4567.upload"
    left.mkdir()
    (left / "upload.json").write_text("{}")
    FileStore(store.root)
    assert left.exists(), "another process may be at it"
    os.utime(left, (0, 0))
    FileStore(store.root)
    assert not left.exists()

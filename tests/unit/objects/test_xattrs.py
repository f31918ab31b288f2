"""Records in extended attributes: what they survive, and what happens where one has no place."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.objects import xattrs
from seatrial.objects.base import Attributes
from seatrial.objects.files import FileStore
from seatrial.objects.records import Record


def has_attributes() -> bool:
    """Whether the file system of temporary files keeps them."""
    if sys.platform != "linux":
        return False
    try:
        os.setxattr(Path(__file__), "user.seatrial.test", b"")
        os.removexattr(Path(__file__), "user.seatrial.test")
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_attributes(), reason="this file system keeps no extended attributes")

texts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
etags = st.builds(
    lambda digest, count: digest.hex() + (f"-{count}" if count else ""),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 10_000),
)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    made = FileStore(tmp_path / "root")
    made.create_bucket("b")
    return made


def sidecars(store: FileStore) -> list[Path]:
    folder = store.root / ".seatrial" / "meta" / "b"
    return [path for path in folder.rglob("*.json") if path.name != "bucket.json"]


def limit_attributes(monkeypatch: pytest.MonkeyPatch, size_bytes: int) -> None:
    """As on ext4, where the attributes of a file share one block."""
    real = os.setxattr

    def limited(file: int, name: str, value: bytes) -> None:
        if len(value) > size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file, name, value)

    monkeypatch.setattr(os, "setxattr", limited)


records = st.builds(
    Record,
    identity=st.just((7, 5 << 40, 1_800_000_000_000_000_001)),
    etag=etags,
    attributes=st.builds(Attributes, headers=texts, user_metadata=texts, tags=texts),
    checksums=texts,
    part_sizes=st.lists(st.integers(0, 5 << 30), max_size=4).map(tuple),
)


@given(record=records)
def test_any_record_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, record: Record) -> None:
    path = tmp_path_factory.getbasetemp() / "record"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        assert xattrs.write_record(descriptor, record)
        assert xattrs.read_record(descriptor, record.identity) == record
        assert xattrs.read_record(str(path), (7, 5 << 40, 1_800_000_000_000_000_002)) is None
    finally:
        os.close(descriptor)


def test_small_object_needs_no_sidecar_and_its_record_fits_into_an_inode(store: FileStore) -> None:
    with store.receive(["CRC32"]) as incoming:
        incoming.write(b"content")
        store.put("b", "k", incoming)
    assert sidecars(store) == []
    # 256 bytes less 128 and 32 of the inode's own fields, and 32 of headers and the name.
    assert len(os.getxattr(store.root / "b" / "k", xattrs.NAME)) <= 64


def test_store_that_was_copied_with_attributes_is_as_good_as_the_first(store: FileStore, tmp_path: Path) -> None:
    store.put_bytes("b", "k", b"content", content_type="a/b")
    shutil.copytree(store.root, tmp_path / "copy")
    copied = FileStore(tmp_path / "copy").describe("b", "k")
    assert copied == store.describe("b", "k")
    assert copied.attributes.headers == {"content-type": "a/b"}


def test_file_that_the_user_edits_loses_its_record(store: FileStore) -> None:
    etag = store.put_bytes("b", "k", b"content", content_type="a/b").etag
    (store.root / "b" / "k").write_bytes(b"another content")
    info = store.describe("b", "k")
    assert info.etag != etag
    assert info.attributes == Attributes()


def test_damaged_attribute_leaves_the_object_with_defaults(store: FileStore) -> None:
    store.put_bytes("b", "k", b"content", content_type="a/b")
    os.setxattr(store.root / "b" / "k", xattrs.NAME, b"\xc1")
    assert store.describe("b", "k").attributes == Attributes()


@pytest.mark.parametrize("first", ["v", "v" * 200])
@pytest.mark.parametrize("second", ["w", "w" * 200])
def test_record_moves_between_attribute_and_sidecar_as_it_grows_and_shrinks(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    limit_attributes(monkeypatch, 128)
    store.put_bytes("b", "k", b"content", x=first)
    assert store.describe("b", "k").attributes.headers == {"x": first}
    store.set_tags("b", "k", {"t": second})
    found = store.describe("b", "k")
    assert (found.attributes.headers, found.attributes.tags) == ({"x": first}, {"t": second})
    store.put_bytes("b", "k", b"new", x=second)
    assert store.describe("b", "k").attributes == Attributes(headers={"x": second})
    assert [info.attributes.headers for info in store.list_all("b")] == [{"x": second}]


def test_store_of_sidecars_is_read_where_attributes_are_there_now(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(xattrs, "write_record", lambda *_: False)
        store.put_bytes("b", "k", b"content", content_type="a/b")
    assert len(sidecars(store)) == 1
    assert store.describe("b", "k").attributes.headers == {"content-type": "a/b"}

"""The file store against a dictionary, and what only a store of plain files has to get right."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from seatrial.objects import listing, xattrs
from seatrial.objects.base import Attributes
from seatrial.objects.errors import NoSuchKeyError, ObjectStoreError
from seatrial.objects.files import FileStore

segments = st.sampled_from(["", "a", "a!", "b", "..", ".", "%~", "%~f", "%~da", "a\0", "é" * 130, "a" * 254])
keys = st.lists(segments, min_size=1, max_size=4).map("/".join).filter(lambda key: 0 < len(key.encode()) <= 1024)
contents = st.binary(max_size=8)


def content_of(store: FileStore, key: str) -> bytes:
    with store.open("b", key) as file:
        return os.pread(file.fileno(), 100, 0)


def page_of_model(model: dict[str, bytes], prefix: str, delimiter: str, after: str) -> tuple[list[str], list[str]]:
    """All that a listing should give, keys and prefixes."""
    found: list[str] = []
    prefixes: list[str] = []
    for key in sorted(model, key=str.encode):
        if not key.startswith(prefix):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        common = key[: end + len(delimiter)] if end >= 0 else None
        if common is not None:
            # A page never begins inside a common prefix.
            if common > after and not after.startswith(common) and common not in prefixes:
                prefixes.append(common)
        elif key > after:
            found.append(key)
    return found, prefixes


class StoreMachine(RuleBasedStateMachine):
    """Puts, deletes and dropped files in any order, seen as a dictionary."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="seatrial-store-"))
        self.store = FileStore(self.root)
        self.store.create_bucket("b")
        self.model: dict[str, bytes] = {}

    @rule(key=keys, content=contents)
    def put(self, key: str, content: bytes) -> None:
        self.store.put_bytes("b", key, content, content_type=f"x/{len(content)}")
        self.model[key] = content
        assert self.store.describe("b", key).attributes.headers == {"content-type": f"x/{len(content)}"}

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.store.delete("b", key)
        self.model.pop(key, None)

    @rule(key=st.sampled_from(["a", "a/b", "b/a", "b"]), content=contents)
    def drop(self, key: str, content: bytes) -> None:
        """A user writes a file where there is room for it."""
        path = self.root / "b" / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            return
        self.model[key] = content

    @rule(
        prefix=st.sampled_from(["", "a", "a/", "b", "..", "/", "%~"]) | keys,
        delimiter=st.sampled_from(["", "/", "a", "//"]),
        after=st.just("") | keys,
        size=st.integers(1, 4),
    )
    def list_pages(self, prefix: str, delimiter: str, after: str, size: int) -> None:
        wanted = page_of_model(self.model, prefix, delimiter, after)
        found: list[str] = []
        prefixes: list[str] = []
        at: str | None = after
        while at is not None:
            page = self.store.list_page("b", prefix=prefix, delimiter=delimiter, start_after=at, max_keys=size)
            found += [info.key for info in page.objects]
            prefixes += page.prefixes
            assert len(page.objects) + len(page.prefixes) <= size
            at = page.next_after
        assert (found, prefixes) == wanted

    @invariant()
    def same_content(self) -> None:
        if hasattr(self, "store"):
            listed = {info.key: content_of(self.store, info.key) for info in self.store.list_all("b")}
            assert listed == self.model

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    made = FileStore(tmp_path / "root")
    made.create_bucket("b")
    return made


def test_links_and_special_files_are_no_objects_and_stay(store: FileStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    folder = store.root / "b"
    (folder / "link").symlink_to(outside / "secret")
    (folder / "dir").symlink_to(outside)
    os.mkfifo(folder / "fifo")

    assert store.list_page("b").objects == []
    for key in ("link", "dir/secret", "fifo"):
        with pytest.raises(NoSuchKeyError):
            store.open("b", key)
        store.put_bytes("b", key, b"ours")
        assert content_of(store, key) == b"ours"
    assert (outside / "secret").read_text() == "secret"
    assert [path.name for path in outside.iterdir()] == ["secret"]
    with pytest.raises(ObjectStoreError):
        store.delete_bucket("b")


def test_file_whose_name_is_no_utf8_is_no_object(store: FileStore) -> None:
    (store.root / "b" / os.fsdecode(b"\xff")).touch()
    assert store.list_page("b").objects == []


def test_damaged_sidecar_leaves_the_object_with_defaults(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xattrs, "write_record", lambda *_: False)
    store.put_bytes("b", "k", b"content", content_type="a/b")
    for path in (store.root / ".seatrial" / "meta" / "b").rglob("*.json"):
        if path.name != "bucket.json":
            path.write_bytes(b"")
    info = store.describe("b", "k")
    assert (info.attributes, info.etag[-2:], content_of(store, "k")) == (Attributes(), "-1", b"content")


def test_bookkeeping_stays_out_of_the_bucket(store: FileStore) -> None:
    store.put_bytes("b", "a/b", b"x", content_type="a/b")
    assert [str(path.relative_to(store.root)) for path in sorted((store.root / "b").rglob("*"))] == ["b/a", "b/a/b"]
    store.delete("b", "a/b")
    assert list((store.root / "b").iterdir()) == []


def test_temporary_files_that_a_crash_left_are_cleared_at_the_start(store: FileStore) -> None:
    directory = store.root / ".seatrial" / "tmp"
    with store.receive() as held:
        held.write(b"x")
        (directory / "old.body").touch()
        for path in directory.iterdir():
            os.utime(path, (0, 0))
        (directory / "young.body").touch()
        FileStore(store.root)
        left = sorted(path.name for path in directory.iterdir())
    assert "old.body" not in left
    assert len(left) == 2


def test_listing_opens_only_directories_that_can_hold_the_prefix(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first, second in itertools.product("abc", "xyz"):
        store.put_bytes("b", f"{first}/{second}/k", b"")
    opened: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(listing.os, "scandir", lambda path: opened.append(str(path)) or scan(path))  # type: ignore[func-returns-value]

    page = store.list_page("b", prefix="b/y", delimiter="/")
    assert page.prefixes == ["b/y/"]
    assert [path.removeprefix(str(store.root)) for path in opened] == ["/b", "/b/b", "/b/b/y"]


def test_cached_directory_is_read_again_when_it_changes(store: FileStore) -> None:
    folder = store.root / "b"
    for index in range(300):
        (folder / f"{index:03}").touch()
    os.utime(folder, ns=(0, 0))
    assert len(store.list_page("b").objects) == 300
    assert len(store._cache._kept) == 1
    store.put_bytes("b", "new", b"")
    store.delete("b", "000")
    listed = [info.key for info in store.list_page("b").objects]
    assert (len(listed), listed[0], listed[-1]) == (300, "001", "new")

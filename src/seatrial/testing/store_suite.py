"""The rules of ``objects.base`` as tests: inherit ``StoreSuite`` to check an object store of your own.

::

    class TestMyStore(StoreSuite):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from seatrial.objects.base import PART_MIN_BYTES, Attributes, Condition, ObjectStore, Page, UploadInfo, WantedPart
from seatrial.objects.errors import (
    NoSuchBucketError,
    NoSuchKeyError,
    NoSuchUploadError,
    ObjectStoreError,
    PreconditionFailedError,
)

BUCKET = "bucket"

HOSTILE_KEYS = (
    "..",
    "../x",
    "/",
    "/etc/passwd",
    "a/./b",
    "a//b",
    "a\0b",
    "%~f",
    "%~da/b",
    "x" * 1024,
    "é" * 512,
    "/" * 1024,
    "\x01\n",
)


def content_of(store: ObjectStore, key: str) -> bytes:
    """The whole object."""
    with store.open(BUCKET, key) as file:
        return os.pread(file.fileno(), file.info.size_bytes + 1, 0)


def keys_of(page: Page) -> list[str]:
    """In their order."""
    return [info.key for info in page.objects]


class StoreSuite:
    """Contract tests of an object store."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def bucket(self, store: ObjectStore) -> None:
        store.create_bucket(BUCKET, region="us-east-1")

    # --- buckets ------------------------------------------------------------------------------------------------

    def test_create_bucket_twice_is_refused(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectStoreError) as caught:
            store.create_bucket(BUCKET, region="us-east-1")
        assert caught.value.code == "bucket-exists"

    @pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".seatrial", "a\0"])
    def test_bucket_names_that_lead_elsewhere_are_no_buckets(self, store: ObjectStore, name: str) -> None:
        with pytest.raises(ObjectStoreError):
            store.create_bucket(name, region="us-east-1")
        with pytest.raises(NoSuchBucketError):
            store.describe_bucket(name)

    def test_delete_bucket_with_an_object_is_refused(self, store: ObjectStore) -> None:
        store.put_bytes(BUCKET, "a/b", b"")
        with pytest.raises(ObjectStoreError) as caught:
            store.delete_bucket(BUCKET)
        assert caught.value.code == "bucket-not-empty"
        store.delete(BUCKET, "a/b")
        store.delete_bucket(BUCKET)
        assert store.list_buckets() == []
        with pytest.raises(NoSuchBucketError):
            store.put_bytes(BUCKET, "a", b"")

    def test_bucket_made_again_knows_nothing_of_the_old_one(self, store: ObjectStore) -> None:
        store.set_bucket_tags(BUCKET, {"a": "1"})
        store.delete_bucket(BUCKET)
        store.create_bucket(BUCKET, region="eu-west-1")
        found = store.describe_bucket(BUCKET)
        assert (found.region, found.tags) == ("eu-west-1", {})

    # --- objects ------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("key", HOSTILE_KEYS)
    def test_hostile_keys_are_keys(self, store: ObjectStore, key: str) -> None:
        store.put_bytes(BUCKET, key, b"content")
        assert content_of(store, key) == b"content"
        assert keys_of(store.list_page(BUCKET)) == [key]
        store.delete(BUCKET, key)
        assert keys_of(store.list_page(BUCKET)) == []

    @pytest.mark.parametrize("key", ["", "x" * 1025, "é" * 513])
    def test_keys_that_are_none_are_refused(self, store: ObjectStore, key: str) -> None:
        with pytest.raises(ObjectStoreError):
            store.put_bytes(BUCKET, key, b"")

    @pytest.mark.parametrize("keys", [("a", "a/b", "a/b/c"), ("a/b/c", "a/b", "a"), ("a/", "a", "a//", "a//b")])
    def test_keys_beside_their_prefixes_are_all_kept(self, store: ObjectStore, keys: tuple[str, ...]) -> None:
        for key in keys:
            store.put_bytes(BUCKET, key, key.encode())
        assert keys_of(store.list_page(BUCKET)) == sorted(keys)
        for key in keys:
            assert content_of(store, key) == key.encode()
            store.put_bytes(BUCKET, key, b"again")
            assert content_of(store, key) == b"again"
        for key in keys:
            store.delete(BUCKET, key)
            with pytest.raises(NoSuchKeyError):
                store.describe(BUCKET, key)

    def test_put_keeps_what_the_writer_says(self, store: ObjectStore) -> None:
        attributes = Attributes(headers={"content-type": "text/csv"}, user_metadata={"a": "1"}, tags={"t": "2"})
        with store.receive(["CRC32"]) as incoming:
            incoming.write(b"he")
            incoming.write(b"llo")
            info = store.put(BUCKET, "k", incoming, attributes=attributes)
        assert info.etag == hashlib.md5(b"hello", usedforsecurity=False).hexdigest()
        assert (info.attributes, info.checksums) == (attributes, {"CRC32": "NhCmhg=="})
        assert store.describe(BUCKET, "k") == info
        assert store.list_page(BUCKET).objects == [info]

    def test_set_tags_changes_nothing_else(self, store: ObjectStore) -> None:
        before = store.put_bytes(BUCKET, "k", b"x", content_type="text/csv")
        store.set_tags(BUCKET, "k", {"a": "1"})
        after = store.describe(BUCKET, "k")
        assert after.attributes == Attributes(headers={"content-type": "text/csv"}, tags={"a": "1"})
        assert (after.etag, after.modified_ns) == (before.etag, before.modified_ns)

    def test_open_object_is_not_touched_by_later_writes(self, store: ObjectStore) -> None:
        store.put_bytes(BUCKET, "k", b"old")
        with store.open(BUCKET, "k") as file:
            store.put_bytes(BUCKET, "k", b"newer")
            store.delete(BUCKET, "k")
            assert os.pread(file.fileno(), 100, 0) == b"old"

    def test_body_that_is_not_put_is_forgotten(self, store: ObjectStore) -> None:
        with store.receive() as incoming:
            incoming.write(b"x")
        assert keys_of(store.list_page(BUCKET)) == []

    def test_conditions_are_checked_against_what_is_there(self, store: ObjectStore) -> None:
        etag = store.put_bytes(BUCKET, "k", b"1").etag
        for condition in (Condition(if_none_match="*"), Condition(if_match='"other"')):
            with store.receive() as incoming, pytest.raises(PreconditionFailedError):
                store.put(BUCKET, "k", incoming, condition=condition)
        with pytest.raises(PreconditionFailedError):
            store.delete(BUCKET, "k", condition=Condition(if_match="other"))
        store.delete(BUCKET, "k", condition=Condition(if_match=f'"{etag}"'))
        with store.receive() as incoming, pytest.raises(NoSuchKeyError):
            store.put(BUCKET, "k", incoming, condition=Condition(if_match=etag))

    def test_copy_takes_content_and_new_attributes(self, store: ObjectStore) -> None:
        info = store.put_bytes(BUCKET, "k", b"content", content_type="a/b")
        attributes = Attributes(user_metadata={"n": "1"})
        for key in ("copy", "k"):
            with store.open(BUCKET, "k") as source:
                copy = store.copy(source, BUCKET, key, attributes=attributes)
            assert (copy.etag, copy.attributes) == (info.etag, attributes)
            assert content_of(store, key) == b"content"

    # --- many at once -------------------------------------------------------------------------------------------

    def test_readers_see_one_write_or_another(self, store: ObjectStore) -> None:
        store.put_bytes(BUCKET, "k", b"0", content_type="0")
        ended = threading.Event()

        def write(number: int) -> None:
            for round_number in range(15):
                text = str(number * 100 + round_number)
                store.put_bytes(BUCKET, "k", text.encode() * (number + 1), content_type=text)

        def read() -> None:
            while not ended.is_set():
                with store.open(BUCKET, "k") as file:
                    content = os.pread(file.fileno(), 100_000, 0)
                    text = file.info.attributes.headers["content-type"]
                    assert content.decode().startswith(text)
                    assert file.info.etag == hashlib.md5(content, usedforsecurity=False).hexdigest()

        with ThreadPoolExecutor(6) as executor:
            readers = [executor.submit(read) for _ in range(2)]
            for writer in [executor.submit(write, number) for number in range(4)]:
                writer.result()
            ended.set()
            for reader in readers:
                reader.result()

    def test_put_if_none_match_lets_one_of_many_through(self, store: ObjectStore) -> None:
        def attempt(_: int) -> bool:
            with store.receive() as incoming:
                try:
                    store.put(BUCKET, "k", incoming, condition=Condition(if_none_match="*"))
                except PreconditionFailedError:
                    return False
            return True

        with ThreadPoolExecutor(8) as executor:
            assert sum(executor.map(attempt, range(16))) == 1

    def test_puts_beside_deletes_of_their_neighbours_are_kept(self, store: ObjectStore) -> None:
        """A directory goes with its last object while another object is on its way into it."""

        def work(number: int) -> None:
            for _ in range(20):
                store.put_bytes(BUCKET, f"a/b/{number}", b"x")
                store.put_bytes(BUCKET, "a" if number % 2 else "a/b", b"y")
                assert content_of(store, f"a/b/{number}") == b"x"
                store.delete(BUCKET, f"a/b/{number}")
                store.delete(BUCKET, "a" if number % 2 else "a/b")

        with ThreadPoolExecutor(4) as executor:
            list(executor.map(work, range(4)))
        store.delete_bucket(BUCKET)

    # --- listing ------------------------------------------------------------------------------------------------

    def test_list_page_goes_by_the_bytes_of_whole_keys(self, store: ObjectStore) -> None:
        keys = ["a!", "a", "a/b", "a/", "a0", "é", "z", "a-/x", "🙂", "\uffff"]
        for key in keys:
            store.put_bytes(BUCKET, key, b"")
        assert keys_of(store.list_page(BUCKET)) == sorted(keys, key=str.encode)

    def test_list_page_goes_on_where_the_last_one_ended(self, store: ObjectStore) -> None:
        for key in ("a/1", "a/2", "b", "c/1", "d"):
            store.put_bytes(BUCKET, key, b"")
        pages = []
        after: str | None = ""
        while after is not None:
            page = store.list_page(BUCKET, delimiter="/", start_after=after, max_keys=1)
            pages.append((keys_of(page), page.prefixes))
            after = page.next_after
        assert pages == [([], ["a/"]), (["b"], []), ([], ["c/"]), (["d"], [])]
        assert [info.key for info in store.list_all(BUCKET, prefix="a/")] == ["a/1", "a/2"]

    # --- multipart uploads --------------------------------------------------------------------------------------

    def _begin(self, store: ObjectStore, key: str = "k") -> UploadInfo:
        attributes = Attributes(headers={"content-type": "a/b"})
        upload_id = store.create_upload(BUCKET, key, attributes=attributes, algorithm=None, checksum_type=None)
        return store.describe_upload(BUCKET, key, upload_id)

    def _part(self, store: ObjectStore, upload: UploadInfo, number: int, body: bytes) -> WantedPart:
        with store.receive() as incoming:
            incoming.write(body)
            return WantedPart(number=number, etag=store.put_part(upload, number, incoming).etag)

    def test_complete_upload_joins_the_parts(self, store: ObjectStore) -> None:
        upload = self._begin(store)
        first, last = b"a" * PART_MIN_BYTES, b"b"
        parts = [self._part(store, upload, number, body) for number, body in ((2, last), (1, first))]
        info = store.complete_upload(upload, sorted(parts, key=lambda part: part.number))
        assert info.part_sizes == (len(first), len(last))
        assert info.etag.endswith("-2")
        assert info.attributes.headers == {"content-type": "a/b"}
        assert content_of(store, "k") == first + last
        with pytest.raises(NoSuchUploadError):
            store.describe_upload(BUCKET, "k", upload.upload_id)

    def test_complete_upload_refuses_wrong_parts(self, store: ObjectStore) -> None:
        upload = self._begin(store)
        one, two = (self._part(store, upload, number, b"x") for number in (1, 2))
        for parts, code in (
            ([two, one], "part-order-invalid"),
            ([one, one], "part-order-invalid"),
            ([one, two], "part-too-small"),
            ([WantedPart(number=3, etag=one.etag)], "part-invalid"),
            ([WantedPart(number=1, etag="0")], "part-invalid"),
        ):
            with pytest.raises(ObjectStoreError) as caught:
                store.complete_upload(upload, parts)
            assert caught.value.code == code
        assert keys_of(store.list_page(BUCKET)) == []

    def test_abort_upload_forgets_it(self, store: ObjectStore) -> None:
        upload = self._begin(store)
        self._part(store, upload, 1, b"x")
        assert store.list_uploads(BUCKET) == [upload]
        store.abort_upload(upload)
        assert store.list_uploads(BUCKET) == []
        with pytest.raises(NoSuchUploadError):
            self._part(store, upload, 2, b"x")

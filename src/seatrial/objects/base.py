"""What an object store is.

Rules, which ``testing.store_suite`` checks:

- Every method may be called from any number of threads and processes at once.
- A write is there or is not: a reader sees an object with the content and the attributes of one write, never a
  mixture; after ``put`` has returned the object survives a power cut.
- A write is seen by every read that begins after it returned.
- Keys are listed in the order of their UTF-8 bytes.
- A key is any text of 1 to 1,024 bytes of UTF-8.
- Bodies are streamed; nothing holds an object in memory.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from seatrial.objects.checksums import Bytes
from seatrial.objects.errors import NoSuchKeyError, PreconditionFailedError

PART_MIN_BYTES = 5 << 20
"""Every part of a multipart upload but the last. Source: S3 user guide, "Amazon S3 multipart upload limits"."""
PART_NUMBER_MAX = 10_000
"""Source: as above."""


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the writer of an object said of it."""

    headers: dict[str, str] = {}
    """HTTP headers that come back with the object, such as ``content-type``; names in lower case."""
    user_metadata: dict[str, str] = {}
    """Names in lower case, without ``x-amz-meta-``."""
    tags: dict[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """One object without its content."""

    key: str
    size_bytes: int
    modified_ns: int
    """Nanoseconds since 1970."""
    etag: str
    """Without quotes."""
    attributes: Attributes = field(default_factory=Attributes)
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Algorithm to checksum in base64; one that ends in ``-N`` is of the kind ``COMPOSITE``."""
    part_sizes: tuple[int, ...] = ()
    """Bytes of the parts of a multipart upload; empty for another object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketInfo:
    """One bucket."""

    name: str
    created_ns: int
    """Nanoseconds since 1970."""
    region: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to be true of the object that a write replaces or deletes; ``*`` stands for any ETag."""

    if_match: str | None = None
    if_none_match: str | None = None

    def check(self, bucket: str, key: str, current_etag: str | None) -> None:
        """Compare with the ETag of the object that is there; ``None`` when there is none.

        Raises:
            NoSuchKeyError: ``if_match`` and there is no object.
            PreconditionFailedError: the condition does not hold.
        """
        if self.if_match is not None:
            if current_etag is None:
                raise NoSuchKeyError(bucket, key)
            if not etag_matches(self.if_match, current_etag):
                raise PreconditionFailedError("If-Match")
        if (
            self.if_none_match is not None
            and current_etag is not None
            and etag_matches(self.if_none_match, current_etag)
        ):
            raise PreconditionFailedError("If-None-Match")


def etag_matches(wanted: str, etag: str) -> bool:
    """Whether a list of ETags as in ``If-Match`` names this one; the quotes may be missing."""
    return any(one.strip().removeprefix("W/").strip('"') in ("*", etag) for one in wanted.split(","))


ALWAYS = Condition()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a listing."""

    objects: list[ObjectInfo]
    prefixes: list[str]
    """Common prefixes, each once."""
    next_after: str | None
    """Where the next page begins: its ``start_after``; ``None`` on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadInfo:
    """A multipart upload that was begun."""

    upload_id: str
    bucket: str
    key: str
    initiated_ns: int
    attributes: Attributes
    algorithm: str | None
    """Of the checksums of its parts."""
    checksum_type: str | None
    """``COMPOSITE`` or ``FULL_OBJECT``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartInfo:
    """A part that was uploaded."""

    number: int
    size_bytes: int
    modified_ns: int
    etag: str
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPart:
    """A part that an upload is to be completed with."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    """Those that the client told; they have to be the part's."""


class Incoming(Protocol):
    """A body on its way in; leave the ``with`` block without handing it to ``put`` and it is forgotten."""

    @property
    def size_bytes(self) -> int:
        """Bytes written so far."""

    def write(self, data: Bytes) -> None:
        """Add bytes."""

    def md5(self) -> bytes:
        """MD5 of all bytes so far."""

    def checksum(self, algorithm: str) -> str:
        """One of the checksums that were asked for, in base64."""

    def discard(self) -> None:
        """Forget it; nothing happens when it was stored."""

    def __enter__(self) -> Incoming: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class OpenObject(Protocol):
    """An object that is read; a later write or delete does not touch what is read here."""

    info: ObjectInfo

    def fileno(self) -> int:
        """A file descriptor; read it with ``os.pread``."""

    def close(self) -> None:
        """Close the descriptor."""

    def __enter__(self) -> OpenObject: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ObjectStore(abc.ABC):
    """Buckets of objects. Every method that takes a bucket raises ``NoSuchBucketError`` when it is not there."""

    # --- buckets ------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def create_bucket(self, bucket: str, *, region: str) -> None:
        """Make an empty bucket; the caller has checked the name against S3's rules.

        Raises:
            ObjectStoreError: ``bucket-exists``.
        """

    @abc.abstractmethod
    def delete_bucket(self, bucket: str) -> None:
        """Remove a bucket and its unfinished uploads.

        Raises:
            ObjectStoreError: ``bucket-not-empty``.
        """

    @abc.abstractmethod
    def describe_bucket(self, bucket: str) -> BucketInfo:
        """Say what is known of a bucket."""

    @abc.abstractmethod
    def list_buckets(self) -> list[BucketInfo]:
        """All buckets, by name."""

    @abc.abstractmethod
    def set_bucket_tags(self, bucket: str, tags: Mapping[str, str]) -> None:
        """Replace a bucket's tags."""

    # --- objects ------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def receive(self, algorithms: Collection[str] = ()) -> Incoming:
        """Begin to take a body in; ``algorithms`` are computed on the way."""

    @abc.abstractmethod
    def put(
        self,
        bucket: str,
        key: str,
        incoming: Incoming,
        *,
        attributes: Attributes = Attributes(),  # noqa: B008 (frozen)
        condition: Condition = ALWAYS,
    ) -> ObjectInfo:
        """Store a body that came in under a key.

        Raises:
            ObjectStoreError: ``key-invalid``, ``key-too-long``, ``key-obstructed``, or the condition's.
        """

    @abc.abstractmethod
    def open(self, bucket: str, key: str) -> OpenObject:
        """Open an object.

        Raises:
            NoSuchKeyError: there is none.
        """

    @abc.abstractmethod
    def describe(self, bucket: str, key: str) -> ObjectInfo:
        """Say what is known of an object.

        Raises:
            NoSuchKeyError: there is none.
        """

    @abc.abstractmethod
    def path_of(self, bucket: str, key: str) -> Path:
        """The plain file of an object, to link or clone it; it must not be written to.

        Raises:
            NoSuchKeyError: there is none.
        """

    @abc.abstractmethod
    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Replace an object's tags; everything else of it stays.

        Raises:
            NoSuchKeyError: there is none.
        """

    @abc.abstractmethod
    def delete(self, bucket: str, key: str, *, condition: Condition = ALWAYS) -> None:
        """Remove an object; it is no error when there is none, unless the condition says so."""

    @abc.abstractmethod
    def copy(
        self,
        source: OpenObject,
        bucket: str,
        key: str,
        *,
        attributes: Attributes,
        algorithm: str | None = None,
        condition: Condition = ALWAYS,
    ) -> ObjectInfo:
        """Store the content of an open object under another key, or its own.

        Args:
            source: What is copied.
            bucket: Where to.
            key: Where to.
            attributes: Those of the copy.
            algorithm: The checksum that the copy shall have; those of the source when there is none.
            condition: On the object that is replaced.
        """

    @abc.abstractmethod
    def list_page(
        self, bucket: str, *, prefix: str = "", delimiter: str = "", start_after: str = "", max_keys: int = 1000
    ) -> Page:
        """One page of a listing.

        Args:
            bucket: Of which bucket.
            prefix: Only keys that begin with it.
            delimiter: Keys that have it after the prefix are told only by what comes before, the delimiter included.
            start_after: Only keys and common prefixes behind this.
            max_keys: Upper bound on objects and prefixes together.
        """

    def list_all(self, bucket: str, *, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object below a prefix, page by page."""
        after: str | None = ""
        while after is not None:
            page = self.list_page(bucket, prefix=prefix, start_after=after)
            yield from page.objects
            after = page.next_after

    # --- multipart uploads --------------------------------------------------------------------------------------

    @abc.abstractmethod
    def create_upload(
        self, bucket: str, key: str, *, attributes: Attributes, algorithm: str | None, checksum_type: str | None
    ) -> str:
        """Begin a multipart upload and return its id."""

    @abc.abstractmethod
    def describe_upload(self, bucket: str, key: str, upload_id: str) -> UploadInfo:
        """Say what is known of an upload.

        Raises:
            NoSuchUploadError: there is none of this id for this key.
        """

    @abc.abstractmethod
    def put_part(self, upload: UploadInfo, number: int, incoming: Incoming) -> PartInfo:
        """Store a body as a part; one of the same number is replaced.

        Raises:
            NoSuchUploadError: the upload ended meanwhile.
        """

    @abc.abstractmethod
    def list_parts(self, upload: UploadInfo) -> list[PartInfo]:
        """The parts by number."""

    @abc.abstractmethod
    def list_uploads(self, bucket: str) -> list[UploadInfo]:
        """The unfinished uploads by key and time."""

    @abc.abstractmethod
    def complete_upload(
        self, upload: UploadInfo, parts: Sequence[WantedPart], *, condition: Condition = ALWAYS
    ) -> ObjectInfo:
        """Join parts to one object.

        Raises:
            ObjectStoreError: ``part-order-invalid``, ``part-invalid`` or ``part-too-small``.
            NoSuchUploadError: the upload ended meanwhile.
        """

    @abc.abstractmethod
    def abort_upload(self, upload: UploadInfo) -> None:
        """Forget an upload and its parts."""

    def put_bytes(self, bucket: str, key: str, body: bytes | Iterable[bytes], **headers: str) -> ObjectInfo:
        """Store a body that is at hand; ``content_type="text/csv"`` becomes its header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self.receive() as incoming:
            for chunk in (body,) if isinstance(body, bytes) else body:
                incoming.write(chunk)
            return self.put(bucket, key, incoming, attributes=Attributes(headers=named))

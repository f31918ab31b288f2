"""The object store on ordinary files.

::

    root/<bucket>/                       the objects, as plain files: see ``keys``
    root/.seatrial/meta/<bucket>/        bucket.json, and the side-cars that objects need (``sidecar``)
    root/.seatrial/uploads/<id>/         unfinished multipart uploads (``uploads``)
    root/.seatrial/tmp/                  files that are being written (``incoming``)
    root/.seatrial/locks/                what writers of one key wait for

A put writes a temporary file, gives it its record (``xattrs``) and syncs it; then, with the key's lock, checks the
condition, renames the file and syncs the directory. Readers take no lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import cast

import msgspec

from seatrial.objects import listing, places, xattrs
from seatrial.objects.base import (
    ALWAYS,
    Attributes,
    BucketInfo,
    Condition,
    Incoming,
    ObjectInfo,
    ObjectStore,
    OpenObject,
    Page,
    PartInfo,
    UploadInfo,
    WantedPart,
)
from seatrial.objects.checksums import FULL_OBJECT, composite_checksum, full_object_checksum
from seatrial.objects.disk import Locks, is_directory, sync_directory, write_atomically
from seatrial.objects.errors import NoSuchBucketError, NoSuchKeyError, ObjectStoreError
from seatrial.objects.incoming import IncomingFile, remove_abandoned
from seatrial.objects.keys import check_key
from seatrial.objects.records import Identity, Record, default_record, identity_of, object_info
from seatrial.objects.sidecar import Sidecars
from seatrial.objects.uploads import Part, Uploads, choose_parts

BOOKKEEPING = ".seatrial"
"""Beside the buckets; no bucket's name begins with a dot."""

_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
"""What may be a bucket's folder; S3's own rules are narrower and the service's matter."""

_DEFAULT_REGION = "us-east-1"


class _BucketRecord(msgspec.Struct, frozen=True):
    created_ns: int
    region: str
    tags: dict[str, str] = {}


_BUCKET_DECODER = msgspec.json.Decoder(_BucketRecord)


class OpenFile:
    """An object that is read."""

    def __init__(self, descriptor: int, info: ObjectInfo) -> None:
        self.info = info
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FileStore(ObjectStore):
    """Keeps buckets as folders.

    Args:
        root: The directory of the buckets; made when it is missing. Only one file system may be below it.
    """

    def __init__(self, root: Path) -> None:
        bookkeeping = root / BOOKKEEPING
        for name in ("meta", "uploads", "tmp", "locks"):
            (bookkeeping / name).mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        bookkeeping = self.root / BOOKKEEPING
        self._temporary_dir = bookkeeping / "tmp"
        self._sidecars = Sidecars(bookkeeping / "meta", self._temporary_dir)
        self._uploads = Uploads(bookkeeping / "uploads", self._temporary_dir)
        self._locks = Locks(bookkeeping / "locks", lambda name: zlib.crc32(name.encode()))
        self._cache = listing.DirectoryCache()
        remove_abandoned(self._temporary_dir)

    # --- buckets ------------------------------------------------------------------------------------------------

    def create_bucket(self, bucket: str, *, region: str = _DEFAULT_REGION) -> None:
        if _BUCKET_NAME.fullmatch(bucket) is None:
            raise ObjectStoreError("bucket-name-invalid", f"'{bucket}' cannot be the name of a bucket")
        with self._locks.held(bucket):
            try:
                (self.root / bucket).mkdir()
            except FileExistsError:
                raise ObjectStoreError("bucket-exists", f"there is a bucket '{bucket}' already") from None
            self._write_bucket(bucket, _BucketRecord(created_ns=time.time_ns(), region=region))
            sync_directory(str(self.root))

    def delete_bucket(self, bucket: str) -> None:
        with self._locks.held(bucket):
            folder = self._folder(bucket)
            not_empty = ObjectStoreError(
                "bucket-not-empty", f"bucket '{bucket}' is not empty", where=folder, fix="delete its objects first"
            )
            if next(listing.walk(folder, "", listing.Position(), self._cache), None) is not None:
                raise not_empty
            try:
                places.remove_empty_directories(folder)
            except OSError:
                raise not_empty from None
            sync_directory(str(self.root))
            shutil.rmtree(self._sidecars.folder(bucket), ignore_errors=True)
            for upload in self._uploads.of_bucket(bucket):
                self._uploads.remove(upload)

    def describe_bucket(self, bucket: str) -> BucketInfo:
        folder = self._folder(bucket)
        record = self._read_bucket(bucket, folder)
        return BucketInfo(name=bucket, created_ns=record.created_ns, region=record.region, tags=record.tags)

    def list_buckets(self) -> list[BucketInfo]:
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        found = []
        for name in sorted(name for name in names if _BUCKET_NAME.fullmatch(name)):
            with contextlib.suppress(NoSuchBucketError):
                found.append(self.describe_bucket(name))
        return found

    def set_bucket_tags(self, bucket: str, tags: Mapping[str, str]) -> None:
        with self._locks.held(bucket):
            record = self._read_bucket(bucket, self._folder(bucket))
            self._write_bucket(bucket, msgspec.structs.replace(record, tags=dict(tags)))

    def _read_bucket(self, bucket: str, folder: str) -> _BucketRecord:
        """A folder that the user made is a bucket as well."""
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            return _BUCKET_DECODER.decode((self._sidecars.folder(bucket) / "bucket.json").read_bytes())
        try:
            created_ns = os.lstat(folder).st_mtime_ns
        except FileNotFoundError:
            raise NoSuchBucketError(bucket) from None
        return _BucketRecord(created_ns=created_ns, region=_DEFAULT_REGION)

    def _write_bucket(self, bucket: str, record: _BucketRecord) -> None:
        path = self._sidecars.folder(bucket) / "bucket.json"
        write_atomically(path, msgspec.json.encode(record), temporary_dir=self._temporary_dir, is_durable=True)

    def _folder(self, bucket: str) -> str:
        folder = f"{self.root}/{bucket}"
        if _BUCKET_NAME.fullmatch(bucket) is None or not is_directory(folder):
            raise NoSuchBucketError(bucket)
        return folder

    # --- objects: read ------------------------------------------------------------------------------------------

    def open(self, bucket: str, key: str) -> OpenFile:
        folder = self._folder(bucket)
        check_key(key)
        while True:
            path = next(places.find_files(folder, key), None)
            if path is None:
                raise NoSuchKeyError(bucket, key)
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                if os.path.lexists(path) and stat.S_ISREG(os.lstat(path).st_mode):
                    raise
                continue  # it was replaced by something else since it was looked at
            try:
                status = os.fstat(descriptor)
                record = self._record_of(bucket, key, path, status, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if record is not None and stat.S_ISREG(status.st_mode):
                return OpenFile(descriptor, object_info(key, record))
            os.close(descriptor)

    def describe(self, bucket: str, key: str) -> ObjectInfo:
        folder = self._folder(bucket)
        check_key(key)
        while True:
            path = next(places.find_files(folder, key), None)
            if path is None:
                raise NoSuchKeyError(bucket, key)
            info = self._describe_path(bucket, key, path)
            if info is not None:
                return info

    def path_of(self, bucket: str, key: str) -> Path:
        folder = self._folder(bucket)
        check_key(key)
        path = next(places.find_files(folder, key), None)
        if path is None:
            raise NoSuchKeyError(bucket, key)
        return Path(path)

    def list_page(
        self, bucket: str, *, prefix: str = "", delimiter: str = "", start_after: str = "", max_keys: int = 1000
    ) -> Page:
        folder = self._folder(bucket)
        return listing.list_page(
            lambda position: listing.walk(folder, prefix, position, self._cache),
            lambda key, path: self._describe_path(bucket, key, path),
            prefix=prefix,
            delimiter=delimiter,
            start_after=start_after,
            max_keys=max_keys,
        )

    def list_all(self, bucket: str, *, prefix: str = "") -> Iterator[ObjectInfo]:
        for key, path in listing.walk(self._folder(bucket), prefix, listing.Position(), self._cache):
            info = self._describe_path(bucket, key, path)
            if info is not None:
                yield info

    def _describe_path(self, bucket: str, key: str, path: str) -> ObjectInfo | None:
        """The object whose file is at a path; ``None`` when it is gone."""
        while True:
            try:
                status = os.lstat(path)
            except (FileNotFoundError, NotADirectoryError):
                return None
            if not stat.S_ISREG(status.st_mode):
                return None
            record = self._record_of(bucket, key, path, status)
            if record is not None:
                return object_info(key, record)

    def _record_of(
        self, bucket: str, key: str, path: str, status: os.stat_result, descriptor: int | None = None
    ) -> Record | None:
        """The record of a file that was just seen at a path, or opened there; ``None`` when it is another by now."""
        identity = identity_of(status)
        file = path if descriptor is None else descriptor
        record = self._written_record(bucket, key, file, identity)
        if record is None:
            try:
                is_current = identity_of(os.lstat(path)) == identity
            except (FileNotFoundError, NotADirectoryError):
                is_current = False
            if is_current:
                # Nobody wrote since: no record was ever made for it, or this one was made just now.
                record = self._written_record(bucket, key, file, identity) or default_record(identity)
        return record

    def _written_record(self, bucket: str, key: str, file: int | str, identity: Identity) -> Record | None:
        return xattrs.read_record(file, identity) or self._sidecars.read(bucket, key).get(identity)

    # --- objects: write -----------------------------------------------------------------------------------------

    def receive(self, algorithms: Collection[str] = ()) -> IncomingFile:
        return IncomingFile(self._temporary_dir, algorithms)

    def put(
        self,
        bucket: str,
        key: str,
        incoming: Incoming,
        *,
        attributes: Attributes = Attributes(),  # noqa: B008 (frozen)
        condition: Condition = ALWAYS,
    ) -> ObjectInfo:
        file = cast("IncomingFile", incoming)
        check_key(key)
        record = Record(
            identity=file.identity(),
            etag=file.md5().hex(),
            attributes=attributes,
            checksums=file.checksums(),
        )
        return self._commit(bucket, key, file, record, condition)

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
        check_key(key)
        self._folder(bucket)
        info = source.info
        has_hashes = "-" not in info.etag and (algorithm is None or algorithm in info.checksums)
        algorithms = [algorithm] if algorithm is not None else []
        with IncomingFile(self._temporary_dir, algorithms, hashes=not has_hashes) as incoming:
            if has_hashes:
                incoming.copy_from(source.fileno(), 0, info.size_bytes)
            else:
                for chunk in read_chunks(source.fileno(), 0, info.size_bytes):
                    incoming.write(chunk)
            record = Record(
                identity=incoming.identity(),
                etag=info.etag if has_hashes else incoming.md5().hex(),
                attributes=attributes,
                checksums=dict(info.checksums) if has_hashes else incoming.checksums(),
            )
            return self._commit(bucket, key, incoming, record, condition)

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        folder = self._folder(bucket)
        check_key(key)
        with self._locks.held(f"{bucket}/{key}"):
            current = self._current(bucket, key, folder)
            if current is None:
                raise NoSuchKeyError(bucket, key)
            attributes = msgspec.structs.replace(current.attributes, tags=dict(tags))
            self._replace_record(bucket, key, folder, msgspec.structs.replace(current, attributes=attributes))

    def delete(self, bucket: str, key: str, *, condition: Condition = ALWAYS) -> None:
        folder = self._folder(bucket)
        check_key(key)
        with self._locks.held(f"{bucket}/{key}"):
            if condition != ALWAYS:
                current = self._current(bucket, key, folder)
                condition.check(bucket, key, current.etag if current else None)
            if places.remove_files(folder, key):
                self._sidecars.remove(bucket, key)

    def _commit(
        self, bucket: str, key: str, incoming: IncomingFile, record: Record, condition: Condition
    ) -> ObjectInfo:
        folder = self._folder(bucket)
        has_record = incoming.seal(record)
        with self._locks.held(f"{bucket}/{key}"):
            if condition != ALWAYS or not has_record:
                current = self._current(bucket, key, folder)
                condition.check(bucket, key, current.etag if current else None)
                if not has_record:
                    self._sidecars.write(bucket, key, [record] if current is None else [current, record])
            places.place_file(folder, key, incoming.path)
        incoming.close()
        return object_info(key, record)

    def _current(self, bucket: str, key: str, folder: str) -> Record | None:
        """The record of the object that is there; the caller holds the key's lock."""
        path = next(places.find_files(folder, key), None)
        if path is None:
            return None
        identity = identity_of(os.lstat(path))
        return self._written_record(bucket, key, path, identity) or default_record(identity)

    def _replace_record(self, bucket: str, key: str, folder: str, record: Record) -> None:
        """Give the object that is there another record; the caller holds the key's lock."""
        path = next(places.find_files(folder, key), None)
        if path is None:
            raise NoSuchKeyError(bucket, key)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not xattrs.write_record(descriptor, record):
                self._sidecars.write(bucket, key, [record])
                xattrs.remove_record(descriptor)  # it would count for more
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    # --- multipart uploads --------------------------------------------------------------------------------------

    def create_upload(
        self,
        bucket: str,
        key: str,
        *,
        attributes: Attributes = Attributes(),  # noqa: B008 (frozen)
        algorithm: str | None = None,
        checksum_type: str | None = None,
    ) -> str:
        check_key(key)
        self._folder(bucket)
        upload = UploadInfo(
            upload_id=secrets.token_hex(16),
            bucket=bucket,
            key=key,
            initiated_ns=time.time_ns(),
            attributes=attributes,
            algorithm=algorithm,
            checksum_type=checksum_type,
        )
        self._uploads.create(upload)
        return upload.upload_id

    def describe_upload(self, bucket: str, key: str, upload_id: str) -> UploadInfo:
        self._folder(bucket)
        return self._uploads.find(bucket, key, upload_id)

    def put_part(self, upload: UploadInfo, number: int, incoming: Incoming) -> PartInfo:
        return self._uploads.put_part(upload, number, cast("IncomingFile", incoming))

    def list_parts(self, upload: UploadInfo) -> list[PartInfo]:
        return [part.info() for part in self._uploads.parts(upload).values()]

    def list_uploads(self, bucket: str) -> list[UploadInfo]:
        self._folder(bucket)
        return self._uploads.of_bucket(bucket)

    def complete_upload(
        self, upload: UploadInfo, parts: Sequence[WantedPart], *, condition: Condition = ALWAYS
    ) -> ObjectInfo:
        self._folder(upload.bucket)
        chosen = choose_parts(self._uploads.parts(upload), parts)
        with IncomingFile(self._temporary_dir, hashes=False) as incoming:
            self._uploads.join(upload, chosen, incoming)
            record = Record(
                identity=incoming.identity(),
                etag=_joined_etag(chosen),
                attributes=upload.attributes,
                checksums=_joined_checksums(upload, chosen),
                part_sizes=tuple(part.size_bytes for part in chosen),
            )
            info = self._commit(upload.bucket, upload.key, incoming, record, condition)
        self._uploads.remove(upload)
        return info

    def abort_upload(self, upload: UploadInfo) -> None:
        self._uploads.remove(upload)


def read_chunks(descriptor: int, offset: int, size: int, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Bytes of a file, piece by piece.

    Raises:
        OSError: the file ended early.
    """
    end = offset + size
    while offset < end:
        chunk = os.pread(descriptor, min(chunk_bytes, end - offset), offset)
        if not chunk:
            raise OSError("a file is shorter than it was")
        offset += len(chunk)
        yield chunk


def _joined_etag(parts: Sequence[Part]) -> str:
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _joined_checksums(upload: UploadInfo, parts: Sequence[Part]) -> dict[str, str]:
    if upload.algorithm is None:
        return {}
    rendered = [part.checksums[upload.algorithm] for part in parts]
    if upload.checksum_type == FULL_OBJECT:
        sizes = [part.size_bytes for part in parts]
        return {upload.algorithm: full_object_checksum(upload.algorithm, zip(rendered, sizes, strict=True))}
    return {upload.algorithm: composite_checksum(upload.algorithm, rendered)}

"""Multipart uploads that are not finished: a directory each, in it one file and one small JSON file a part.

The JSON names the file, so a part that is uploaded again is replaced at once. Parts are not synced: a power cut may
take them, and completing then fails for a part that is shorter than it was.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from seatrial.objects.base import PART_MIN_BYTES, Attributes, PartInfo, UploadInfo, WantedPart
from seatrial.objects.disk import sync_directory, write_atomically
from seatrial.objects.errors import NoSuchUploadError, ObjectStoreError
from seatrial.objects.incoming import IncomingFile

_REMOVAL_ATTEMPTS = 10
"""A part whose place was looked up just before the directory moved comes with it; none can come later. What a failing
disk keeps is removed at a later start."""
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


class Part(msgspec.Struct, frozen=True):
    """What is known of a part."""

    number: int
    file: str
    size_bytes: int
    modified_ns: int
    etag: str
    checksums: dict[str, str]

    def info(self) -> PartInfo:
        """The part as the store's users see it."""
        return PartInfo(
            number=self.number,
            size_bytes=self.size_bytes,
            modified_ns=self.modified_ns,
            etag=self.etag,
            checksums=self.checksums,
        )


class _Upload(msgspec.Struct, frozen=True):
    bucket: str
    key: str
    initiated_ns: int
    attributes: Attributes
    algorithm: str | None
    checksum_type: str | None


_UPLOAD_DECODER = msgspec.json.Decoder(_Upload)
_PART_DECODER = msgspec.json.Decoder(Part)


class Uploads:
    """The unfinished uploads of all buckets."""

    def __init__(self, directory: Path, temporary_dir: Path) -> None:
        self._directory = directory
        self._temporary_dir = temporary_dir

    def create(self, upload: UploadInfo) -> None:
        """Write down that an upload began."""
        record = _Upload(
            upload.bucket,
            upload.key,
            upload.initiated_ns,
            upload.attributes,
            upload.algorithm,
            upload.checksum_type,
        )
        begun = self._outside(upload)
        begun.mkdir()
        self._write(begun / "upload.json", record, is_durable=True)
        begun.rename(self._directory / upload.upload_id)
        sync_directory(str(self._directory))

    def find(self, bucket: str, key: str, upload_id: str) -> UploadInfo:
        """An upload by all its names.

        Raises:
            NoSuchUploadError: there is none.
        """
        upload = self._read(upload_id) if _UPLOAD_ID.fullmatch(upload_id) else None
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise NoSuchUploadError(upload_id)
        return upload

    def of_bucket(self, bucket: str) -> list[UploadInfo]:
        """The uploads of a bucket by key and time."""
        names = [entry.name for entry in os.scandir(self._directory)]
        uploads = [upload for name in names if (upload := self._read(name)) is not None and upload.bucket == bucket]
        return sorted(uploads, key=lambda upload: (upload.key, upload.initiated_ns, upload.upload_id))

    def put_part(self, upload: UploadInfo, number: int, incoming: IncomingFile) -> PartInfo:
        """Take a body as a part."""
        directory = self._directory / upload.upload_id
        part = Part(
            number=number,
            file=f"{number:05}-{secrets.token_hex(4)}",
            size_bytes=incoming.size_bytes,
            modified_ns=incoming.identity()[2],
            etag=incoming.md5().hex(),
            checksums=incoming.checksums(),
        )
        path = directory / f"{number:05}.json"
        old = _read_part(path)
        try:
            os.rename(incoming.path, directory / part.file)
            self._write(path, part, is_durable=False)
        except FileNotFoundError:
            raise NoSuchUploadError(upload.upload_id) from None
        incoming.close()
        if old is not None:
            (directory / old.file).unlink(missing_ok=True)
        return part.info()

    def parts(self, upload: UploadInfo) -> dict[int, Part]:
        """The parts by number.

        Raises:
            NoSuchUploadError: the upload ended meanwhile.
        """
        try:
            with os.scandir(self._directory / upload.upload_id) as entries:
                paths = [entry.path for entry in entries if entry.name[0].isdigit() and entry.name.endswith(".json")]
        except FileNotFoundError:
            raise NoSuchUploadError(upload.upload_id) from None
        parts = [part for path in paths if (part := _read_part(Path(path))) is not None]
        return {part.number: part for part in sorted(parts, key=lambda part: part.number)}

    def join(self, upload: UploadInfo, parts: Sequence[Part], incoming: IncomingFile) -> None:
        """Append the parts' bytes to a body.

        Raises:
            NoSuchUploadError: the upload ended meanwhile.
        """
        for part in parts:
            try:
                descriptor = os.open(self._directory / upload.upload_id / part.file, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise NoSuchUploadError(upload.upload_id) from None
            try:
                if os.fstat(descriptor).st_size != part.size_bytes:
                    raise _invalid_part(part.number)
                incoming.copy_from(descriptor, 0, part.size_bytes)
            finally:
                os.close(descriptor)

    def remove(self, upload: UploadInfo) -> None:
        """Forget an upload; one that is already gone is no error."""
        doomed = self._outside(upload)
        try:
            # Gone at once, with every part: one that arrives now finds no place.
            (self._directory / upload.upload_id).rename(doomed)
        except FileNotFoundError:
            return
        for _ in range(_REMOVAL_ATTEMPTS):
            shutil.rmtree(doomed, ignore_errors=True)
            if not doomed.exists():
                return

    def _outside(self, upload: UploadInfo) -> Path:
        """A directory's place before it is an upload, and after; what a killed process left there is removed."""
        return self._temporary_dir / f"{upload.upload_id}-{secrets.token_hex(4)}.upload"

    def _read(self, upload_id: str) -> UploadInfo | None:
        try:
            record = _UPLOAD_DECODER.decode((self._directory / upload_id / "upload.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return None
        return UploadInfo(
            upload_id=upload_id,
            bucket=record.bucket,
            key=record.key,
            initiated_ns=record.initiated_ns,
            attributes=record.attributes,
            algorithm=record.algorithm,
            checksum_type=record.checksum_type,
        )

    def _write(self, path: Path, record: msgspec.Struct, *, is_durable: bool) -> None:
        data = msgspec.json.encode(record)
        write_atomically(path, data, temporary_dir=self._temporary_dir, is_durable=is_durable, makes_directory=False)


def choose_parts(parts: dict[int, Part], wanted: Sequence[WantedPart]) -> list[Part]:
    """The parts that an upload is completed with, checked as S3 does.

    Raises:
        ObjectStoreError: ``part-order-invalid``, ``part-invalid`` or ``part-too-small``.
    """
    numbers = [one.number for one in wanted]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise ObjectStoreError(
            "part-order-invalid", "the parts are not in ascending order", fix="list them by part number"
        )
    return list(_checked(parts, wanted))


def _checked(parts: dict[int, Part], wanted: Sequence[WantedPart]) -> Iterator[Part]:
    for position, one in enumerate(wanted):
        part = parts.get(one.number)
        if part is None or part.etag != one.etag.strip('"'):
            raise _invalid_part(one.number)
        if any(part.checksums.get(name) not in (None, value) for name, value in one.checksums.items()):
            raise _invalid_part(one.number)
        if position < len(wanted) - 1 and part.size_bytes < PART_MIN_BYTES:
            raise ObjectStoreError(
                "part-too-small",
                f"part {one.number} is too small",
                found=f"{part.size_bytes} bytes",
                expected=f"at least {PART_MIN_BYTES} bytes in every part but the last",
                fix="upload larger parts",
            )
        yield part


def _invalid_part(number: int) -> ObjectStoreError:
    return ObjectStoreError(
        "part-invalid",
        f"part {number} was not uploaded, or is not the one that was",
        fix="upload it again and name the ETag of the answer",
    )


def _read_part(path: Path) -> Part | None:
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        return _PART_DECODER.decode(path.read_bytes())
    return None

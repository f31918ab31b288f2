"""CopyObject and UploadPartCopy."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import msgspec

from seatrial.objects.base import PART_NUMBER_MAX, Attributes, ObjectStore, OpenObject
from seatrial.objects.files import read_chunks
from seatrial.platform.services.s3 import features
from seatrial.platform.services.s3.bodies import PUT_MAX_BYTES, algorithm_of
from seatrial.platform.services.s3.conditions import is_not_modified, write_condition
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.objects import (
    checksum_type,
    read_attributes,
    write_headers,
)
from seatrial.platform.services.s3.ranges import parse_copy_range
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import S3Response, iso_date, xml_response
from seatrial.platform.services.s3.tagging import parse_tag_header
from seatrial.platform.services.s3.xml import document, tag

_COPY_SOURCE = "x-amz-copy-source"
_SELF_COPY = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
    "metadata, storage class, website redirect location or encryption attributes."
)
_CHANGING_HEADERS = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")


def copy_object(store: ObjectStore, request: S3Request) -> S3Response:
    headers = request.headers
    features.check_write(headers)
    bucket, key = _source(request)
    replaces_metadata = _directive(headers.get("x-amz-metadata-directive"), "x-amz-metadata-directive")
    replaces_tags = _directive(headers.get("x-amz-tagging-directive"), "x-amz-tagging-directive")
    is_changing = replaces_metadata or any(name in headers for name in _CHANGING_HEADERS)
    if (bucket, key) == (request.bucket, request.key) and not is_changing:
        raise S3Error("InvalidRequest", _SELF_COPY)
    with store.open(bucket, key) as source:
        _check_source(source, request)
        if source.info.size_bytes > PUT_MAX_BYTES:
            raise S3Error(
                "InvalidRequest",
                "The specified copy source is larger than the maximum allowable size for a copy source: "
                f"{PUT_MAX_BYTES}",
            )
        info = store.copy(
            source,
            request.bucket,
            request.key,
            attributes=_attributes(source, request, replaces_metadata=replaces_metadata, replaces_tags=replaces_tags),
            algorithm=algorithm_of(headers, "x-amz-checksum-algorithm"),
            condition=write_condition(headers),
        )
    checksums = [tag(f"Checksum{name}", value) for name, value in info.checksums.items()]
    if checksums:
        checksums.append(tag("ChecksumType", checksum_type(info)))
    answer = document(
        "CopyObjectResult",
        tag("LastModified", iso_date(info.modified_ns)),
        tag("ETag", f'"{info.etag}"'),
        *checksums,
    )
    echoed = write_headers(info)
    del echoed["etag"]
    return xml_response(answer, headers=echoed)


def upload_part_copy(store: ObjectStore, request: S3Request) -> S3Response:
    upload = store.describe_upload(request.bucket, request.key, request.query["uploadId"])
    number = part_number(request)
    algorithms = [upload.algorithm] if upload.algorithm else []
    with store.open(*_source(request)) as source, store.receive(algorithms) as incoming:
        _check_source(source, request)
        offset, size = 0, source.info.size_bytes
        if "x-amz-copy-source-range" in request.headers:
            offset, size = parse_copy_range(request.headers["x-amz-copy-source-range"], size)
        if size > PUT_MAX_BYTES:
            raise S3Error("EntityTooLarge", ProposedSize=str(size), MaxSizeAllowed=str(PUT_MAX_BYTES))
        for chunk in read_chunks(source.fileno(), offset, size):
            incoming.write(chunk)
        part = store.put_part(upload, number, incoming)
    checksums = [tag(f"Checksum{name}", value) for name, value in part.checksums.items()]
    return xml_response(
        document(
            "CopyPartResult",
            tag("LastModified", iso_date(part.modified_ns)),
            tag("ETag", f'"{part.etag}"'),
            *checksums,
        )
    )


def part_number(request: S3Request) -> int:
    """The number of a part that is uploaded.

    Raises:
        S3Error: ``InvalidArgument``.
    """
    number = request.number("partNumber", 0, maximum=1_000_000)
    if not 1 <= number <= PART_NUMBER_MAX:
        raise S3Error(
            "InvalidArgument",
            "Part number must be an integer between 1 and 10000, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=request.query.get("partNumber", ""),
        )
    return number


def _source(request: S3Request) -> tuple[str, str]:
    header = request.headers[_COPY_SOURCE]
    path, _, version = header.partition("?versionId=")
    invalid = S3Error(
        "InvalidArgument",
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        ArgumentName=_COPY_SOURCE,
        ArgumentValue=header,
    )
    try:
        bucket, _, key = unquote_to_bytes(path.encode("latin-1")).decode().removeprefix("/").partition("/")
    except UnicodeError:
        raise invalid from None
    if not bucket or not key or version not in ("", "null"):
        raise invalid
    return bucket, key


def _check_source(source: OpenObject, request: S3Request) -> None:
    """For a copy, what a read answers with 304 is a failed condition as well."""
    if is_not_modified(request.headers, source.info, prefix=f"{_COPY_SOURCE}-"):
        raise S3Error("PreconditionFailed", Condition="x-amz-copy-source-If-None-Match")


def _directive(value: str | None, name: str) -> bool:
    """Whether a directive says REPLACE."""
    if value not in (None, "COPY", "REPLACE"):
        raise S3Error("InvalidArgument", f"Unknown {name}.", ArgumentName=name, ArgumentValue=value or "")
    return value == "REPLACE"


def _attributes(source: OpenObject, request: S3Request, *, replaces_metadata: bool, replaces_tags: bool) -> Attributes:
    told = read_attributes(request.headers)
    old = source.info.attributes
    if replaces_metadata:
        attributes = told
    else:
        changed = {name: told.headers[name] for name in _CHANGING_HEADERS if name in told.headers}
        kept = {name: value for name, value in old.headers.items() if name not in _CHANGING_HEADERS}
        attributes = msgspec.structs.replace(old, headers={**kept, **changed})
    tags = parse_tag_header(request.headers.get("x-amz-tagging")) if replaces_tags else old.tags
    return msgspec.structs.replace(attributes, tags=tags)

"""ListObjects, ListObjectsV2 and ListObjectVersions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from urllib.parse import quote

from seatrial.objects.base import ObjectInfo, ObjectStore, Page
from seatrial.platform.services.s3.buckets import owner
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.objects import checksum_type
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import S3Response, iso_date, xml_response
from seatrial.platform.services.s3.xml import document, element, tag

KEYS_MAX = 1000
"""On one page. Source: Amazon S3 API reference, ListObjectsV2."""

Encode = Callable[[str], str]


def list_objects(store: ObjectStore, request: S3Request) -> S3Response:
    marker = request.query.get("marker", "")
    encode = encoding(request)
    page, common = _page(store, request, marker)
    # Without a delimiter the last key is the marker of the next page; S3 does not repeat it.
    has_marker = page.next_after is not None and bool(request.query.get("delimiter"))
    return xml_response(
        document(
            "ListBucketResult",
            *common,
            tag("Marker", encode(marker)),
            *([tag("NextMarker", encode(page.next_after or ""))] if has_marker else []),
            *[_contents(info, encode, owner(request)) for info in page.objects],
            *_prefixes(page, encode),
        )
    )


def list_objects_v2(store: ObjectStore, request: S3Request) -> S3Response:
    if request.query["list-type"] != "2":
        raise S3Error("InvalidArgument", "Invalid List Type specified in Query", ArgumentName="list-type")
    token = request.query.get("continuation-token")
    start_after = request.query.get("start-after", "")
    encode = encoding(request)
    page, common = _page(store, request, start_after if token is None else _read_token(token))
    shown_owner = owner(request) if request.query.get("fetch-owner", "").lower() == "true" else ""
    return xml_response(
        document(
            "ListBucketResult",
            *common,
            *([tag("StartAfter", encode(start_after))] if start_after else []),
            *([tag("ContinuationToken", token)] if token is not None else []),
            *([tag("NextContinuationToken", _write_token(page.next_after))] if page.next_after is not None else []),
            tag("KeyCount", len(page.objects) + len(page.prefixes)),
            *[_contents(info, encode, shown_owner) for info in page.objects],
            *_prefixes(page, encode),
        )
    )


def list_object_versions(store: ObjectStore, request: S3Request) -> S3Response:
    """Where versions are off every object has the one version ``null``."""
    marker = request.query.get("key-marker", "")
    encode = encoding(request)
    page, common = _page(store, request, marker)
    more = (
        [tag("NextKeyMarker", encode(page.next_after)), tag("NextVersionIdMarker", "null")] if page.next_after else []
    )
    versions = [
        element("Version", *_facts(info, encode), tag("VersionId", "null"), tag("IsLatest", "true"), owner(request))
        for info in page.objects
    ]
    return xml_response(
        document(
            "ListVersionsResult",
            *common,
            tag("KeyMarker", encode(marker)),
            tag("VersionIdMarker", ""),
            *more,
            *versions,
            *_prefixes(page, encode),
        )
    )


def encoding(request: S3Request) -> Encode:
    """How keys are written in this answer.

    Raises:
        S3Error: ``InvalidArgument``.
    """
    kind = request.query.get("encoding-type")
    if kind is None:
        return str
    if kind != "url":
        raise S3Error(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=kind,
        )
    return lambda key: quote(key, safe="/")


def _page(store: ObjectStore, request: S3Request, after: str) -> tuple[Page, list[str]]:
    """The page, and the elements that all listings have."""
    encode = encoding(request)
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    max_keys = request.number("max-keys", KEYS_MAX, maximum=KEYS_MAX)
    page = store.list_page(request.bucket, prefix=prefix, delimiter=delimiter, start_after=after, max_keys=max_keys)
    common = [
        tag("Name", request.bucket),
        tag("Prefix", encode(prefix)),
        *([tag("Delimiter", encode(delimiter))] if delimiter else []),
        tag("MaxKeys", max_keys),
        *([tag("EncodingType", "url")] if "encoding-type" in request.query else []),
        tag("IsTruncated", "false" if page.next_after is None else "true"),
    ]
    return page, common


def _contents(info: ObjectInfo, encode: Encode, shown_owner: str) -> str:
    return element("Contents", *_facts(info, encode), shown_owner)


def _facts(info: ObjectInfo, encode: Encode) -> list[str]:
    checksums = [tag("ChecksumAlgorithm", name) for name in info.checksums]
    if checksums:
        checksums.append(tag("ChecksumType", checksum_type(info)))
    return [
        tag("Key", encode(info.key)),
        tag("LastModified", iso_date(info.modified_ns)),
        tag("ETag", f'"{info.etag}"'),
        *checksums,
        tag("Size", info.size_bytes),
        tag("StorageClass", info.attributes.headers.get("x-amz-storage-class", "STANDARD")),
    ]


def _prefixes(page: Page, encode: Encode) -> list[str]:
    return [element("CommonPrefixes", tag("Prefix", encode(prefix))) for prefix in page.prefixes]


def _write_token(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise S3Error(
            "InvalidArgument", "The continuation token provided is incorrect", ArgumentName="continuation-token"
        ) from None

"""Put, get, head and delete objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from seatrial.core.errors import SeatrialError
from seatrial.objects.base import Attributes, Condition, Incoming, ObjectInfo, ObjectStore
from seatrial.objects.checksums import COMPOSITE, FULL_OBJECT
from seatrial.platform.services.s3 import features, xml
from seatrial.platform.services.s3.bodies import Bodies, algorithm_of
from seatrial.platform.services.s3.conditions import is_not_modified, write_condition
from seatrial.platform.services.s3.errors import S3Error, of_store
from seatrial.platform.services.s3.headers import KEPT
from seatrial.platform.services.s3.ranges import parse_range
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import READ_BYTES, FileBody, S3Response, http_date, xml_response
from seatrial.platform.services.s3.tagging import parse_tag_header
from seatrial.platform.services.s3.xml import XmlError, document, element, tag

DEFAULT_CONTENT_TYPE = "binary/octet-stream"
"""Of an object whose writer named none, and of a file that was dropped into a bucket; nothing is guessed."""

USER_METADATA_MAX_BYTES = 2048
"""Names and values together. Source: S3 user guide, "Working with object metadata"."""

_META = "x-amz-meta-"
_ECHOED_ON_WRITE = tuple(name for name in KEPT if "encryption" in name)
_OVERRIDES = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)


def read_attributes(headers: Mapping[str, str]) -> Attributes:
    """What a writer says of an object.

    Raises:
        S3Error: ``MetadataTooLarge`` or a wrong tag.
    """
    kept = {name: headers[name] for name in KEPT if name in headers}
    encodings = [one.strip() for one in kept.pop("content-encoding", "").split(",")]
    encoding = ",".join(one for one in encodings if one and one != "aws-chunked")
    if encoding:
        kept["content-encoding"] = encoding
    metadata = {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)}
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > USER_METADATA_MAX_BYTES:
        raise S3Error("MetadataTooLarge", Size=str(size), MaxSizeAllowed=str(USER_METADATA_MAX_BYTES))
    return Attributes(headers=kept, user_metadata=metadata, tags=parse_tag_header(headers.get("x-amz-tagging")))


async def put_object(bodies: Bodies, store: ObjectStore, request: S3Request) -> S3Response:
    features.check_write(request.headers)
    attributes = read_attributes(request.headers)
    condition = write_condition(request.headers)

    def finish(incoming: Incoming) -> ObjectInfo:
        return store.put(request.bucket, request.key, incoming, attributes=attributes, condition=condition)

    algorithm = algorithm_of(request.headers, "x-amz-sdk-checksum-algorithm")
    info = await bodies.take_in(request, finish, algorithms=[algorithm] if algorithm else [])
    return S3Response(headers={**write_headers(info), **checksum_headers(info)})


def write_headers(info: ObjectInfo) -> dict[str, str]:
    """What every write answers."""
    echoed = {name: info.attributes.headers[name] for name in _ECHOED_ON_WRITE if name in info.attributes.headers}
    return {"etag": f'"{info.etag}"', **echoed}


def checksum_headers(info: ObjectInfo) -> dict[str, str]:
    """Checksums and their kind."""
    headers = {f"x-amz-checksum-{name.lower()}": value for name, value in info.checksums.items()}
    if headers:
        headers["x-amz-checksum-type"] = checksum_type(info)
    return headers


def checksum_type(info: ObjectInfo) -> str:
    """``COMPOSITE`` when a checksum is one of checksums."""
    return COMPOSITE if any("-" in value for value in info.checksums.values()) else FULL_OBJECT


def get_object(store: ObjectStore, request: S3Request) -> S3Response:
    _check_version(request)
    features.check_read(request.headers)
    file = store.open(request.bucket, request.key)
    try:
        response = _read(file.info, request)
        if not isinstance(response, tuple):
            file.close()
            return response
        answer, offset, size = response
        if size <= READ_BYTES:
            answer.body = os.pread(file.fileno(), size, offset)
            file.close()
            if len(answer.body) < size:
                raise S3Error("InternalError")
        else:
            answer.body = FileBody(file, offset, size)
    except BaseException:
        file.close()
        raise
    return answer


def head_object(store: ObjectStore, request: S3Request) -> S3Response:
    _check_version(request)
    features.check_read(request.headers)
    response = _read(store.describe(request.bucket, request.key), request)
    if not isinstance(response, tuple):
        return response
    answer, _, size = response
    answer.headers["content-length"] = str(size)
    return answer


def _read(info: ObjectInfo, request: S3Request) -> S3Response | tuple[S3Response, int, int]:
    """The answer without its body, and the stretch of the object that the body is."""
    headers = _object_headers(info)
    if is_not_modified(request.headers, info):
        kept = ("etag", "last-modified", "cache-control", "expires")
        return S3Response(status=304, headers={name: headers[name] for name in kept if name in headers})
    for name in _OVERRIDES:
        if f"response-{name}" in request.query:
            headers[name] = request.query[f"response-{name}"]
    stretch = parse_range(request.headers.get("range"), info.size_bytes)
    if "partNumber" in request.query:
        if "range" in request.headers:
            raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        stretch = _part(info, request)
        if info.part_sizes:
            headers["x-amz-mp-parts-count"] = str(len(info.part_sizes))
    if stretch is None:
        if request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers.update(checksum_headers(info))
        return S3Response(headers=headers), 0, info.size_bytes
    offset, size = stretch
    headers["content-range"] = f"bytes {offset}-{offset + size - 1}/{info.size_bytes}"
    return S3Response(status=206, headers=headers), offset, size


def _object_headers(info: ObjectInfo) -> dict[str, str]:
    attributes = info.attributes
    headers = {
        "etag": f'"{info.etag}"',
        "last-modified": http_date(info.modified_ns),
        "accept-ranges": "bytes",
        "content-type": DEFAULT_CONTENT_TYPE,
        **attributes.headers,
        **{_META + name: value for name, value in attributes.user_metadata.items()},
    }
    if attributes.tags:
        headers["x-amz-tagging-count"] = str(len(attributes.tags))
    if headers.get("x-amz-storage-class") == "STANDARD":
        del headers["x-amz-storage-class"]
    return headers


def _part(info: ObjectInfo, request: S3Request) -> tuple[int, int] | None:
    number = request.number("partNumber", 0, maximum=100_000)
    sizes = info.part_sizes or (info.size_bytes,)
    if not 1 <= number <= len(sizes):
        raise S3Error("InvalidRange", "The requested partnumber is not satisfiable", PartNumberRequested=str(number))
    return (sum(sizes[: number - 1]), sizes[number - 1]) if info.size_bytes else None


def delete_object(store: ObjectStore, request: S3Request) -> S3Response:
    _check_version(request)
    features.check_delete(request.headers)
    store.delete(request.bucket, request.key, condition=Condition(if_match=request.headers.get("if-match")))
    return S3Response(status=204)


def delete_objects(store: ObjectStore, request: S3Request, body: bytes) -> S3Response:
    try:
        root = xml.parse(body)
    except XmlError:
        raise S3Error("MalformedXML") from None
    wanted = root.findall("Object")
    if root.tag != "Delete" or not 1 <= len(wanted) <= 1000:
        raise S3Error("MalformedXML")
    store.describe_bucket(request.bucket)
    is_quiet = (root.findtext("Quiet") or "").strip().lower() == "true"
    results = []
    for one in wanted:
        key = one.findtext("Key") or ""
        version = one.findtext("VersionId") or "null"
        try:
            if version != "null":
                raise S3Error("InvalidArgument", "Invalid version id specified")
            store.delete(request.bucket, key, condition=Condition(if_match=one.findtext("ETag")))
        except (S3Error, SeatrialError) as error:
            told = error if isinstance(error, S3Error) else of_store(error)
            parts = tag("Key", key), tag("Code", told.code), tag("Message", told.message)
            results.append(element("Error", *parts))
        else:
            if not is_quiet:
                results.append(element("Deleted", tag("Key", key)))
    return xml_response(document("DeleteResult", *results))


def get_object_attributes(store: ObjectStore, request: S3Request) -> S3Response:
    _check_version(request)
    wanted = {one.strip() for one in request.headers.get("x-amz-object-attributes", "").split(",")} - {""}
    if not wanted or wanted - {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}:
        raise S3Error("InvalidArgument", "Invalid attribute name specified.", ArgumentName="x-amz-object-attributes")
    info = store.describe(request.bucket, request.key)
    found = []
    if "ETag" in wanted:
        found.append(tag("ETag", info.etag))
    if "Checksum" in wanted and info.checksums:
        values = [tag(f"Checksum{name}", value) for name, value in info.checksums.items()]
        found.append(element("Checksum", *values, tag("ChecksumType", checksum_type(info))))
    if "ObjectParts" in wanted and info.part_sizes:
        found.append(element("ObjectParts", tag("PartsCount", len(info.part_sizes))))
    if "StorageClass" in wanted:
        found.append(tag("StorageClass", info.attributes.headers.get("x-amz-storage-class", "STANDARD")))
    if "ObjectSize" in wanted:
        found.append(tag("ObjectSize", info.size_bytes))
    answer = document("GetObjectAttributesResponse", *found)
    return xml_response(answer, headers={"last-modified": http_date(info.modified_ns)})


def _check_version(request: S3Request) -> None:
    """No object has another version than ``null`` where versions are off."""
    with suppress(KeyError):
        if request.query["versionId"] != "null":
            raise S3Error("InvalidArgument", "Invalid version id specified", ArgumentName="versionId")

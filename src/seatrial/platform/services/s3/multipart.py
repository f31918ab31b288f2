"""Multipart uploads."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from seatrial.objects.base import Incoming, ObjectStore, PartInfo, UploadInfo, WantedPart
from seatrial.objects.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, can_be_full_object
from seatrial.platform.services.s3 import features, xml
from seatrial.platform.services.s3.bodies import Bodies, algorithm_of
from seatrial.platform.services.s3.buckets import owner, owner_id
from seatrial.platform.services.s3.conditions import write_condition
from seatrial.platform.services.s3.copies import part_number
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.listings import encoding
from seatrial.platform.services.s3.objects import (
    checksum_type,
    read_attributes,
    write_headers,
)
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import S3Response, iso_date, xml_response
from seatrial.platform.services.s3.xml import XmlError, document, element, tag
from seatrial.platform.wire.numbers import INT_MAX, parse_digits

_PAGE_MAX = 1000
"""Parts or uploads on one page. Source: Amazon S3 API reference, ListParts."""


def create_multipart_upload(store: ObjectStore, request: S3Request) -> S3Response:
    features.check_write(request.headers)
    algorithm = algorithm_of(request.headers, "x-amz-checksum-algorithm")
    kind = _checksum_type(request.headers, algorithm)
    upload_id = store.create_upload(
        request.bucket,
        request.key,
        attributes=read_attributes(request.headers),
        algorithm=algorithm,
        checksum_type=kind,
    )
    headers = {}
    if algorithm and kind:
        headers = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
    answer = document(
        "InitiateMultipartUploadResult",
        tag("Bucket", request.bucket),
        tag("Key", request.key),
        tag("UploadId", upload_id),
    )
    return xml_response(answer, headers=headers)


async def upload_part(bodies: Bodies, store: ObjectStore, request: S3Request) -> S3Response:
    features.check_write(request.headers)
    number = part_number(request)
    told = algorithm_of(request.headers, "x-amz-sdk-checksum-algorithm")
    # One look-up for the upload before the body, because it says which checksum the part needs.
    upload = await bodies.in_thread(store.describe_upload, request.bucket, request.key, request.query["uploadId"])
    algorithms = {one for one in (upload.algorithm, told) if one}

    def finish(incoming: Incoming) -> PartInfo:
        return store.put_part(upload, number, incoming)

    part = await bodies.take_in(request, finish, algorithms=algorithms)
    checksums = {f"x-amz-checksum-{name.lower()}": value for name, value in part.checksums.items()}
    return S3Response(headers={"etag": f'"{part.etag}"', **checksums})


def list_parts(store: ObjectStore, request: S3Request) -> S3Response:
    upload = _upload(store, request)
    marker = request.number("part-number-marker", 0, maximum=2_147_483_647)
    limit = request.number("max-parts", _PAGE_MAX, maximum=_PAGE_MAX)
    left = [part for part in store.list_parts(upload) if part.number > marker]
    shown = left[:limit]
    checksum = (
        [tag("ChecksumAlgorithm", upload.algorithm), tag("ChecksumType", upload.checksum_type)]
        if upload.algorithm
        else []
    )
    return xml_response(
        document(
            "ListPartsResult",
            tag("Bucket", upload.bucket),
            tag("Key", upload.key),
            tag("UploadId", upload.upload_id),
            element("Initiator", tag("ID", owner_id(request)), tag("DisplayName", "seatrial")),
            owner(request),
            tag("StorageClass", upload.attributes.headers.get("x-amz-storage-class", "STANDARD")),
            tag("PartNumberMarker", marker),
            tag("NextPartNumberMarker", shown[-1].number if shown else 0),
            tag("MaxParts", limit),
            *checksum,
            tag("IsTruncated", "true" if len(left) > len(shown) else "false"),
            *[_part(part) for part in shown],
        )
    )


def list_multipart_uploads(store: ObjectStore, request: S3Request) -> S3Response:
    query = request.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
    limit = request.number("max-uploads", _PAGE_MAX, maximum=_PAGE_MAX)
    encode = encoding(request)
    shown: list[str] = []
    prefixes: list[str] = []
    last = ("", "")
    is_truncated = False
    uploads = [one for one in store.list_uploads(request.bucket) if one.key.startswith(prefix)]
    for upload in uploads:
        if not _is_behind(upload, marker):
            continue
        end = upload.key.find(delimiter, len(prefix)) if delimiter else -1
        common = upload.key[: end + len(delimiter)] if end >= 0 else None
        if common is not None and (common in prefixes or marker[0].startswith(common)):
            continue
        if len(shown) + len(prefixes) == limit:
            is_truncated = True
            break
        if common is not None:
            prefixes.append(common)
            last = (common, "")
        else:
            shown.append(_shown_upload(upload, request, encode(upload.key)))
            last = (upload.key, upload.upload_id)
    return xml_response(
        document(
            "ListMultipartUploadsResult",
            tag("Bucket", request.bucket),
            tag("KeyMarker", encode(marker[0])),
            tag("UploadIdMarker", marker[1]),
            *([tag("NextKeyMarker", encode(last[0])), tag("NextUploadIdMarker", last[1])] if is_truncated else []),
            tag("Prefix", encode(prefix)),
            *([tag("Delimiter", encode(delimiter))] if delimiter else []),
            *([tag("EncodingType", "url")] if "encoding-type" in query else []),
            tag("MaxUploads", limit),
            tag("IsTruncated", "true" if is_truncated else "false"),
            *shown,
            *[element("CommonPrefixes", tag("Prefix", encode(one))) for one in prefixes],
        )
    )


def complete_multipart_upload(store: ObjectStore, request: S3Request, body: bytes) -> S3Response:
    upload = _upload(store, request)
    info = store.complete_upload(upload, _wanted_parts(body), condition=write_condition(request.headers))
    checksums = [tag(f"Checksum{name}", value) for name, value in info.checksums.items()]
    if checksums:
        checksums.append(tag("ChecksumType", checksum_type(info)))
    host = request.headers.get("host", "localhost")
    answer = document(
        "CompleteMultipartUploadResult",
        tag(
            "Location",
            f"http://{host}/{info.key if host.startswith(request.bucket) else f'{request.bucket}/{info.key}'}",
        ),
        tag("Bucket", request.bucket),
        tag("Key", info.key),
        tag("ETag", f'"{info.etag}"'),
        *checksums,
    )
    echoed = write_headers(info)
    del echoed["etag"]
    return xml_response(answer, headers=echoed)


def abort_multipart_upload(store: ObjectStore, request: S3Request) -> S3Response:
    store.abort_upload(_upload(store, request))
    return S3Response(status=204)


def _upload(store: ObjectStore, request: S3Request) -> UploadInfo:
    return store.describe_upload(request.bucket, request.key, request.query["uploadId"])


def _checksum_type(headers: Mapping[str, str], algorithm: str | None) -> str | None:
    """How the parts' checksums become the object's; S3 defaults to what fits the algorithm."""
    told = headers.get("x-amz-checksum-type")
    if algorithm is None:
        if told is not None:
            raise S3Error(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return None
    kind = told or (FULL_OBJECT if algorithm == "CRC64NVME" else COMPOSITE)
    is_possible = can_be_full_object(algorithm) if kind == FULL_OBJECT else algorithm != "CRC64NVME"
    if kind not in (FULL_OBJECT, COMPOSITE) or not is_possible:
        raise S3Error(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return kind


def _wanted_parts(body: bytes) -> list[WantedPart]:
    try:
        root = xml.parse(body)
    except XmlError:
        raise S3Error("MalformedXML") from None
    parts = root.findall("Part")
    if root.tag != "CompleteMultipartUpload" or not parts:
        raise S3Error("MalformedXML")
    return [_wanted_part(part) for part in parts]


def _wanted_part(part: ElementTree.Element) -> WantedPart:
    number, etag = parse_digits((part.findtext("PartNumber") or "").strip()), part.findtext("ETag")
    if number is None or number > INT_MAX or etag is None:
        raise S3Error("MalformedXML")
    told = {name: part.findtext(f"Checksum{name}") for name in ALGORITHMS}
    return WantedPart(
        number=number, etag=etag.strip(), checksums={name: value for name, value in told.items() if value}
    )


def _is_behind(upload: UploadInfo, marker: tuple[str, str]) -> bool:
    key, upload_id = marker
    if not key or upload.key != key:
        return upload.key > key
    return bool(upload_id) and upload.upload_id > upload_id


def _part(part: PartInfo) -> str:
    checksums = [tag(f"Checksum{name}", value) for name, value in part.checksums.items()]
    return element(
        "Part",
        tag("PartNumber", part.number),
        tag("LastModified", iso_date(part.modified_ns)),
        tag("ETag", f'"{part.etag}"'),
        *checksums,
        tag("Size", part.size_bytes),
    )


def _shown_upload(upload: UploadInfo, request: S3Request, key: str) -> str:
    return element(
        "Upload",
        tag("Key", key),
        tag("UploadId", upload.upload_id),
        element("Initiator", tag("ID", owner_id(request)), tag("DisplayName", "seatrial")),
        owner(request),
        tag("StorageClass", upload.attributes.headers.get("x-amz-storage-class", "STANDARD")),
        tag("Initiated", iso_date(upload.initiated_ns)),
    )

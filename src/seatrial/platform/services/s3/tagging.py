"""Tags of buckets and objects."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from seatrial.objects.base import ObjectStore
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import S3Response, xml_response
from seatrial.platform.services.s3.xml import XmlError, document, element, parse, tag

OBJECT_TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
"""Source: S3 user guide, "Categorizing your objects using tags" and "Using cost allocation S3 bucket tags"."""
_KEY_MAX = 128
_VALUE_MAX = 256


def parse_tag_header(header: str | None) -> dict[str, str]:
    """``x-amz-tagging``: written as a query."""
    if not header:
        return {}
    try:
        pairs = parse_qsl(header, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise S3Error(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag "
            "name duplicates.",
            ArgumentName="x-amz-tagging",
            ArgumentValue=header,
        ) from None
    return _checked(pairs, OBJECT_TAGS_MAX)


def get_object_tagging(store: ObjectStore, request: S3Request) -> S3Response:
    return xml_response(_render(store.describe(request.bucket, request.key).attributes.tags))


def put_object_tagging(store: ObjectStore, request: S3Request, body: bytes) -> S3Response:
    store.set_tags(request.bucket, request.key, _parse(body, OBJECT_TAGS_MAX))
    return S3Response()


def delete_object_tagging(store: ObjectStore, request: S3Request) -> S3Response:
    store.set_tags(request.bucket, request.key, {})
    return S3Response(status=204)


def get_bucket_tagging(store: ObjectStore, request: S3Request) -> S3Response:
    tags = store.describe_bucket(request.bucket).tags
    if not tags:
        raise S3Error("NoSuchTagSet", BucketName=request.bucket)
    return xml_response(_render(tags))


def put_bucket_tagging(store: ObjectStore, request: S3Request, body: bytes) -> S3Response:
    store.set_bucket_tags(request.bucket, _parse(body, BUCKET_TAGS_MAX))
    return S3Response(status=204)


def delete_bucket_tagging(store: ObjectStore, request: S3Request) -> S3Response:
    store.set_bucket_tags(request.bucket, {})
    return S3Response(status=204)


def _render(tags: Mapping[str, str]) -> bytes:
    pairs = [element("Tag", tag("Key", key), tag("Value", value)) for key, value in tags.items()]
    return document("Tagging", element("TagSet", *pairs))


def _parse(body: bytes, maximum: int) -> dict[str, str]:
    try:
        root = parse(body)
    except XmlError:
        raise S3Error("MalformedXML") from None
    tag_set = root.find("TagSet")
    if root.tag != "Tagging" or tag_set is None:
        raise S3Error("MalformedXML")
    pairs = []
    for one in tag_set:
        key, value = one.findtext("Key"), one.findtext("Value")
        if one.tag != "Tag" or key is None or value is None:
            raise S3Error("MalformedXML")
        pairs.append((key, value))
    return _checked(pairs, maximum)


def _checked(pairs: list[tuple[str, str]], maximum: int) -> dict[str, str]:
    if len(pairs) > maximum:
        raise S3Error("InvalidTag", f"Object tags cannot be greater than {maximum}")
    tags = dict(pairs)
    if len(tags) < len(pairs):
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key")
    for key, value in pairs:
        if not 1 <= len(key) <= _KEY_MAX:
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > _VALUE_MAX:
            raise S3Error("InvalidTag", "The TagValue you have provided is invalid", TagValue=value)
    return tags

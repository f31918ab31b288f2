"""Buckets, and their sub-resources that nobody can configure here: each gives S3's own answer for "not configured"."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.core.errors import SeatrialError
from seatrial.objects.base import ObjectStore
from seatrial.platform.services.s3.addresses import check_bucket_name
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.features import check_new_bucket
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import S3Response, iso_date, xml_response
from seatrial.platform.services.s3.xml import XmlError, document, element, parse, tag

LEGACY_REGION = "us-east-1"

_OWNER_NAME = "seatrial"
_ALL_BUCKETS_MAX = 10_000

Operation = Callable[[ObjectStore, S3Request], S3Response]


def owner(request: S3Request) -> str:
    """The one account there is."""
    return element("Owner", tag("ID", owner_id(request)), tag("DisplayName", _OWNER_NAME))


def owner_id(request: S3Request) -> str:
    """Its canonical id: 64 characters, as S3's are."""
    return request.account_id.zfill(64)


def list_buckets(store: ObjectStore, request: S3Request) -> S3Response:
    prefix = request.query.get("prefix", "")
    after = request.query.get("continuation-token", "")
    region = request.query.get("bucket-region")
    limit = request.number("max-buckets", _ALL_BUCKETS_MAX, maximum=_ALL_BUCKETS_MAX)
    buckets = [
        bucket
        for bucket in store.list_buckets()
        if bucket.name.startswith(prefix) and bucket.name > after and region in (None, bucket.region)
    ]
    shown = [
        element(
            "Bucket",
            tag("Name", bucket.name),
            tag("CreationDate", iso_date(bucket.created_ns)),
            *([tag("BucketRegion", bucket.region)] if "max-buckets" in request.query or region else []),
        )
        for bucket in buckets[:limit]
    ]
    more = [tag("ContinuationToken", buckets[limit - 1].name)] if 0 < limit < len(buckets) else []
    echoed = [tag("Prefix", prefix)] if prefix else []
    return xml_response(document("ListAllMyBucketsResult", owner(request), element("Buckets", *shown), *more, *echoed))


def create_bucket(store: ObjectStore, request: S3Request, body: bytes) -> S3Response:
    """Make a bucket; as S3 does in ``us-east-1``, one that is there already is no error in that region."""
    check_bucket_name(request.bucket)
    check_new_bucket(request.headers)
    try:
        store.create_bucket(request.bucket, region=_location_constraint(body) or LEGACY_REGION)
    except SeatrialError as error:
        is_legacy = error.code == "bucket-exists" and store.describe_bucket(request.bucket).region == LEGACY_REGION
        if not is_legacy or request.region != LEGACY_REGION:
            raise
    return S3Response(headers={"location": f"/{request.bucket}"})


def delete_bucket(store: ObjectStore, request: S3Request) -> S3Response:
    store.delete_bucket(request.bucket)
    return S3Response(status=204)


def head_bucket(store: ObjectStore, request: S3Request) -> S3Response:
    region = store.describe_bucket(request.bucket).region
    return S3Response(headers={"x-amz-bucket-region": region, "content-type": "application/xml"})


def get_bucket_location(store: ObjectStore, request: S3Request) -> S3Response:
    region = store.describe_bucket(request.bucket).region
    return xml_response(document("LocationConstraint", "" if region == LEGACY_REGION else region))


def get_acl(store: ObjectStore, request: S3Request) -> S3Response:
    """The owner may do everything."""
    if request.key:
        store.describe(request.bucket, request.key)
    else:
        store.describe_bucket(request.bucket)
    grantee = (
        '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">'
        f"{tag('ID', owner_id(request))}{tag('DisplayName', _OWNER_NAME)}</Grantee>"
    )
    grant = element("Grant", grantee, tag("Permission", "FULL_CONTROL"))
    return xml_response(document("AccessControlPolicy", owner(request), element("AccessControlList", grant)))


def empty_answer(name: str, *children: str) -> Operation:
    """The operation that answers that nothing is configured with a document."""

    def operation(store: ObjectStore, request: S3Request) -> S3Response:
        store.describe_bucket(request.bucket)
        return xml_response(document(name, *children))

    return operation


def missing_answer(code: str) -> Operation:
    """The operation that answers that nothing is configured with an error."""

    def operation(store: ObjectStore, request: S3Request) -> S3Response:
        store.describe_bucket(request.bucket)
        raise S3Error(code, BucketName=request.bucket)

    return operation


def listed_answer(name: str) -> Operation:
    """As ``empty_answer`` for configurations that have ids; one that is asked for by its id is missing."""

    def operation(store: ObjectStore, request: S3Request) -> S3Response:
        store.describe_bucket(request.bucket)
        if "id" in request.query:
            raise S3Error("NoSuchConfiguration", BucketName=request.bucket)
        return xml_response(document(name, tag("IsTruncated", "false")))

    return operation


def nothing_to_delete(store: ObjectStore, request: S3Request) -> S3Response:
    """What was never configured is gone."""
    store.describe_bucket(request.bucket)
    return S3Response(status=204)


def _location_constraint(body: bytes) -> str:
    if not body:
        return ""
    try:
        root = parse(body)
    except XmlError:
        raise S3Error("MalformedXML") from None
    if root.tag != "CreateBucketConfiguration":
        raise S3Error("MalformedXML")
    return (root.findtext("LocationConstraint") or "").strip()

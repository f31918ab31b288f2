"""Which operation a request is: by method, by what it addresses, and by its sub-resource.

A sub-resource that is not here is refused, never taken for the request without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from seatrial.objects.base import ObjectStore
from seatrial.platform.services.s3 import buckets, copies, features, listings, multipart, objects, tagging
from seatrial.platform.services.s3.bodies import Bodies
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import S3Response
from seatrial.platform.services.s3.xml import tag

Route = tuple[str, str, str]
"""Method; ``service``, ``bucket`` or ``object``; sub-resource."""

Plain = Callable[[ObjectStore, S3Request], S3Response]
"""Has no body; runs in a thread."""
WithXml = Callable[[ObjectStore, S3Request, bytes], S3Response]
"""Has a small body; runs in a thread."""
Streaming = Callable[[Bodies, ObjectStore, S3Request], Awaitable[S3Response]]
"""Takes a body in itself."""

PLAIN: dict[Route, Plain] = {
    ("GET", "service", ""): buckets.list_buckets,
    ("HEAD", "bucket", ""): buckets.head_bucket,
    ("DELETE", "bucket", ""): buckets.delete_bucket,
    ("GET", "bucket", ""): listings.list_objects,
    ("GET", "bucket", "list-type"): listings.list_objects_v2,
    ("GET", "bucket", "versions"): listings.list_object_versions,
    ("GET", "bucket", "uploads"): multipart.list_multipart_uploads,
    ("GET", "bucket", "location"): buckets.get_bucket_location,
    ("GET", "bucket", "acl"): buckets.get_acl,
    ("GET", "bucket", "tagging"): tagging.get_bucket_tagging,
    ("DELETE", "bucket", "tagging"): tagging.delete_bucket_tagging,
    # Not configured, as S3 says it.
    ("GET", "bucket", "versioning"): buckets.empty_answer("VersioningConfiguration"),
    ("GET", "bucket", "logging"): buckets.empty_answer("BucketLoggingStatus"),
    ("GET", "bucket", "notification"): buckets.empty_answer("NotificationConfiguration"),
    ("GET", "bucket", "accelerate"): buckets.empty_answer("AccelerateConfiguration"),
    ("GET", "bucket", "requestPayment"): buckets.empty_answer(
        "RequestPaymentConfiguration", tag("Payer", "BucketOwner")
    ),
    ("GET", "bucket", "policy"): buckets.missing_answer("NoSuchBucketPolicy"),
    ("GET", "bucket", "policyStatus"): buckets.missing_answer("NoSuchBucketPolicy"),
    ("GET", "bucket", "cors"): buckets.missing_answer("NoSuchCORSConfiguration"),
    ("GET", "bucket", "website"): buckets.missing_answer("NoSuchWebsiteConfiguration"),
    ("GET", "bucket", "lifecycle"): buckets.missing_answer("NoSuchLifecycleConfiguration"),
    ("GET", "bucket", "encryption"): buckets.missing_answer("ServerSideEncryptionConfigurationNotFoundError"),
    ("GET", "bucket", "replication"): buckets.missing_answer("ReplicationConfigurationNotFoundError"),
    ("GET", "bucket", "object-lock"): buckets.missing_answer("ObjectLockConfigurationNotFoundError"),
    ("GET", "bucket", "publicAccessBlock"): buckets.missing_answer("NoSuchPublicAccessBlockConfiguration"),
    ("GET", "bucket", "ownershipControls"): features.get_ownership_controls,
    ("GET", "bucket", "analytics"): buckets.listed_answer("ListBucketAnalyticsConfigurationResult"),
    ("GET", "bucket", "inventory"): buckets.listed_answer("ListInventoryConfigurationsResult"),
    ("GET", "bucket", "metrics"): buckets.listed_answer("ListMetricsConfigurationsResult"),
    ("GET", "bucket", "intelligent-tiering"): buckets.listed_answer("ListBucketIntelligentTieringConfigurationsOutput"),
    ("DELETE", "bucket", "policy"): buckets.nothing_to_delete,
    ("DELETE", "bucket", "cors"): buckets.nothing_to_delete,
    ("DELETE", "bucket", "website"): buckets.nothing_to_delete,
    ("DELETE", "bucket", "lifecycle"): buckets.nothing_to_delete,
    ("DELETE", "bucket", "encryption"): buckets.nothing_to_delete,
    ("DELETE", "bucket", "replication"): buckets.nothing_to_delete,
    ("DELETE", "bucket", "publicAccessBlock"): buckets.nothing_to_delete,
    ("DELETE", "bucket", "ownershipControls"): buckets.nothing_to_delete,
    ("GET", "object", ""): objects.get_object,
    ("HEAD", "object", ""): objects.head_object,
    ("DELETE", "object", ""): objects.delete_object,
    ("GET", "object", "attributes"): objects.get_object_attributes,
    ("GET", "object", "acl"): buckets.get_acl,
    ("GET", "object", "tagging"): tagging.get_object_tagging,
    ("DELETE", "object", "tagging"): tagging.delete_object_tagging,
    ("PUT", "object", "copy"): copies.copy_object,
    ("PUT", "object", "part copy"): copies.upload_part_copy,
    ("POST", "object", "uploads"): multipart.create_multipart_upload,
    ("GET", "object", "uploadId"): multipart.list_parts,
    ("DELETE", "object", "uploadId"): multipart.abort_multipart_upload,
}

WITH_XML: dict[Route, WithXml] = {
    ("PUT", "bucket", ""): buckets.create_bucket,
    ("PUT", "bucket", "acl"): features.put_acl,
    ("PUT", "object", "acl"): features.put_acl,
    ("PUT", "bucket", "tagging"): tagging.put_bucket_tagging,
    ("POST", "bucket", "delete"): objects.delete_objects,
    ("PUT", "object", "tagging"): tagging.put_object_tagging,
    ("POST", "object", "uploadId"): multipart.complete_multipart_upload,
}

STREAMING: dict[Route, Streaming] = {
    ("PUT", "object", ""): objects.put_object,
    ("PUT", "object", "uploadId"): multipart.upload_part,
}

_PARAMETERS = frozenset(
    (
        *("prefix", "delimiter", "marker", "max-keys", "encoding-type", "continuation-token", "start-after"),
        *("fetch-owner", "key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "max-buckets"),
        *("bucket-region", "partNumber", "part-number-marker", "max-parts", "versionId", "id", "x-id"),
        *("AWSAccessKeyId", "Signature", "Expires"),
    )
)
"""Names in a query that choose no operation."""

_PREFIXES = ("response-", "x-amz-")


def find_route(method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Route:
    """The route of a request; it may be in none of the tables.

    Raises:
        S3Error: ``NotImplemented``: an unknown sub-resource.
    """
    level = "object" if key else "bucket" if bucket else "service"
    found = [name for name in query if name not in _PARAMETERS and not name.lower().startswith(_PREFIXES)]
    if len(found) > 1:
        raise S3Error("NotImplemented", f"The sub-resources {', '.join(found)} are not implemented together")
    subresource = found[0] if found else ""
    if level == "object" and method == "PUT" and "x-amz-copy-source" in headers:
        copying = {"": "copy", "uploadId": "part copy"}
        subresource = copying.get(subresource, subresource)
    route = method, level, subresource
    if not any(route in table for table in (PLAIN, WITH_XML, STREAMING)):
        if subresource:
            raise S3Error("NotImplemented", f"The sub-resource {subresource} is not implemented for {method}")
        if method == "POST":
            raise S3Error("NotImplemented", "Uploads by an HTML form are not implemented")
        raise S3Error("MethodNotAllowed", Method=method)
    return route

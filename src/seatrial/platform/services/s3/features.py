"""What a header asks for beyond the bytes of an object: kept where it changes no outcome here, else refused.

Objects are owned by their bucket's owner and ACLs are off, as in every bucket that S3 has made since April 2023.
Source: S3 user guide, "Controlling ownership of objects and disabling ACLs for your bucket"; API reference, PutObject.
"""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.objects.base import ObjectStore
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.headers import REFUSED_PREFIXES
from seatrial.platform.services.s3.requests import S3Request
from seatrial.platform.services.s3.responses import S3Response, xml_response
from seatrial.platform.services.s3.xml import document, element, tag

OBJECT_OWNERSHIP = "BucketOwnerEnforced"

STORAGE_CLASSES = frozenset(
    ("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR")
)
"""All are kept alike; what they have in common is that an object can be read at once."""

_ARCHIVES = frozenset(("GLACIER", "DEEP_ARCHIVE"))
_CANNED_ACLS = frozenset(
    (
        *("private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read"),
        *("bucket-owner-read", "bucket-owner-full-control", "log-delivery-write"),
    )
)
_ACLS_OF_THE_OWNER = frozenset(("private", "bucket-owner-full-control"))
_ENCRYPTIONS = frozenset(("AES256", "aws:kms", "aws:kms:dsse"))

_SSE = "x-amz-server-side-encryption"
_GRANT = "x-amz-grant-"
_REFUSED_OF_READ = (f"{_SSE}-customer-",)
_REFUSED_OF_DELETE = ("x-amz-if-match-",)
"""Conditions that only directory buckets know."""


def check_write(headers: Mapping[str, str]) -> None:
    """Refuse what a put, a copy or an upload asks for and is not done here.

    Raises:
        S3Error: ``NotImplemented``, ``AccessControlListNotSupported``, ``InvalidStorageClass``, or a wrong value.
    """
    _refuse(headers, REFUSED_PREFIXES)
    _check_acl(headers, "AccessControlListNotSupported")
    _check_encryption(headers)
    _check_storage_class(headers.get("x-amz-storage-class"))
    redirect = headers.get("x-amz-website-redirect-location")
    if redirect is not None and not redirect.startswith(("/", "http://", "https://")):
        raise S3Error("InvalidRedirectLocation")


def check_read(headers: Mapping[str, str]) -> None:
    """Refuse a customer's key: no object here is encrypted with one.

    Raises:
        S3Error: ``NotImplemented``.
    """
    _refuse(headers, _REFUSED_OF_READ)


def check_delete(headers: Mapping[str, str]) -> None:
    """Refuse a condition that would not be looked at.

    Raises:
        S3Error: ``NotImplemented``.
    """
    _refuse(headers, _REFUSED_OF_DELETE)


def check_new_bucket(headers: Mapping[str, str]) -> None:
    """Refuse a bucket with object lock, with ACLs, or owned otherwise.

    Raises:
        S3Error: ``NotImplemented`` or ``InvalidBucketAclWithObjectOwnership``.
    """
    if headers.get("x-amz-bucket-object-lock-enabled", "false").lower() == "true":
        raise S3Error("NotImplemented", Header="x-amz-bucket-object-lock-enabled")
    if headers.get("x-amz-object-ownership", OBJECT_OWNERSHIP) != OBJECT_OWNERSHIP:
        raise S3Error("NotImplemented", Header="x-amz-object-ownership")
    _check_acl(headers, "InvalidBucketAclWithObjectOwnership")


def put_acl(store: ObjectStore, request: S3Request, body: bytes) -> S3Response:
    """ACLs are off."""
    _check_target(store, request)
    raise S3Error("AccessControlListNotSupported")


def get_ownership_controls(store: ObjectStore, request: S3Request) -> S3Response:
    _check_target(store, request)
    rule = element("Rule", tag("ObjectOwnership", OBJECT_OWNERSHIP))
    return xml_response(document("OwnershipControls", rule))


def _check_target(store: ObjectStore, request: S3Request) -> None:
    if request.key:
        store.describe(request.bucket, request.key)
    else:
        store.describe_bucket(request.bucket)


def _refuse(headers: Mapping[str, str], prefixes: tuple[str, ...]) -> None:
    for name in headers:
        if name.startswith(prefixes):
            raise S3Error("NotImplemented", Header=name)


def _check_acl(headers: Mapping[str, str], code: str) -> None:
    acl = headers.get("x-amz-acl")
    if acl is not None and acl not in _CANNED_ACLS:
        raise S3Error("InvalidArgument", ArgumentName="x-amz-acl", ArgumentValue=acl)
    if acl not in (None, *_ACLS_OF_THE_OWNER) or any(name.startswith(_GRANT) for name in headers):
        raise S3Error(code)


def _check_encryption(headers: Mapping[str, str]) -> None:
    method = headers.get(_SSE)
    if method is not None and method not in _ENCRYPTIONS:
        what = "The encryption method specified is not supported"
        raise S3Error("InvalidArgument", what, ArgumentName=_SSE, ArgumentValue=method)
    key = f"{_SSE}-aws-kms-key-id"
    if key in headers and (method is None or not method.startswith("aws:kms")):
        what = f"Server Side Encryption with AWS KMS managed key requires HTTP header {_SSE} : aws:kms"
        raise S3Error("InvalidArgument", what, ArgumentName=_SSE, ArgumentValue=method or "null")


def _check_storage_class(name: str | None) -> None:
    if name is None or name in STORAGE_CLASSES:
        return
    if name in _ARCHIVES:
        what = f"Objects of the class {name} can be read after a restore only, which is not implemented"
        raise S3Error("NotImplemented", what, Header="x-amz-storage-class")
    raise S3Error("InvalidStorageClass", StorageClassRequested=name)

"""S3's errors: code, status and text as S3 gives them, and which of them a store's error becomes.

Source: Amazon S3 API reference, "Error responses".
"""

from __future__ import annotations

from seatrial.core.errors import SeatrialError
from seatrial.objects.errors import (
    KeyTooLongError,
    NoSuchBucketError,
    NoSuchKeyError,
    NoSuchUploadError,
    PreconditionFailedError,
)
from seatrial.platform.services.s3.xml import document, tag
from seatrial.platform.wire.xml_text import legible

_ERRORS: dict[str, tuple[int, str]] = {
    "AccessControlListNotSupported": (400, "The bucket does not allow ACLs"),
    "AccessDenied": (403, "Access Denied"),
    "BadDigest": (400, "The Content-MD5 you specified did not match what we received."),
    "BucketAlreadyOwnedByYou": (
        409,
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "BucketNotEmpty": (409, "The bucket you tried to delete is not empty"),
    "EntityTooLarge": (400, "Your proposed upload exceeds the maximum allowed size"),
    "EntityTooSmall": (400, "Your proposed upload is smaller than the minimum allowed size"),
    "IncompleteBody": (400, "You did not provide the number of bytes specified by the Content-Length HTTP header"),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "InvalidArgument": (400, "Invalid Argument"),
    "InvalidBucketAclWithObjectOwnership": (
        400,
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    ),
    "InvalidBucketName": (400, "The specified bucket is not valid."),
    "InvalidDigest": (400, "The Content-MD5 you specified was invalid."),
    "InvalidPart": (
        400,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag.",
    ),
    "InvalidPartOrder": (
        400,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    ),
    "InvalidRange": (416, "The requested range is not satisfiable"),
    "InvalidRedirectLocation": (
        400,
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    ),
    "InvalidRequest": (400, "Invalid Request"),
    "InvalidStorageClass": (400, "The storage class you specified is not valid"),
    "InvalidTag": (400, "The tag provided was not a valid tag."),
    "InvalidURI": (400, "Couldn't parse the specified URI."),
    "KeyTooLongError": (400, "Your key is too long"),
    "MalformedTrailerError": (
        400,
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    ),
    "MalformedXML": (
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    ),
    "MetadataTooLarge": (400, "Your metadata headers exceed the maximum allowed metadata size"),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "MissingContentLength": (411, "You must provide the Content-Length HTTP header."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchBucketPolicy": (404, "The bucket policy does not exist"),
    "NoSuchCORSConfiguration": (404, "The CORS configuration does not exist"),
    "NoSuchConfiguration": (404, "The specified configuration does not exist."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchLifecycleConfiguration": (404, "The lifecycle configuration does not exist"),
    "NoSuchPublicAccessBlockConfiguration": (404, "The public access block configuration was not found"),
    "NoSuchTagSet": (404, "The TagSet does not exist"),
    "NoSuchUpload": (
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or "
        "completed.",
    ),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "NotImplemented": (501, "A header you provided implies functionality that is not implemented"),
    "ObjectLockConfigurationNotFoundError": (404, "Object Lock configuration does not exist for this bucket"),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold"),
    "ReplicationConfigurationNotFoundError": (404, "The replication configuration was not found"),
    "ServerSideEncryptionConfigurationNotFoundError": (
        404,
        "The server side encryption configuration was not found",
    ),
    "SignatureDoesNotMatch": (
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
    ),
    "XAmzContentSHA256Mismatch": (400, "The provided 'x-amz-content-sha256' header does not match what was computed."),
}

_OF_STORE = {
    "bucket-exists": "BucketAlreadyOwnedByYou",
    "bucket-name-invalid": "InvalidBucketName",
    "bucket-not-empty": "BucketNotEmpty",
    "key-invalid": "InvalidURI",
    "key-too-long": "KeyTooLongError",
    "no-such-bucket": "NoSuchBucket",
    "no-such-key": "NoSuchKey",
    "no-such-upload": "NoSuchUpload",
    "part-invalid": "InvalidPart",
    "part-order-invalid": "InvalidPartOrder",
    "part-too-small": "EntityTooSmall",
    "precondition-failed": "PreconditionFailed",
}


class S3Error(Exception):
    """An answer of S3 that is an error.

    Args:
        code: S3's code.
        message: S3's text for this case; the code's own when it is left out.
        details: Further elements of the answer, such as ``BucketName``.
    """

    def __init__(self, code: str, message: str | None = None, **details: str) -> None:
        self.status, text = _ERRORS[code]
        self.code = code
        self.message = message or text
        self.details = details
        super().__init__(f"{code}: {self.message}")

    def body(self, resource: str, request_id: str, host_id: str) -> bytes:
        """The answer's XML; what a client has sent is shown with U+FFFD for what XML cannot hold."""
        details = [tag(name, legible(value)) for name, value in self.details.items()]
        return document(
            "Error",
            tag("Code", self.code),
            tag("Message", legible(self.message)),
            *details,
            tag("Resource", legible(resource)),
            tag("RequestId", request_id),
            tag("HostId", host_id),
            namespace=None,
        )


def of_store(error: SeatrialError) -> S3Error:
    """What a store's error is to a client of S3."""
    if error.code == "key-obstructed":
        return S3Error("InvalidRequest", error.sentence())
    details: dict[str, str] = {}
    if isinstance(error, NoSuchBucketError):
        details["BucketName"] = error.bucket
    elif isinstance(error, NoSuchKeyError):
        details["Key"] = error.key
    elif isinstance(error, NoSuchUploadError):
        details["UploadId"] = error.upload_id
    elif isinstance(error, PreconditionFailedError):
        details["Condition"] = error.condition
    elif isinstance(error, KeyTooLongError):
        details |= {"Size": str(error.size_bytes), "MaxSizeAllowed": str(error.max_bytes)}
    return S3Error(_OF_STORE.get(error.code, "InternalError"), **details)

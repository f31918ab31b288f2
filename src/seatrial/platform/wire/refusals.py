"""Why a request is not let in, in the words that each family of services has for it.

Sources: §6.3; https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html;
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html. JSON services answer 400 and their own codes,
REST-JSON the same codes with 403, the query protocol and S3 have codes of their own.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from seatrial.platform.wire.errors import ServiceError


class Refusal(enum.Enum):
    """What is wrong with a signature."""

    MISSING = "the request is not signed"
    INCOMPLETE = "the signature cannot be read"
    UNKNOWN_KEY = "the access key is not configured, or its session token is another"
    MISMATCH = "the signature is another one than ours"
    SKEWED = "the request was signed too long ago, or in the future"
    EXPIRED = "the presigned address is no longer valid"
    EXPIRED_TOKEN = "the session's credentials have ended"  # noqa: S105 - no secret
    BODY = "the body has another hash than the one that was signed"


_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_S3_SIGNATURE = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_TOKEN = "The security token included in the request is"  # noqa: S105 - no secret

_JSON: Mapping[Refusal, tuple[int, str, str]] = MappingProxyType(
    {
        Refusal.MISSING: (400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        Refusal.INCOMPLETE: (400, "IncompleteSignatureException", "{detail}"),
        Refusal.UNKNOWN_KEY: (400, "UnrecognizedClientException", f"{_TOKEN} invalid."),
        Refusal.MISMATCH: (400, "InvalidSignatureException", _SIGNATURE),
        Refusal.SKEWED: (400, "InvalidSignatureException", "{detail}"),
        Refusal.EXPIRED: (400, "InvalidSignatureException", "{detail}"),
        Refusal.EXPIRED_TOKEN: (400, "ExpiredTokenException", f"{_TOKEN} expired"),
        Refusal.BODY: (400, "InvalidSignatureException", _SIGNATURE),
    }
)
_QUERY: Mapping[Refusal, tuple[int, str, str]] = MappingProxyType(
    {
        Refusal.MISSING: (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
        Refusal.INCOMPLETE: (400, "IncompleteSignature", "{detail}"),
        Refusal.UNKNOWN_KEY: (403, "InvalidClientTokenId", f"{_TOKEN} invalid."),
        Refusal.MISMATCH: (403, "SignatureDoesNotMatch", _SIGNATURE),
        Refusal.SKEWED: (403, "SignatureDoesNotMatch", "{detail}"),
        Refusal.EXPIRED: (400, "RequestExpired", "Request has expired."),
        Refusal.EXPIRED_TOKEN: (403, "ExpiredToken", f"{_TOKEN} expired"),
        Refusal.BODY: (403, "SignatureDoesNotMatch", _SIGNATURE),
    }
)
_S3: Mapping[Refusal, tuple[int, str, str]] = MappingProxyType(
    {
        Refusal.MISSING: (403, "AccessDenied", "Access Denied"),
        Refusal.INCOMPLETE: (400, "AuthorizationHeaderMalformed", "{detail}"),
        Refusal.UNKNOWN_KEY: (
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Refusal.MISMATCH: (403, "SignatureDoesNotMatch", _S3_SIGNATURE),
        Refusal.SKEWED: (
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        Refusal.EXPIRED: (403, "AccessDenied", "Request has expired"),
        Refusal.EXPIRED_TOKEN: (400, "ExpiredToken", "The provided token has expired."),
        Refusal.BODY: (
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
    }
)


def authentication_error(refusal: Refusal, *, protocol: str, detail: str = "") -> ServiceError:
    """The answer to a request that is not let in.

    Args:
        refusal: Why.
        protocol: Of ``Identified``; it tells the family of services.
        detail: What exactly cannot be read or how old the signature is, where AWS says so.
    """
    table = {"query": _QUERY, "rest-xml": _S3}.get(protocol, _JSON)
    status, code, text = table[refusal]
    if protocol == "rest-json":
        status = 403
    return ServiceError(code, text.replace("{detail}", detail), status)

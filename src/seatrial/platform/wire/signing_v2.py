"""S3's signature of version 2: ``Authorization: AWS KEY:SIGNATURE``, or ``AWSAccessKeyId`` in a presigned query.

Old presigned addresses and s3cmd-like tools still use it. Source:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
from dataclasses import replace

from seatrial.platform.wire.numbers import parse_digits
from seatrial.platform.wire.refusals import Refusal, authentication_error
from seatrial.platform.wire.request import WireRequest
from seatrial.platform.wire.signing import CLOCK_SKEW, FindKey, SecretKey, Signature
from seatrial.platform.wire.timestamps import parse_timestamp

# fmt: off
_SIGNED_QUERY = frozenset((
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle",
    "location", "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication",
    "requestPayment", "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "restore", "select",
    "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
    "versions", "website",
))
# fmt: on


def is_version_2(request: WireRequest) -> bool:
    """Whether the request carries a signature of version 2, which ``verify_v2`` reads and not ``signing.verify``."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return authorization.startswith("AWS ")
    return any(name == "AWSAccessKeyId" for name, _ in request.query_pairs())


def verify_v2(
    request: WireRequest, *, find_key: FindKey, now: datetime.datetime, host_bucket: str | None = None
) -> Signature:
    """Check a request's signature of version 2; the body is not part of it.

    Args:
        request: As it came in.
        find_key: The configured keys.
        now: Aware.
        host_bucket: The bucket of a virtual-host style request, which is signed as the path's first part.

    Raises:
        ServiceError: as S3 answers.
    """
    query = dict(request.query_pairs())
    authorization = request.headers.get("authorization")
    if authorization is not None:
        access_key_id, _, signature = authorization.removeprefix("AWS ").strip().partition(":")
        date = "" if "x-amz-date" in request.headers else request.headers.get("date") or ""
        _check_date(request.headers.get("x-amz-date") or date, now)
    else:
        access_key_id, signature, date = (
            query.get("AWSAccessKeyId", ""),
            query.get("Signature", ""),
            query.get("Expires", ""),
        )
        _check_expires(date, now)
    key = find_key(access_key_id)
    token = request.headers.get("x-amz-security-token") or query.get("x-amz-security-token") or ""
    if key is None or not hmac.compare_digest(token.encode(), (key.session_token or "").encode()):
        raise authentication_error(Refusal.UNKNOWN_KEY, protocol="rest-xml")
    if key.expires_at is not None and key.expires_at <= now:
        raise authentication_error(Refusal.EXPIRED_TOKEN, protocol="rest-xml")
    found = signature.encode("utf-8", "surrogatepass")
    texts = [string_to_sign(form, date=date, host_bucket=host_bucket) for form in _forms(request)]
    if not any(hmac.compare_digest(sign_v2(key, text).encode(), found) for text in texts):
        raise authentication_error(Refusal.MISMATCH, protocol="rest-xml")
    return Signature(access_key_id=access_key_id)


def _forms(request: WireRequest) -> list[WireRequest]:
    """A request as it came; botocore signs ``/bucket/`` where it sends ``/bucket``, and S3 takes that."""
    is_bucket = request.path.count("/") == 1 and request.path != "/"
    return [request, replace(request, path=f"{request.path}/")] if is_bucket else [request]


def _check_expires(expires: str, now: datetime.datetime) -> None:
    expires_at = parse_digits(expires)
    if expires_at is None:
        raise authentication_error(Refusal.MISSING, protocol="rest-xml")
    if now.timestamp() > expires_at:
        raise authentication_error(Refusal.EXPIRED, protocol="rest-xml")


def _check_date(date: str, now: datetime.datetime) -> None:
    try:
        is_near = abs(parse_timestamp(date) - now) <= CLOCK_SKEW
    except ValueError:
        detail = "AWS authentication requires a valid Date or x-amz-date header"
        raise authentication_error(Refusal.INCOMPLETE, protocol="rest-xml", detail=detail) from None
    if not is_near:
        raise authentication_error(Refusal.SKEWED, protocol="rest-xml")


def string_to_sign(request: WireRequest, *, date: str, host_bucket: str | None) -> str:
    """Method, three headers, the ``x-amz-`` headers, and the resource with those parts of the query that matter.

    A presigned address carries signed headers in its query; a header that is really sent counts before one there.
    """
    headers: dict[str, list[str]] = {}
    from_query = [
        (name.lower(), value)
        for name, value in request.query_pairs()
        if _is_signed_header(name) and name not in request.headers
    ]
    for name, value in [*request.headers, *from_query]:
        headers.setdefault(name, []).append(value.strip())
    first = [request.method, *(",".join(headers.get(name, [""])) for name in ("content-md5", "content-type")), date]
    amz = [f"{name}:{','.join(values)}" for name, values in sorted(headers.items()) if name.startswith("x-amz-")]
    return "\n".join([*first, *amz, _canonical_resource(request, host_bucket)])


def _is_signed_header(query_name: str) -> bool:
    return query_name.lower().startswith("x-amz-") or query_name.lower() in ("content-md5", "content-type")


def _canonical_resource(request: WireRequest, host_bucket: str | None) -> str:
    path = f"/{host_bucket}{request.path}" if host_bucket else request.path
    signed = sorted((name, value) for name, value in _pairs_with_presence(request) if name in _SIGNED_QUERY)
    query = "&".join(name if value is None else f"{name}={value}" for name, value in signed)
    return f"{path}?{query}" if query else path


def _pairs_with_presence(request: WireRequest) -> list[tuple[str, str | None]]:
    """Decoded pairs; the value is ``None`` where there is no ``=``."""
    raw = [part for part in request.query.split("&") if part]
    return [
        (name, value if "=" in part else None) for part, (name, value) in zip(raw, request.query_pairs(), strict=True)
    ]


def sign_v2(key: SecretKey, text: str) -> str:
    """HMAC-SHA1 in base64."""
    digest = hmac.new(key.secret_access_key.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")

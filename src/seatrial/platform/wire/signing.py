"""Is a request signed with a key that we know: AWS's signature version 4, in a header or in a presigned query.

What is signed is the canonical request: method, path, query, chosen headers, and the body's hash. S3 signs the path as
it is sent; every other service signs it normalised and encoded a second time. Sources:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html;
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html. S3's version 2 is in ``signing_v2``, the
chunks of a streamed body in ``chunk_signatures``.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import NoReturn, TypeAlias
from urllib.parse import quote

from seatrial.platform.wire.identify import Credential, Identified, read_credential
from seatrial.platform.wire.numbers import parse_digits
from seatrial.platform.wire.refusals import Refusal, authentication_error
from seatrial.platform.wire.request import WireRequest

ALGORITHM = "AWS4-HMAC-SHA256"
CLOCK_SKEW = datetime.timedelta(minutes=15)
"""How far a request's time may lie from ours, both ways. S3's value; other services of AWS allow 5 minutes."""
PRESIGNED_LIFETIME_LIMIT_SECONDS = 604_800
"""``X-Amz-Expires`` is 1 to this: seven days."""
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_UNRESERVED = "-_.~"
_S3_NAMES = ("s3", "s3express")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SecretKey:
    """What belongs to an access key id. Its text never shows the secrets."""

    secret_access_key: str = dataclasses.field(repr=False)
    session_token: str | None = dataclasses.field(default=None, repr=False)
    """Of temporary credentials, such as AssumeRole hands out."""
    expires_at: datetime.datetime | None = None
    """Aware."""


FindKey: TypeAlias = Callable[[str], "SecretKey | None"]
"""The secret of an access key id; ``None`` for an unknown one."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature that was found right.

    Attributes:
        access_key_id: Whose.
        region: Of the scope; empty for version 2.
        payload: ``x-amz-content-sha256`` as it was signed: a hash in hex, ``UNSIGNED-PAYLOAD``, or a ``STREAMING-…``
            form. A body that is a stream has still to be compared with it.
        seed: The signature itself, from which those of chunks go on.
        signing_key: For chunks.
        signed_at: ``YYYYMMDDTHHMMSSZ``.
        scope: ``YYYYMMDD/region/service/aws4_request``.
    """

    access_key_id: str
    region: str = ""
    payload: str = UNSIGNED_PAYLOAD
    seed: str = ""
    signing_key: bytes = dataclasses.field(default=b"", repr=False)
    signed_at: str = ""
    scope: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a request says of its signature."""

    credential: Credential
    signed_headers: tuple[str, ...]
    signature: str
    signed_at: str
    expires_seconds: int | None
    session_token: str | None


def verify(request: WireRequest, identified: Identified, *, find_key: FindKey, now: datetime.datetime) -> Signature:
    """Check a request's signature of version 4.

    A whole body is checked against its hash here. A streamed one is not: see ``Signature.payload``.

    Args:
        request: As it came in, nothing decoded.
        identified: Names the protocol, for the words of a refusal.
        find_key: The configured keys.
        now: Aware.

    Raises:
        ServiceError: the request is not let in; the code depends on reason and protocol, see ``refusals``.
    """
    refuse = functools.partial(_refuse, identified.protocol)
    claim = _read_claim(request, refuse)
    credential = claim.credential
    key = find_key(credential.access_key_id)
    if key is None or not _same(claim.session_token or "", key.session_token or ""):
        refuse(Refusal.UNKNOWN_KEY)
    if key.expires_at is not None and key.expires_at <= now:
        refuse(Refusal.EXPIRED_TOKEN)
    _check_time(claim, now, refuse)
    payload = _payload_hash(request, claim, refuse)
    scope = f"{credential.date}/{credential.region}/{credential.signing_name}/aws4_request"
    canonical = canonical_request(
        request, signed_headers=claim.signed_headers, payload=payload, is_s3=credential.signing_name in _S3_NAMES
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signing_key = derive_key(key.secret_access_key, credential.date, credential.region, credential.signing_name)
    expected = sign(signing_key, f"{ALGORITHM}\n{claim.signed_at}\n{scope}\n{digest}")
    if not _same(expected, claim.signature):
        refuse(Refusal.MISMATCH)
    _check_body(request, payload, refuse)
    return Signature(
        access_key_id=credential.access_key_id,
        region=credential.region,
        payload=payload,
        seed=expected,
        signing_key=signing_key,
        signed_at=claim.signed_at,
        scope=scope,
    )


def _refuse(protocol: str, refusal: Refusal, detail: str = "") -> NoReturn:
    raise authentication_error(refusal, protocol=protocol, detail=detail)


_Refuse: TypeAlias = Callable[..., NoReturn]


def _same(left: str, right: str) -> bool:
    """In constant time, whatever the texts are."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


# --- what the request claims ----------------------------------------------------------------------------------------


def _read_claim(request: WireRequest, refuse: _Refuse) -> _Claim:
    authorization = request.headers.get("authorization")
    if authorization is None:
        return _read_presigned(request, refuse)
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        refuse(Refusal.INCOMPLETE, f"Unsupported AWS 'algorithm': '{algorithm}'; expected {ALGORITHM}.")
    fields = dict(re.findall(r"([A-Za-z]+)=([^,\s]*)", rest))
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not fields.get(name)]
    signed_at = request.headers.get("x-amz-date") or ""
    if not signed_at:
        missing.append("a 'X-Amz-Date' header")
    if missing:
        refuse(Refusal.INCOMPLETE, f"Authorization header requires {', '.join(missing)}.")
    claim = _Claim(
        credential=_read_scope(request, signed_at, refuse),
        signed_headers=tuple(fields["SignedHeaders"].lower().split(";")),
        signature=fields["Signature"],
        signed_at=signed_at,
        expires_seconds=None,
        session_token=request.headers.get("x-amz-security-token"),
    )
    _check_signed_headers(request, claim.signed_headers, refuse)
    return claim


def _read_presigned(request: WireRequest, refuse: _Refuse) -> _Claim:
    pairs = request.query_pairs()
    query = dict(pairs)
    if "X-Amz-Signature" not in query:
        refuse(Refusal.MISSING)
    if len(query) != len(pairs) and any(name.startswith("X-Amz-") for name in _repeated(pairs)):
        refuse(Refusal.INCOMPLETE, "A parameter of the signature is given twice.")
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        refuse(Refusal.INCOMPLETE, f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    missing = [name for name in ("X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders") if not query.get(name)]
    if missing:
        refuse(Refusal.INCOMPLETE, f"Query-string authentication requires {', '.join(missing)}.")
    expires = parse_digits(query.get("X-Amz-Expires", "900"))
    if expires is None or not 1 <= expires <= PRESIGNED_LIFETIME_LIMIT_SECONDS:
        refuse(Refusal.INCOMPLETE, "X-Amz-Expires must be between 1 and 604800 seconds")
    claim = _Claim(
        credential=_read_scope(request, query["X-Amz-Date"], refuse),
        signed_headers=tuple(query["X-Amz-SignedHeaders"].lower().split(";")),
        signature=query["X-Amz-Signature"],
        signed_at=query["X-Amz-Date"],
        expires_seconds=expires,
        session_token=query.get("X-Amz-Security-Token"),
    )
    _check_signed_headers(request, claim.signed_headers, refuse)
    return claim


def _repeated(pairs: list[tuple[str, str]]) -> set[str]:
    names = [name for name, _ in pairs]
    return {name for name in names if names.count(name) > 1}


def _read_scope(request: WireRequest, signed_at: str, refuse: _Refuse) -> Credential:
    credential = read_credential(request)
    if credential is None or not credential.date or not signed_at.startswith(credential.date):
        refuse(Refusal.INCOMPLETE, "Credential must be KEY/DATE/REGION/SERVICE/aws4_request, of the request's date.")
    return credential


def _check_signed_headers(request: WireRequest, names: tuple[str, ...], refuse: _Refuse) -> None:
    """The host and every ``x-amz-`` header have to be signed, or somebody on the way could change them."""
    if "host" not in names:
        refuse(Refusal.INCOMPLETE, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
    unsigned = [name for name in request.headers.names() if name.startswith("x-amz-") and name not in names]
    if unsigned:
        refuse(Refusal.INCOMPLETE, f"There were headers present in the request which were not signed: {unsigned}")


def _check_time(claim: _Claim, now: datetime.datetime, refuse: _Refuse) -> None:
    try:
        signed_at = datetime.datetime.strptime(claim.signed_at, _TIME_FORMAT).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        refuse(Refusal.INCOMPLETE, f"Date must be in ISO-8601 'basic format'. Got '{claim.signed_at}'.")
    now_text = f"{now.astimezone(datetime.timezone.utc):{_TIME_FORMAT}}"
    if signed_at > now + CLOCK_SKEW:
        latest = f"{now_text} + 15 min."
        refuse(Refusal.SKEWED, f"Signature not yet current: {claim.signed_at} is still later than {latest}")
    if claim.expires_seconds is not None:
        if now > signed_at + datetime.timedelta(seconds=claim.expires_seconds):
            refuse(Refusal.EXPIRED, f"Signature expired: signed {claim.signed_at} for {claim.expires_seconds} s")
    elif signed_at < now - CLOCK_SKEW:
        earliest = f"{now_text} - 15 min."
        refuse(Refusal.SKEWED, f"Signature expired: {claim.signed_at} is now earlier than {earliest}")


def _payload_hash(request: WireRequest, claim: _Claim, refuse: _Refuse) -> str:
    """What stands at the end of the canonical request."""
    declared = request.headers.get("x-amz-content-sha256")
    if declared is not None:
        return declared
    if claim.credential.signing_name in _S3_NAMES:
        if claim.expires_seconds is None:
            refuse(Refusal.INCOMPLETE, "Missing required header for this request: x-amz-content-sha256")
        return UNSIGNED_PAYLOAD
    if request.stream is not None:
        return UNSIGNED_PAYLOAD  # never what the client signed, so that the signature is refused
    return hashlib.sha256(request.body).hexdigest()


def _check_body(request: WireRequest, payload: str, refuse: _Refuse) -> None:
    if request.stream is not None or payload == UNSIGNED_PAYLOAD or payload.startswith("STREAMING-"):
        return
    if not _same(hashlib.sha256(request.body).hexdigest(), payload.lower()):
        refuse(Refusal.BODY)


# --- the arithmetic -------------------------------------------------------------------------------------------------


def canonical_request(request: WireRequest, *, signed_headers: tuple[str, ...], payload: str, is_s3: bool) -> str:
    """The text whose hash is signed."""
    lines = [
        request.method,
        request.path if is_s3 else quote(_without_dot_segments(request.path), safe="/~"),
        _canonical_query(request),
        *(f"{name}:{_canonical_header(request, name)}" for name in signed_headers),
        "",
        ";".join(signed_headers),
        payload,
    ]
    return "\n".join(lines)


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return f"/{'/'.join(kept)}{'/' if kept and path.endswith('/') else ''}"


def _canonical_query(request: WireRequest) -> str:
    encoded = [
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in request.query_pairs()
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _canonical_header(request: WireRequest, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in request.headers.get_all(name))


@functools.lru_cache(maxsize=64)
def derive_key(secret_access_key: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def sign(signing_key: bytes, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(signing_key, text.encode(), hashlib.sha256).hexdigest()

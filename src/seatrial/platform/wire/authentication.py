"""One question for every kind of signature: who sends this request, and did nobody change it on the way."""

from __future__ import annotations

import datetime

from seatrial.platform.wire import signing, signing_v2
from seatrial.platform.wire.identify import Identified
from seatrial.platform.wire.request import WireRequest
from seatrial.platform.wire.signing import FindKey, Signature


def authenticate(
    request: WireRequest,
    identified: Identified,
    *,
    find_key: FindKey,
    now: datetime.datetime,
    host_bucket: str | None = None,
) -> Signature:
    """Check a request's signature, of version 4 or, for S3, of version 2.

    Args:
        request: As it came in, nothing decoded.
        identified: From ``identify.identify``.
        find_key: The configured keys.
        now: Aware.
        host_bucket: The bucket of a virtual-host style S3 request.

    Returns:
        What is needed to check a streamed body: see ``Signature.payload`` and ``chunk_signatures``.

    Raises:
        ServiceError: the request is not let in.
    """
    if identified.protocol == "rest-xml" and signing_v2.is_version_2(request):
        return signing_v2.verify_v2(request, find_key=find_key, now=now, host_bucket=host_bucket)
    return signing.verify(request, identified, find_key=find_key, now=now)


def security_token(request: WireRequest) -> str | None:
    """The token of temporary credentials, from the header or from a presigned address; ``None`` without one."""
    token = request.headers.get("x-amz-security-token")
    if token is not None:
        return token
    return next((value for name, value in request.query_pairs() if name.lower() == "x-amz-security-token"), None)

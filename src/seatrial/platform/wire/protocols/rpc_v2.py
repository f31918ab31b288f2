"""Smithy's RPC v2 with CBOR: refused, in its own form so that the client can show why.

CloudWatch's clients in Java, JavaScript, Go and Rust may choose it; boto3 and the AWS CLI choose JSON where a model
offers both (botocore 1.44), and no other service of ours offers it. Source: ``protocols`` in botocore's models.
"""

from __future__ import annotations

from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.request import WireResponse


def serialise_error(error: ServiceError) -> WireResponse:
    body = b"\xa2" + b"".join(map(_encode_text, ("__type", error.code, "message", error.message)))
    headers = (("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"))
    return WireResponse(status=error.status or 400, headers=headers, body=body)


def _encode_text(text: str) -> bytes:
    """A CBOR text string with a length of four bytes, RFC 8949, section 3."""
    encoded = text.encode()
    return b"\x7a" + len(encoded).to_bytes(4, "big") + encoded

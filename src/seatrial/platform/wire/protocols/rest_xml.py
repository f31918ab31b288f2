"""S3's form of an error. S3's requests and answers are written by hand in its own service."""

from __future__ import annotations

from html import escape

from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.request import WireResponse
from seatrial.platform.wire.xml_text import legible


def serialise_error(error: ServiceError, request_id: str, *, resource: str = "", is_head: bool = False) -> WireResponse:
    """``<Error><Code>…``; the answer to HEAD has no body, so that a client sees only the status.

    Args:
        error: ``members`` become elements of their own (``BucketName``).
        request_id: For ``RequestId``.
        resource: The path of the request.
        is_head: The request was HEAD.
    """
    members = {"Code": error.code, "Message": error.message, **error.members, "Resource": resource}
    text = "".join(
        f"<{name}>{escape(legible(str(value)), quote=False)}</{name}>" for name, value in members.items() if value != ""
    )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}<RequestId>{escape(request_id)}</RequestId></Error>'
    return WireResponse(
        status=error.status or (400 if error.is_sender_fault else 500),
        headers=(("content-type", "application/xml"),),
        body=b"" if is_head else body.encode(),
    )

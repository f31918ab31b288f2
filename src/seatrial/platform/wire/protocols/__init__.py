"""From bytes to parameters and from an output or an error to bytes, in the protocol that the request uses."""

from __future__ import annotations

import dataclasses
import zlib
from typing import TYPE_CHECKING, Any

from seatrial.platform.wire.errors import ServiceError, serialization_error
from seatrial.platform.wire.identify import Identified
from seatrial.platform.wire.parsed import Parsed
from seatrial.platform.wire.protocols import aws_json, query, rest_json, rest_xml, rpc_v2
from seatrial.platform.wire.request import WireRequest, WireResponse

if TYPE_CHECKING:
    from botocore.model import OperationModel

COMPRESSED_LIMIT_BYTES = 64 * 1024 * 1024
"""How much a compressed body may hold; a choice of ours, so that a small request cannot fill the memory."""


def parse_request(identified: Identified, operation: OperationModel, request: WireRequest) -> Parsed:
    """Read the parameters of a request; not for S3.

    Args:
        identified: Names the protocol.
        operation: From ``identify.resolve_operation``.
        request: With its whole body, or with a stream where the operation's payload is one.

    Raises:
        ServiceError: SerializationException; or UnknownOperationException for a protocol that is not spoken here.
    """
    if identified.protocol == "rest-json":
        return rest_json.parse_request(operation, request)  # the encoding of a payload is the container's affair
    if identified.protocol in ("json", "query"):
        parse = aws_json.parse_request if identified.protocol == "json" else query.parse_request
        return parse(operation, _decompress(request))
    what = f"Seatrial does not speak {identified.protocol}; use boto3, the AWS CLI, or an older SDK that sends JSON"
    raise ServiceError("UnknownOperationException", what, 404)


def _decompress(request: WireRequest) -> WireRequest:
    """Read what botocore compressed: large bodies of some operations, such as PutMetricData's."""
    if (request.headers.get("content-encoding") or "").strip().lower() != "gzip":
        return request
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(request.body, COMPRESSED_LIMIT_BYTES)
    except zlib.error as error:
        raise serialization_error(f"the request body is no gzip: {error}") from None
    if not unpacker.eof:
        raise serialization_error(f"the request body is cut off, or holds more than {COMPRESSED_LIMIT_BYTES} bytes")
    return dataclasses.replace(request, body=body)


def serialise_output(
    identified: Identified, operation: OperationModel, output: dict[str, Any] | None, request_id: str
) -> WireResponse:
    """Write what a handler returned; ``None`` counts as no members.

    Raises:
        InternalError: the output does not fit the model.
    """
    if identified.protocol == "query":
        response = query.serialise_output(operation, output or {}, request_id)
    elif identified.protocol == "rest-json":
        response = rest_json.serialise_output(operation, output or {})
    else:
        response = aws_json.serialise_output(operation, output or {})
    return with_request_id(response, request_id)


def serialise_error(
    identified: Identified, error: ServiceError, request_id: str, *, request: WireRequest | None = None
) -> WireResponse:
    """Write an error, whatever step it comes from. A service that we do not have is answered in its protocol too.

    Args:
        identified: Names service and protocol.
        error: What to say.
        request_id: For the header, and for the body where the protocol has it there.
        request: For S3, whose errors name the resource and have no body for HEAD.
    """
    service = identified.service if identified.is_known else _STAND_IN.get(identified.protocol, "sagemaker")
    if identified.protocol == "query":
        response = query.serialise_error(service, error, request_id)
    elif identified.protocol == "rest-json":
        response = rest_json.serialise_error(service, error)
    elif identified.protocol == "rest-xml":
        is_head = request is not None and request.method == "HEAD"
        resource = request.path if request is not None else ""
        response = rest_xml.serialise_error(error, request_id, resource=resource, is_head=is_head)
    elif identified.protocol == "smithy-rpc-v2-cbor":
        response = rpc_v2.serialise_error(error)
    else:
        response = aws_json.serialise_error(service, error)
    return with_request_id(response, request_id, is_s3=identified.protocol == "rest-xml")


_STAND_IN = {"query": "sts", "json": "sagemaker", "rest-json": "sagemaker-runtime"}
"""Whose XML namespace and spelling an answer for an unknown service has."""


def with_request_id(response: WireResponse, request_id: str, *, is_s3: bool = False) -> WireResponse:
    """Every answer carries the request's id, under the name that botocore reads for the service."""
    name = "x-amz-request-id" if is_s3 else "x-amzn-RequestId"
    return dataclasses.replace(response, headers=(*response.headers, (name, request_id)))

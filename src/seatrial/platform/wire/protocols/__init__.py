"""From bytes to parameters and from an output or an error to bytes, in the protocol that the request uses."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.identify import Identified
from seatrial.platform.wire.parsed import Parsed
from seatrial.platform.wire.protocols import aws_json, query, rest_json, rest_xml, rpc_v2
from seatrial.platform.wire.request import WireRequest, WireResponse

if TYPE_CHECKING:
    from botocore.model import OperationModel


def parse_request(identified: Identified, operation: OperationModel, request: WireRequest) -> Parsed:
    """Read the parameters of a request; not for S3.

    Args:
        identified: Names the protocol.
        operation: From ``identify.resolve_operation``.
        request: With its whole body, or with a stream where the operation's payload is one.

    Raises:
        ServiceError: SerializationException; or UnknownOperationException for a protocol that is not spoken here.
    """
    if identified.protocol == "json":
        return aws_json.parse_request(operation, request)
    if identified.protocol == "rest-json":
        return rest_json.parse_request(operation, request)
    if identified.protocol == "query":
        return query.parse_request(operation, request)
    what = f"Seatrial does not speak {identified.protocol}; use boto3, the AWS CLI, or an older SDK that sends JSON"
    raise ServiceError("UnknownOperationException", what, 404)


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

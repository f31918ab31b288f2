"""AWS JSON 1.0 and 1.1: ``POST /`` with ``X-Amz-Target``; one JSON document in, one out.

Source: §6.1; https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from seatrial.platform.wire import models
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.parsed import Parsed
from seatrial.platform.wire.protocols.json_values import decode_document, read_value, write_value
from seatrial.platform.wire.request import WireRequest, WireResponse

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

_COMMON_ERRORS_WITH_CAPITAL_MESSAGE = frozenset(
    {"AccessDeniedException", "SerializationException", "UnknownOperationException"}
)
"""Coral's own errors spell ``Message``; those of a service, ``ValidationException`` too, spell ``message``."""


def parse_request(operation: OperationModel, request: WireRequest) -> Parsed:
    """Raises ServiceError (SerializationException) for a body that cannot be read. See ``json_values``."""
    document = decode_document(request.body)
    unknown: list[str] = []
    if operation.input_shape is None:
        return Parsed(parameters={}, unknown=tuple(document) if isinstance(document, dict) else ())
    parameters = read_value(operation.input_shape, document, "", unknown)
    return Parsed(parameters=parameters, unknown=tuple(unknown))


def serialise_output(operation: OperationModel, output: dict[str, Any]) -> WireResponse:
    """An operation without an output shape answers with an empty body, as AWS does (§6.4)."""
    shape = operation.output_shape
    body = b"" if shape is None else msgspec.json.encode(write_value(shape, output))
    return WireResponse(status=200, headers=(("content-type", content_type(operation.service_model)),), body=body)


def content_type(model: Any) -> str:
    return f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.0')}"


def serialise_error(service: str, error: ServiceError) -> WireResponse:
    shape = models.find_error_shape(service, error.code)
    body = error_document(error, shape)
    headers = [("content-type", content_type(models.service_model(service)))]
    if "awsQueryCompatible" in models.service_model(service).metadata:
        # botocore takes the code from here, and clients written for the query protocol rely on it.
        fault = "Sender" if error.is_sender_fault else "Receiver"
        headers.append(("x-amzn-query-error", f"{error.code};{fault}"))
        body["__type"] = shape.name if shape is not None else error.code
    return WireResponse(status=error_status(error, shape), headers=tuple(headers), body=msgspec.json.encode(body))


def error_document(error: ServiceError, shape: Shape | None) -> dict[str, Any]:
    """``__type``, the text under the name that the shape declares (``Message``, else ``message``), and its members."""
    members: Any = getattr(shape, "members", {})
    spelled = "Message" if "Message" in members or error.code in _COMMON_ERRORS_WITH_CAPITAL_MESSAGE else "message"
    document: dict[str, Any] = {"__type": error.code, spelled: error.message}
    if shape is not None:
        document |= write_value(shape, dict(error.members))
    return document


def error_status(error: ServiceError, shape: Shape | None) -> int:
    """The error's own status, else the one that the model declares, else 400."""
    if error.status is not None:
        return error.status
    declared = (shape.metadata.get("error") or {}) if shape is not None else {}
    return int(declared.get("httpStatusCode", 400 if error.is_sender_fault else 500))

"""REST-JSON: parameters in path, query, headers and body. SageMaker's runtime and metrics planes.

Source: §6.1; https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html.
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import msgspec

from seatrial.platform.wire import models
from seatrial.platform.wire.errors import ServiceError, serialization_error
from seatrial.platform.wire.parsed import Parsed
from seatrial.platform.wire.protocols.aws_json import error_document, error_status
from seatrial.platform.wire.protocols.event_stream import Event, encode_events
from seatrial.platform.wire.protocols.json_values import decode_document, read_value, unfit_output, write_value
from seatrial.platform.wire.request import ByteStream, WireRequest, WireResponse
from seatrial.platform.wire.timestamps import parse_timestamp, render_timestamp
from seatrial.platform.wire.uri_templates import read_labels

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape, StructureShape

_OUTSIDE_BODY = frozenset({"uri", "querystring", "header", "headers", "statusCode"})
_OWN_HEADER_PREFIX = "x-amzn-sagemaker-"
"""A header of this family that the operation does not know is an unknown member, not somebody else's header."""
_SIGNATURE_QUERY_PREFIX = "x-amz-"


def parse_request(operation: OperationModel, request: WireRequest) -> Parsed:
    """Read a request. A streamed payload is the request's ``stream`` when it has one, else its ``body``.

    Raises:
        ServiceError: SerializationException: a value has another type than the model says.
    """
    shape = operation.input_shape
    if shape is None:
        return Parsed(parameters={})
    parameters: dict[str, Any] = {}
    unknown: list[str] = []
    labels = read_labels(operation.http["requestUri"], request.path) or {}
    query = request.query_pairs()
    known_headers, known_query = set(), set()
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        key = member.serialization.get("name", name)
        values: tuple[str, ...] = ()
        if location == "uri":
            values = (labels[key],) if key in labels else ()
        elif location == "querystring":
            known_query.add(key)
            values = tuple(value for query_name, value in query if query_name == key)
        elif location == "header":
            known_headers.add(key.lower())
            values = request.headers.get_all(key)
        elif location == "headers":
            parameters[name] = {
                header[len(key) :]: value for header, value in request.headers if header.startswith(key.lower())
            }
        if values:
            parameters[name] = _read_text_values(member, values, name)
    unknown += [f"?{name}" for name, _ in query if name not in known_query and not _is_of_signature(name)]
    unknown += [
        name for name in request.headers.names() if name.startswith(_OWN_HEADER_PREFIX) and name not in known_headers
    ]
    _read_body(shape, request, parameters, unknown)
    return Parsed(parameters=parameters, unknown=tuple(unknown))


def _is_of_signature(query_name: str) -> bool:
    return query_name.lower().startswith(_SIGNATURE_QUERY_PREFIX)


def _read_body(shape: StructureShape, request: WireRequest, parameters: dict[str, Any], unknown: list[str]) -> None:
    payload = shape.serialization.get("payload")
    if payload is None:
        in_body = {name for name, member in shape.members.items() if not _is_outside_body(member)}
        if not in_body:
            return
        document = decode_document(request.body)
        found = read_value(shape, document, "", unknown)
        for name, value in found.items():
            if name in in_body:
                parameters[name] = value
            else:
                unknown.append(name)  # it belongs into a header, the path or the query
        return
    member = shape.members[payload]
    if member.type_name in ("blob", "string"):
        content: Any = request.body if request.stream is None else request.stream
        if member.type_name == "string" and isinstance(content, bytes):
            content = content.decode("utf-8", "replace")
        parameters[payload] = content
    elif request.body:
        parameters[payload] = read_value(member, decode_document(request.body), payload, unknown)


def _is_outside_body(member: Shape) -> bool:
    return member.serialization.get("location") in _OUTSIDE_BODY


def _read_text_values(member: Shape, values: tuple[str, ...], path: str) -> Any:
    if member.type_name != "list":
        return read_text(member, values[0], path)
    item = cast("Any", member).member
    is_header = member.serialization.get("location") == "header"
    parts = [part.strip() for value in values for part in value.split(",")] if is_header else list(values)
    return [read_text(item, part, path) for part in parts]


def read_text(shape: Shape, text: str, path: str) -> Any:
    """A value that came as text, from a header, a path, a query or a form.

    Raises:
        ServiceError: SerializationException.
    """
    read = _TEXT_READERS.get(shape.type_name)
    if read is None:
        return read_value(shape, text, path, [])
    try:
        return read(text)
    except (ValueError, KeyError, OverflowError):
        raise serialization_error(f"'{text}' can not be converted to {shape.type_name}", where=path) from None


_TEXT_READERS: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "timestamp": parse_timestamp,
}


# --- answers --------------------------------------------------------------------------------------------------------


def serialise_output(operation: OperationModel, output: dict[str, Any]) -> WireResponse:
    """Write an answer. A streamed payload may be bytes or an iterator; an event stream is an iterable of events.

    An event is ``(member of the stream's shape, its value)``, such as ``("PayloadPart", {"Bytes": b"…"})``.

    Raises:
        InternalError: the output does not fit the model.
    """
    shape = operation.output_shape
    status = int(operation.http.get("responseCode", 200))
    if shape is None:
        return WireResponse(status=status)
    headers: list[tuple[str, str]] = []
    in_body: dict[str, Any] = {}
    for name, value in output.items():
        member = shape.members.get(name)
        if member is None:
            raise unfit_output(name, value, shape)
        if value is None:
            continue
        key = member.serialization.get("name", name)
        location = member.serialization.get("location")
        if location == "header":
            headers.append((key, _write_text(member, value)))
        elif location == "headers":
            headers += [(key + suffix, text) for suffix, text in value.items()]
        elif location == "statusCode":
            status = int(value)
        else:
            in_body[name] = value
    content_type, body = _write_body(shape, in_body)
    if "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("content-type", content_type))
    return WireResponse(status=status, headers=tuple(headers), body=body)


def _write_body(shape: StructureShape, in_body: dict[str, Any]) -> tuple[str, bytes | ByteStream]:
    payload = shape.serialization.get("payload")
    if payload is None:
        return "application/json", msgspec.json.encode(write_value(shape, in_body))
    member = shape.members[payload]
    value = in_body.get(payload)
    if member.serialization.get("eventstream") or getattr(member, "metadata", {}).get("eventstream"):
        events = cast("Iterable[Event] | AsyncIterable[Event]", value or ())
        return "application/vnd.amazon.eventstream", encode_events(cast("StructureShape", member), events)
    if member.type_name == "structure":
        return "application/json", msgspec.json.encode(write_value(member, value or {}))
    if isinstance(value, str):
        value = value.encode()
    return "application/octet-stream", b"" if value is None else value


def _write_text(member: Shape, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return render_timestamp(value, member.serialization.get("timestampFormat", "rfc822"))
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def serialise_error(service: str, error: ServiceError) -> WireResponse:
    """The class goes into ``x-amzn-ErrorType``, the text and further members into the body."""
    shape = models.find_error_shape(service, error.code)
    document = error_document(error, shape)
    del document["__type"]
    if "message" in document and shape is None:
        document["Message"] = document.pop("message")  # SageMaker's runtime spells it so throughout
    return WireResponse(
        status=error_status(error, shape),
        headers=(("content-type", "application/json"), ("x-amzn-ErrorType", error.code)),
        body=msgspec.json.encode(document),
    )

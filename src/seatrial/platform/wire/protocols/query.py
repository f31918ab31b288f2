"""The query protocol: a form in, XML out. STS and IAM, and older clients of CloudWatch.

``Tags.member.1.Key=a`` is the list ``Tags``, its first element, that element's ``Key``. Source:
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from html import escape
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from seatrial.platform.wire import models
from seatrial.platform.wire.errors import ServiceError, serialization_error
from seatrial.platform.wire.parsed import Parsed
from seatrial.platform.wire.protocols.aws_json import error_status
from seatrial.platform.wire.protocols.json_values import DEPTH_LIMIT, unfit_output
from seatrial.platform.wire.protocols.rest_json import read_text
from seatrial.platform.wire.request import WireRequest, WireResponse
from seatrial.platform.wire.timestamps import render_timestamp
from seatrial.platform.wire.xml_text import legible

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

_NOT_PARAMETERS = frozenset({"Action", "Version", "AWSAccessKeyId", "Signature", "Timestamp", "SignatureMethod"})
_CONTENT_TYPE = "text/xml"


class _Node:
    """A form as a tree: the part of a name up to a dot leads to a child. ``is_used`` finds what nobody read."""

    __slots__ = ("children", "is_used", "value")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.value: str | None = None
        self.is_used = False

    def numbered(self) -> list[_Node]:
        """Children ``1``, ``2``, … in the order of their numbers; gaps close."""
        numbers = sorted(int(part) for part in self.children if part.isascii() and part.isdigit() and len(part) < 10)
        return [self.children[str(number)] for number in numbers if str(number) in self.children]

    def unused(self, path: str = "") -> list[str]:
        found = [] if self.value is None or self.is_used else [path]
        for part, child in self.children.items():
            found += child.unused(f"{path}.{part}" if path else part)
        return found


def parse_request(operation: OperationModel, request: WireRequest) -> Parsed:
    """Read a form body, or the query of a presigned GET.

    Raises:
        ServiceError: SerializationException: a value has another type than the model says.
    """
    root = _Node()
    for name, value in _read_form(request):
        if name in _NOT_PARAMETERS or name.startswith("X-Amz-"):
            continue
        node = root
        if name.count(".") >= DEPTH_LIMIT:
            raise serialization_error(f"a parameter's name has more than {DEPTH_LIMIT} parts")
        for part in name.split("."):
            node = node.children.setdefault(part, _Node())
        node.value = value
    parameters = {} if operation.input_shape is None else _read_structure(operation.input_shape, root, "")
    return Parsed(parameters=parameters, unknown=tuple(root.unused()))


def _read_form(request: WireRequest) -> list[tuple[str, str]]:
    if request.body:
        return parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    return request.query_pairs()


def _read(shape: Shape, node: _Node, path: str) -> Any:
    if shape.type_name == "structure":
        return _read_structure(cast("StructureShape", shape), node, path)
    if shape.type_name == "list":
        return _read_list(cast("ListShape", shape), node, path)
    if shape.type_name == "map":
        return _read_map(cast("MapShape", shape), node, path)
    node.is_used = True
    text = node.value or ""
    if shape.type_name == "blob":
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise serialization_error("only base64-encoded strings are convertible to bytes", where=path) from None
    return read_text(shape, text, path)


def _read_structure(shape: StructureShape, node: _Node, path: str) -> dict[str, Any]:
    result = {}
    node.is_used = True
    for name, member in shape.members.items():
        key = _list_key(member, name)
        found = node.children.get(key)
        if found is not None and (found.value is not None or found.children):
            result[name] = _read(member, found, f"{path}.{name}" if path else name)
    return result


def _list_key(member: Shape, name: str) -> str:
    """The key of a member; a flattened list goes by the name of its elements."""
    key = member.serialization.get("name", name)
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(cast("ListShape", member).member.serialization.get("name", key))
    return str(key)


def _read_list(shape: ListShape, node: _Node, path: str) -> list[Any]:
    node.is_used = node.value in (None, "")  # an empty list is an empty value
    elements: _Node | None = node
    if not shape.serialization.get("flattened"):
        elements = node.children.get(shape.member.serialization.get("name", "member"))
    if elements is None:
        return []
    return [_read(shape.member, child, f"{path}[{index}]") for index, child in enumerate(elements.numbered())]


def _read_map(shape: MapShape, node: _Node, path: str) -> dict[str, Any]:
    node.is_used = node.value in (None, "")
    entries = node if shape.serialization.get("flattened") else node.children.get("entry")
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    result = {}
    for entry in entries.numbered() if entries is not None else ():
        key, value = entry.children.get(key_name), entry.children.get(value_name)
        if key is None or key.value is None:
            raise serialization_error("a map entry has no key", where=path)
        key.is_used = True
        result[key.value] = None if value is None else _read(shape.value, value, f"{path}.{key.value}")
    return result


# --- answers --------------------------------------------------------------------------------------------------------


def serialise_output(operation: OperationModel, output: dict[str, Any], request_id: str) -> WireResponse:
    """``<XResponse><XResult>…</XResult><ResponseMetadata>…``.

    Raises:
        InternalError: the output does not fit the model.
    """
    shape = operation.output_shape
    result = ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        result = f"<{wrapper}>{_write_members(shape, output, '')}</{wrapper}>"
    namespace = operation.metadata.get("xmlNamespace", "")
    text = (
        f'<{operation.name}Response xmlns="{escape(namespace)}">{result}'
        f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata></{operation.name}Response>"
    )
    return WireResponse(status=200, headers=(("content-type", _CONTENT_TYPE),), body=text.encode())


def serialise_error(service: str, error: ServiceError, request_id: str) -> WireResponse:
    namespace = models.service_model(service).metadata.get("xmlNamespace", "")
    fault = "Sender" if error.is_sender_fault else "Receiver"
    text = (
        f'<ErrorResponse xmlns="{escape(namespace)}"><Error><Type>{fault}</Type><Code>{_text(error.code)}</Code>'
        f"<Message>{_text(error.message)}</Message></Error><RequestId>{escape(request_id)}</RequestId></ErrorResponse>"
    )
    status = error_status(error, models.find_error_shape(service, error.code))
    return WireResponse(status=status, headers=(("content-type", _CONTENT_TYPE),), body=text.encode())


def _write_members(shape: StructureShape, value: dict[str, Any], path: str) -> str:
    parts = []
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None:
            raise unfit_output(f"{path}.{name}", item, shape)
        if item is not None:
            parts.append(_write(member, item, member.serialization.get("name", name), f"{path}.{name}"))
    return "".join(parts)


def _write(shape: Shape, value: Any, tag: str, path: str) -> str:
    try:
        if shape.type_name == "list":
            return _write_list(cast("ListShape", shape), value, tag, path)
        if shape.type_name == "map":
            return _write_map(cast("MapShape", shape), value, tag, path)
        if shape.type_name == "structure":
            return f"<{tag}>{_write_members(cast('StructureShape', shape), value, path)}</{tag}>"
        return f"<{tag}>{_text(_scalar(shape, value))}</{tag}>"
    except (AttributeError, TypeError):
        raise unfit_output(path, value, shape) from None


def _write_list(shape: ListShape, value: list[Any], tag: str, path: str) -> str:
    is_flat = shape.serialization.get("flattened")
    element = shape.member.serialization.get("name", tag if is_flat else "member")
    inner = "".join(_write(shape.member, item, element, f"{path}[]") for item in value)
    return inner if is_flat else f"<{tag}>{inner}</{tag}>"


def _write_map(shape: MapShape, value: dict[str, Any], tag: str, path: str) -> str:
    key_tag = shape.key.serialization.get("name", "key")
    value_tag = shape.value.serialization.get("name", "value")
    is_flat = shape.serialization.get("flattened")
    entry = tag if is_flat else "entry"
    inner = "".join(
        f"<{entry}><{key_tag}>{_text(key)}</{key_tag}>{_write(shape.value, item, value_tag, f'{path}.{key}')}</{entry}>"
        for key, item in value.items()
    )
    return inner if is_flat else f"<{tag}>{inner}</{tag}>"


def _scalar(shape: Shape, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return render_timestamp(value, shape.serialization.get("timestampFormat", "iso8601"))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def _text(value: str) -> str:
    """Escaped; a character that XML cannot carry becomes U+FFFD, and a carriage return keeps its identity."""
    return escape(legible(value), quote=False).replace("\r", "&#13;")

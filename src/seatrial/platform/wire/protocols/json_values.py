"""JSON documents and Python values, by botocore's shapes; shared by the two JSON protocols.

Reading takes the text of AWS's SerializationException from Coral, AWS's own framework: ``NUMBER_VALUE can not be
converted to a String``. Where Coral is lax in a way that would change a value without a word (``1.5`` for an integer
becomes 1) this module refuses instead.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from seatrial.core.errors import InternalError
from seatrial.platform.wire.errors import ServiceError, serialization_error
from seatrial.platform.wire.timestamps import parse_timestamp, render_timestamp, to_epoch

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, Shape, StructureShape

    Reader: TypeAlias = Callable[[Any, Any, str, list[str]], Any]
    Writer: TypeAlias = Callable[[Any, Any, str], Any]

INTEGER_BITS = {"integer": 32, "long": 64}
"""Sizes of Smithy's signed numbers."""
DEPTH_LIMIT = 64
"""How deep a request may nest; AWS's own limit is not known."""
_ARTICLED = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "timestamp": "a Date",
    "blob": "a ByteBuffer",
}
_HEX = rb"[0-9a-fA-F]{2}"
_ESCAPED = re.compile(
    rb"\\u[dD][89abAB]" + _HEX + rb"\\u[dD][c-fC-F]" + _HEX + rb"|(?P<half>\\u[dD][89a-fA-F]" + _HEX + rb")|\\."
)
"""An escape of JSON: a surrogate pair, half of one, or any other."""
_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def decode_document(body: bytes) -> Any:
    """A JSON text as plain values; an empty body counts as ``{}``.

    A nesting of more than ``DEPTH_LIMIT`` is refused, so that nobody can exhaust the stack of what reads it.

    Raises:
        ServiceError: SerializationException: no JSON by RFC 8259, no UTF-8, or nested too deep.
    """
    if not body.strip():
        return {}
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        half = _half_of_a_pair(body)
        why = f"{half} is half of a surrogate pair and no character" if half else str(error)
        raise serialization_error(f"the request body is no JSON: {why}") from None
    if _is_too_deep(document):
        raise serialization_error(f"the request body is nested deeper than {DEPTH_LIMIT}")
    return document


def _half_of_a_pair(body: bytes) -> str | None:
    """The first escape of a text that stands for no character, as others write it for a name that is no UTF-8."""
    for match in _ESCAPED.finditer(body):
        if match["half"]:
            return match["half"].decode("ascii")
    return None


def _is_too_deep(document: Any) -> bool:
    """Level by level, without recursion; documents are shallow, so there are few levels."""
    level = [document]
    for _ in range(DEPTH_LIMIT + 1):
        level = [
            item
            for container in level
            if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return False
    return True


# --- reading --------------------------------------------------------------------------------------------------------


def read_value(shape: Shape, value: Any, path: str, unknown: list[str]) -> Any:
    """Turn a plain JSON value into the Python value of its shape.

    Args:
        shape: What the model says it is.
        value: What ``decode_document`` gave; not null.
        path: Where it stands, for errors; empty at the top.
        unknown: Takes the paths of members that the model does not have.

    Raises:
        ServiceError: SerializationException: the value has another type.
    """
    return _READERS[shape.type_name](shape, value, path, unknown)


def _read_structure(shape: StructureShape, value: Any, path: str, unknown: list[str]) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    if not isinstance(value, dict):
        raise _not_expected(value, path)
    members = shape.members
    prefix = f"{path}." if path else ""
    result = {}
    for name, item in value.items():
        member = members.get(name)
        if member is None:
            if name != "__type":  # the mark of a union or an error in JSON protocols
                unknown.append(prefix + name)
        elif item is not None:
            result[name] = _READERS[member.type_name](member, item, prefix + name, unknown)
    return result


def _read_list(shape: ListShape, value: Any, path: str, unknown: list[str]) -> list[Any]:
    if not isinstance(value, list):
        raise _not_expected(value, path, "Expected list or null")
    member = shape.member
    read = _READERS[member.type_name]
    return [
        None if item is None else read(member, item, f"{path}[{index}]", unknown) for index, item in enumerate(value)
    ]


def _read_map(shape: MapShape, value: Any, path: str, unknown: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _not_expected(value, path, "Expected map or null")
    member = shape.value
    read = _READERS[member.type_name]
    return {key: None if item is None else read(member, item, f"{path}.{key}", unknown) for key, item in value.items()}


def _read_string(shape: Shape, value: Any, path: str, _unknown: list[str]) -> str:
    if isinstance(value, str):
        return value
    raise _not_convertible(value, shape, path)


def _read_boolean(shape: Shape, value: Any, path: str, _unknown: list[str]) -> bool:
    if isinstance(value, bool):
        return value
    raise _not_convertible(value, shape, path)


def _read_integer(shape: Shape, value: Any, path: str, _unknown: list[str]) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    bound = 1 << (INTEGER_BITS[shape.type_name] - 1)
    if isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound:
        return value
    raise _not_convertible(value, shape, path)


def _read_float(shape: Shape, value: Any, path: str, _unknown: list[str]) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise _not_convertible(value, shape, path) from None
    if isinstance(value, str) and value in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[value]
    raise _not_convertible(value, shape, path)


def _read_timestamp(shape: Shape, value: Any, path: str, _unknown: list[str]) -> datetime.datetime:
    try:
        return parse_timestamp(value)
    except ValueError:
        raise _not_convertible(value, shape, path) from None


def _read_blob(shape: Shape, value: Any, path: str, _unknown: list[str]) -> bytes:
    if not isinstance(value, str):
        raise _not_convertible(value, shape, path)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise serialization_error("only base64-encoded strings are convertible to bytes", where=path) from None


_READERS = cast(
    "Mapping[str, Reader]",
    {
        "structure": _read_structure,
        "list": _read_list,
        "map": _read_map,
        "string": _read_string,
        "char": _read_string,
        "boolean": _read_boolean,
        "integer": _read_integer,
        "long": _read_integer,
        "float": _read_float,
        "double": _read_float,
        "timestamp": _read_timestamp,
        "blob": _read_blob,
    },
)


def _not_expected(value: Any, path: str, for_scalar: str = "Unexpected field type") -> ServiceError:
    """A structure, a list or a map was due and something else came."""
    if isinstance(value, dict):
        return serialization_error("Start of structure or map found where not expected.", where=path)
    if isinstance(value, list):
        return serialization_error("Start of list found where not expected", where=path)
    return serialization_error(for_scalar, where=path)


def _not_convertible(value: Any, shape: Shape, path: str) -> ServiceError:
    if isinstance(value, (dict, list)):
        return _not_expected(value, path)
    kind = {bool: f"{value}".upper(), str: "STRING", int: "NUMBER", float: "NUMBER"}.get(type(value), "NULL")
    return serialization_error(f"{kind}_VALUE can not be converted to {_ARTICLED[shape.type_name]}", where=path)


# --- writing --------------------------------------------------------------------------------------------------------


def write_value(shape: Shape, value: Any, path: str = "") -> Any:
    """Turn a Python value into plain JSON values by its shape; members that are ``None`` are left out.

    Raises:
        InternalError: the value does not fit the shape: a fault of the service's code.
    """
    write = _WRITERS.get(shape.type_name)
    if write is None:
        return value
    try:
        return write(shape, value, path)
    except (AttributeError, TypeError):
        raise unfit_output(path, value, shape) from None


def _write_structure(shape: StructureShape, value: Mapping[str, Any], path: str) -> Any:
    if getattr(shape, "is_document_type", False):
        return value
    members = shape.members
    result = {}
    for name, item in value.items():
        if name not in members:
            raise unfit_output(f"{path}.{name}", item, shape)
        if item is not None:
            member = members[name]
            result[member.serialization.get("name", name)] = write_value(member, item, f"{path}.{name}")
    return result


def _write_timestamp(shape: Shape, value: datetime.datetime, _path: str) -> float | str:
    form = shape.serialization.get("timestampFormat", "unixTimestamp")
    return to_epoch(value) if form.lower() == "unixtimestamp" else render_timestamp(value, form)


def _write_float(_shape: Shape, value: float, _path: str) -> float | str:
    if math.isfinite(value):
        return value
    return next(text for text, special in _SPECIAL_FLOATS.items() if special == value or math.isnan(value))


_WRITERS = cast(
    "Mapping[str, Writer]",
    {
        "structure": _write_structure,
        "list": lambda shape, value, path: [write_value(shape.member, item, f"{path}[]") for item in value],
        "map": lambda shape, value, path: {
            key: write_value(shape.value, item, f"{path}.{key}") for key, item in value.items()
        },
        "timestamp": _write_timestamp,
        "blob": lambda _shape, value, _path: base64.b64encode(value).decode("ascii"),
        "float": _write_float,
        "double": _write_float,
    },
)


def unfit_output(path: str, value: Any, shape: Shape) -> InternalError:
    return InternalError(
        "output-unfit",
        "an operation's output does not fit AWS's model",
        where=path.lstrip("."),
        found=f"{type(value).__name__} {value!r}"[:200],
        expected=f"{shape.type_name} {shape.name}",
        fix="please report this",
    )

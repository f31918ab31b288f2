"""A request's parameters against the constraints of botocore's model, in AWS's own wording.

``1 validation error detected: Value 'a_b' at 'trainingJobName' failed to satisfy constraint: Member must satisfy
regular expression pattern: …``; several are joined by ``; `` with their number in front. Observed forms (contract.md
§6.3, and messages quoted in public issues of zenml, airflow, localstack and moto):

- the path is in lower camel case, ``inputDataConfig.1.member.channelName`` for the first channel;
- a string or number that breaks a rule of its own is shown as it is, a list or a map as Java prints it: ``[a, b]``,
  ``{a=1, b=2}``;
- elements that are no structures are judged with their list or map, which is printed, and all rules of an element are
  told: ``Member must satisfy constraint: [Member must have length less than or equal to 32, …]``, ``Map keys must
  satisfy constraint: […]``, ``Map value must satisfy constraint: […]``;
- a length comes before a pattern;
- the value of a member that the model calls sensitive is left out: ``Value at 'password' failed …``.

AWS promises no order of several errors; ours is the order of the model's members, so that the same request always gets
the same answer. Elements that are structures are walked into, with their number in the path.

UNVERIFIED: how AWS prints a structure inside a list (``[{Key=a, Value=b}]`` here), and what it says of a union with
none or several members.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from seatrial.platform.wire.errors import validation_error
from seatrial.platform.wire.java_patterns import compile_java

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

_Found: TypeAlias = "Iterator[tuple[str, Any, str]]"
"""Path, value and broken constraint of each error."""

_NO_EXTENSIONS: Mapping[str, str] = MappingProxyType({})
_PATTERN_RULE = "Member must satisfy regular expression pattern: "
_NOT_NULL = "Member must not be null"
_SENSITIVE = object()
"""Stands for a value that no message may show."""


def validate(
    operation: OperationModel, parameters: Mapping[str, Any], *, extensions: Mapping[str, str] = _NO_EXTENSIONS
) -> None:
    """Check parameters against the model: required, length, range, pattern, enum, keys and values, sizes, unions.

    What the service requires beyond the model (``ResourceConfig`` of a container training job, §6.4) stays
    with the service.

    Args:
        operation: botocore's model of it.
        parameters: From ``protocols.parse_request``, so their types are right.
        extensions: Paths such as ``InputDataConfig[].ChannelName``, and what we take there beyond the model's pattern.

    Raises:
        ServiceError: ValidationException, or the code that the service has for it.
    """
    broken = find_violations(operation, parameters, extensions=extensions)
    if broken:
        raise validation_error(render_violations(broken), service=operation.service_model.service_name)


def find_violations(
    operation: OperationModel, parameters: Mapping[str, Any], *, extensions: Mapping[str, str] = _NO_EXTENSIONS
) -> list[str]:
    """Every broken constraint as AWS words it, ``Value … failed to satisfy constraint: …``."""
    if operation.input_shape is None:
        return []
    taken = [(_path_pattern(path), re.compile(pattern)) for path, pattern in extensions.items()]
    return [
        f"Value {_quote(value)}at '{path}' failed to satisfy constraint: {broken}"
        for path, value, broken in _check_structure(operation.input_shape, parameters, "")
        if not (
            broken.startswith(_PATTERN_RULE) and any(at.fullmatch(path) and of.fullmatch(value) for at, of in taken)
        )
    ]


def _path_pattern(path: str) -> re.Pattern[str]:
    """Matches a declared path as messages write it: ``inputDataConfig.1.member.channelName``."""
    parts = [(part.removesuffix("[]"), part.endswith("[]")) for part in path.split(".")]
    return re.compile(r"\.".join(lower_camel(name) + (r"\.\d+\.member" if is_list else "") for name, is_list in parts))


def render_violations(broken: list[str]) -> str:
    noun = "error" if len(broken) == 1 else "errors"
    return f"{len(broken)} validation {noun} detected: {'; '.join(broken)}"


# --- walking --------------------------------------------------------------------------------------------------------


def _check_structure(shape: StructureShape, value: Mapping[str, Any], path: str) -> _Found:
    if getattr(shape, "is_document_type", False):
        return
    prefix = f"{path}." if path else ""
    required = shape.required_members
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield path, value, f"Member must have exactly one of [{', '.join(map(lower_camel, shape.members))}]"
    for name, member in shape.members.items():
        item = value.get(name)
        if item is not None:
            check = _CHECKS.get(member.type_name)
            if check is not None:
                yield from check(member, item, prefix + lower_camel(name))
        elif name in required:
            yield prefix + lower_camel(name), None, _NOT_NULL


def _check_list(shape: ListShape, value: list[Any], path: str) -> _Found:
    yield from ((path, value, broken) for broken in length_violations(shape, len(value)))
    member = shape.member
    if None in value:
        yield path, value, f"Member must satisfy constraint: [{_NOT_NULL}]"
    elif member.type_name in _SCALARS:
        if any(scalar_violations(member, item) for item in value):
            yield path, value, f"Member must satisfy constraint: [{', '.join(scalar_rules(member))}]"
    else:
        check = _CHECKS.get(member.type_name) or _check_nothing
        for index, item in enumerate(value, 1):
            yield from check(member, item, f"{path}.{index}.member")


def _check_map(shape: MapShape, value: dict[str, Any], path: str) -> _Found:
    yield from ((path, value, broken) for broken in length_violations(shape, len(value)))
    if any(scalar_violations(shape.key, key) for key in value):
        yield path, value, f"Map keys must satisfy constraint: [{', '.join(scalar_rules(shape.key))}]"
    member = shape.value
    if any(item is None for item in value.values()):
        yield path, value, f"Map value must satisfy constraint: [{_NOT_NULL}]"
    elif member.type_name in _SCALARS:
        if any(scalar_violations(member, item) for item in value.values()):
            yield path, value, f"Map value must satisfy constraint: [{', '.join(scalar_rules(member))}]"
    else:
        check = _CHECKS.get(member.type_name) or _check_nothing
        for key, item in value.items():
            yield from check(member, item, f"{path}.{key}.member")


def _check_scalar(shape: Shape, value: Any, path: str) -> _Found:
    shown = _SENSITIVE if shape.metadata.get("sensitive") else value
    for broken in scalar_violations(shape, value):
        yield path, shown, broken


def _check_nothing(_shape: Shape, _value: Any, _path: str) -> _Found:
    yield from ()


_SCALARS = frozenset({"string", "integer", "long", "float", "double", "blob"})
_CHECKS = cast(
    "Mapping[str, Callable[[Any, Any, str], _Found]]",
    {"structure": _check_structure, "list": _check_list, "map": _check_map, **dict.fromkeys(_SCALARS, _check_scalar)},
)


# --- the rules of one value -----------------------------------------------------------------------------------------


def scalar_violations(shape: Shape, value: Any) -> list[str]:
    """The rules of its shape that a string, a number or a blob breaks."""
    metadata = shape.metadata
    if not metadata:
        return []
    if isinstance(value, (int, float)):
        return _range_violations(metadata, value)
    if isinstance(value, bytes):
        return length_violations(shape, len(value))
    if not isinstance(value, str):
        return []  # a stream; its bounds are the service's to keep
    broken = length_violations(shape, _java_length(value))
    if "pattern" in metadata and compile_java(metadata["pattern"]).fullmatch(value) is None:
        broken.append(_pattern_rule(metadata["pattern"]))
    if metadata.get("enum") and value not in metadata["enum"]:
        broken.append(_enum_rule(metadata["enum"]))
    return broken


def scalar_rules(shape: Shape) -> list[str]:
    """Every rule of a shape, in the order in which AWS lists them for the elements of a list or a map."""
    metadata = shape.metadata
    is_number = shape.type_name in ("integer", "long", "float", "double")
    what = "value" if is_number else "length"
    rules = []
    if "max" in metadata:
        rules.append(f"Member must have {what} less than or equal to {metadata['max']}")
    if "min" in metadata or ("max" in metadata and not is_number):
        rules.append(f"Member must have {what} greater than or equal to {metadata.get('min', 0)}")
    if "pattern" in metadata:
        rules.append(_pattern_rule(metadata["pattern"]))
    if metadata.get("enum"):
        rules.append(_enum_rule(metadata["enum"]))
    return rules


def length_violations(shape: Shape, length: int) -> list[str]:
    """The bounds on a length that it breaks; of a string in UTF-16 units as in Java, of a list or a map in elements."""
    metadata = shape.metadata
    broken = []
    if "max" in metadata and length > metadata["max"]:
        broken.append(f"Member must have length less than or equal to {metadata['max']}")
    if "min" in metadata and length < metadata["min"]:
        broken.append(f"Member must have length greater than or equal to {metadata['min']}")
    return broken


def _range_violations(metadata: Mapping[str, Any], value: float) -> list[str]:
    if "max" in metadata and value > metadata["max"]:
        return [f"Member must have value less than or equal to {metadata['max']}"]
    if "min" in metadata and value < metadata["min"]:
        return [f"Member must have value greater than or equal to {metadata['min']}"]
    return []


def _pattern_rule(pattern: str) -> str:
    return f"{_PATTERN_RULE}{pattern}"


def _enum_rule(values: list[str]) -> str:
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def _java_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


# --- Java's text of a value -----------------------------------------------------------------------------------------


@functools.cache
def lower_camel(name: str) -> str:
    """``TrainingJobName`` as ``trainingJobName``, ``VPCConfig`` as ``vPCConfig``: only the first letter changes."""
    return name[:1].lower() + name[1:]


def _quote(value: Any) -> str:
    """A value as a message shows it, with the space behind it."""
    if value is _SENSITIVE:
        return ""
    return "null " if value is None else f"'{render_java(value)}' "


def render_java(value: Any) -> str:
    """A value as Java's ``toString`` prints it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(render_java, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}={render_java(item)}' for key, item in value.items())}}}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

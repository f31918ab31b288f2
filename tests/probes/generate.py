"""Probes of an operation, from botocore's model of it: what the model allows, and each thing that it does not.

A probe is a request that differs from a good one (``seeds.py``) in one member, and what has to come back. What the
model allows need not succeed, for the service has rules of its own, but must not be refused by the model's rules.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from tests.probes.patterns import fitting, misfit

MAX_TEXT_CHARACTERS = 200_000
MAX_ELEMENTS = 1_100
"""Longer texts and lists are not sent."""
INTEGER_BITS = {"integer": 32, "long": 64}

Path = tuple[str | int, ...]
"""Member names, ``0`` for the element of a list, ``*`` for the value of a map, ``*key`` for its key."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request and what is expected of its answer."""

    name: str
    request: Any
    """The parameters as JSON values; bytes are a body as it is."""
    expects: str
    """``allowed``, ``violation``, ``unknown`` or ``unreadable``."""
    clause: str = ""
    """Has to stand in the message."""


def probes_of(model: Any, seed: Mapping[str, Any], *, is_json: bool) -> Iterator[Probe]:
    """Every probe of one operation.

    Args:
        model: botocore's, of the operation.
        seed: Parameters that the service takes.
        is_json: The JSON protocol has types; the query protocol has texts.
    """
    yield Probe(name="seed", request=seed, expects="allowed")
    unknown = {**seed, "NoSuchMember": "x"}
    yield Probe(name="unknown member", request=unknown, expects="unknown", clause="'NoSuchMember'")
    if is_json:
        for name, body in (("no JSON", b"{"), ("no UTF-8", b'{"a": "\xff"}'), ("a list", b"[]"), ("a text", b'"x"')):
            if model.input_shape is not None:
                yield Probe(name=f"body is {name}", request=body, expects="unreadable")
    if model.input_shape is not None:
        yield from _of_structure(model.input_shape, seed, (), is_json)


def _of_structure(shape: Any, seed: Mapping[str, Any], path: Path, is_json: bool) -> Iterator[Probe]:
    here = _label(path)
    if path and is_json:
        yield Probe(name=f"{here} is a text", request=_with(seed, path, "x"), expects="unreadable")
    if path and is_json and not getattr(shape, "is_document_type", False):
        value = {**minimal(shape), "NoSuchMember": "x"}
        yield Probe(
            name=f"{here} unknown member", request=_with(seed, path, value), expects="unknown", clause="NoSuchMember'"
        )
    for name in shape.required_members:
        if is_json or not path or _is_scalar(shape.members[name]):  # a form has no empty structures
            yield _missing(shape, seed, path, name)
    for name, member in shape.members.items():
        yield from _of_member(member, _filled(seed, shape, path), (*path, name), is_json)


def _missing(shape: Any, seed: Mapping[str, Any], path: Path, name: str) -> Probe:
    value = {**minimal(shape), **(_get(seed, path) or {})}
    value.pop(name, None)
    return Probe(
        name=f"{_label((*path, name))} missing",
        request=_with(seed, path, value),
        expects="violation",
        clause=f"Value null at '{_place((*path, name))}' failed to satisfy constraint: Member must not be null",
    )


def _of_member(shape: Any, seed: Mapping[str, Any], path: Path, is_json: bool) -> Iterator[Probe]:
    if shape.type_name == "structure":
        yield from _of_structure(shape, seed, path, is_json)
    elif shape.type_name == "list":
        yield from _of_list(shape, seed, path, is_json)
    elif shape.type_name == "map":
        yield from _of_map(shape, seed, path, is_json)
    else:
        yield from _of_scalar(shape, seed, path, is_json)


def _of_list(shape: Any, seed: Mapping[str, Any], path: Path, is_json: bool) -> Iterator[Probe]:
    here, element = _label(path), minimal(shape.member)
    if shape.member.type_name == "structure" and not element:  # a form has no empty structures
        name, member = next(iter(shape.member.members.items()))
        element = {name: minimal(member)}
    if is_json:
        yield Probe(name=f"{here} is a map", request=_with(seed, path, {}), expects="unreadable")
        null = f"at '{_place(path)}' failed to satisfy constraint: Member must satisfy constraint: [Member must not be"
        yield Probe(name=f"{here} has null", request=_with(seed, path, [None]), expects="violation", clause=null)
    for label, size, clause in _sizes(shape):
        if size <= MAX_ELEMENTS and (size or is_json):
            yield _sized(f"{here} {label}", _with(seed, path, _elements(shape.member, element, size)), path, clause)
    yield from _of_member(shape.member, seed, (*path, 0), is_json)


def _elements(member: Any, element: Any, size: int) -> list[Any]:
    """Elements that differ where they can, as services refuse the same tag twice."""
    if member.type_name == "structure" and "Key" in member.members:
        return [{**element, "Key": f"k{number}"} for number in range(size)]
    return [element] * size


def _entries(size: int, value: Any) -> dict[str, Any]:
    return {f"k{number}": value for number in range(size)}


def _of_map(shape: Any, seed: Mapping[str, Any], path: Path, is_json: bool) -> Iterator[Probe]:
    here, value = _label(path), minimal(shape.value)
    if is_json:
        yield Probe(name=f"{here} is a list", request=_with(seed, path, []), expects="unreadable")
    for label, size, clause in _sizes(shape):
        if size <= MAX_ELEMENTS:
            yield _sized(f"{here} {label}", _with(seed, path, _entries(size, value)), path, clause)
    seed = _with(seed, path, _get(seed, path) or minimal(shape))
    yield from _of_member(shape.key, seed, (*path, "*key"), is_json)
    yield from _of_member(shape.value, seed, (*path, "*"), is_json)


def _sized(name: str, request: Any, path: Path, clause: str) -> Probe:
    if not clause:
        return Probe(name=name, request=request, expects="allowed")
    where = f"at '{_place(path)}' failed to satisfy constraint: {clause}"
    return Probe(name=name, request=request, expects="violation", clause=where)


def _sizes(shape: Any) -> Iterator[tuple[str, int, str]]:
    """What, how long, and the rule that it breaks."""
    shortest, longest = shape.metadata.get("min"), shape.metadata.get("max")
    if shortest is not None:
        yield "shortest", shortest, ""
        if shortest:
            yield "too short", shortest - 1, f"Member must have length greater than or equal to {shortest}"
    if longest is not None:
        yield "longest", longest, ""
        yield "too long", longest + 1, f"Member must have length less than or equal to {longest}"


def _of_scalar(shape: Any, seed: Mapping[str, Any], path: Path, is_json: bool) -> Iterator[Probe]:
    here = _label(path)
    if is_json and path[-1] != "*key":
        for label, value in _of_another_type(shape.type_name):
            yield Probe(name=f"{here} is {label}", request=_with(seed, path, value), expects="unreadable")
    elif not is_json and shape.type_name in ("integer", "boolean", "timestamp"):
        yield Probe(name=f"{here} is no {shape.type_name}", request=_with(seed, path, "x"), expects="unreadable")
    values = _texts(shape) if shape.type_name == "string" else _numbers(shape)
    for label, value, clause in values:
        probe = Probe(name=f"{here} {label}", request=_with(seed, path, value), expects="allowed")
        yield _forbidden(probe, path, shape, f"'{value}' ", clause) if clause else probe


def _of_another_type(type_name: str) -> Iterator[tuple[str, Any]]:
    if type_name != "string":
        yield "a map", {}
    else:
        yield "a number", 1
        yield "a boolean", True
    yield "a list", ["x"]
    if type_name in ("integer", "long", "boolean"):
        yield "a text", "x"
    if type_name in INTEGER_BITS:
        yield "a fraction", 1.5
        yield "out of bits", 1 << (INTEGER_BITS[type_name] - 1)


def _texts(shape: Any) -> Iterator[tuple[str, str, str]]:
    metadata = shape.metadata
    enum, pattern = metadata.get("enum"), metadata.get("pattern")
    shortest, longest = metadata.get("min", 0), metadata.get("max")
    if enum:
        yield "first value", enum[0], ""
        yield "last value", enum[-1], ""
        yield "no value of the set", "no-such-value", f"Member must satisfy enum value set: [{', '.join(enum)}]"
        return
    for label, length, clause in _sizes(shape):
        text = fitting(pattern, 0, None, length)
        if length <= MAX_TEXT_CHARACTERS and (text is not None or clause):
            yield label, "a" * length if text is None else text, clause
    if pattern is not None and (text := misfit(pattern, shortest, longest)) is not None:
        yield "misfit", text, f"Member must satisfy regular expression pattern: {pattern}"


def _numbers(shape: Any) -> Iterator[tuple[str, Any, str]]:
    if shape.type_name == "boolean":
        yield "true", True, ""
        yield "false", False, ""
    if shape.type_name == "timestamp":
        yield "the epoch", 0, ""
        yield "milliseconds", 1_700_000_000.123, ""
    lowest, highest = shape.metadata.get("min"), shape.metadata.get("max")
    bound = 1 << (INTEGER_BITS.get(shape.type_name, 64) - 1)
    if lowest is not None:
        yield "lowest", lowest, ""
        yield "too low", lowest - 1, f"Member must have value greater than or equal to {lowest}"
    if highest is not None:
        yield "highest", highest, ""
        if highest + 1 < bound:
            yield "too high", highest + 1, f"Member must have value less than or equal to {highest}"


def _forbidden(probe: Probe, path: Path, shape: Any, shown: str, clause: str) -> Probe:
    """The probe as one that the model forbids by a rule of a scalar."""
    what = {0: "Member must", "*": "Map value must", "*key": "Map keys must"}.get(path[-1])
    if what is not None:  # a list or map is judged as a whole, and all rules of its elements are told
        told = f"at '{_place(path[:-1])}' failed to satisfy constraint: {what} satisfy constraint: ["
    else:
        value = "" if shape.metadata.get("sensitive") else shown
        told = f"Value {value}at '{_place(path)}' failed to satisfy constraint: {clause}"
    return dataclasses.replace(probe, expects="violation", clause=told)


# --- requests -------------------------------------------------------------------------------------------------------


def minimal(shape: Any) -> Any:
    """The smallest value that the model allows."""
    kind = shape.type_name
    if kind == "structure":
        return {name: minimal(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [minimal(shape.member) for _ in range(shape.metadata.get("min", 0) or 1)]
    if kind == "map":
        return _entries(shape.metadata.get("min", 0) or 1, minimal(shape.value))
    if kind == "string":
        metadata = shape.metadata
        text = fitting(metadata.get("pattern"), metadata.get("min", 0), metadata.get("max"))
        return metadata["enum"][0] if metadata.get("enum") else text or "a"
    return {"boolean": False, "timestamp": 1_700_000_000}.get(kind, shape.metadata.get("min", 1))


def _filled(seed: Mapping[str, Any], shape: Any, path: Path) -> dict[str, Any]:
    """The seed with all that a structure requires, so that one of its members alone decides."""
    filled: dict[str, Any] = _with(seed, path, {**minimal(shape), **(_get(seed, path) or {})})
    return filled


def _get(seed: Mapping[str, Any], path: Path) -> Any:
    value: Any = seed
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step) if step not in ("*", "*key") else next(iter(value.values()), None)
        elif isinstance(value, list):
            value = value[0] if value else None
    return value


def _with(seed: Any, path: Path, value: Any) -> Any:
    """A copy of the seed in which the value stands at the path."""
    if not path:
        return copy.deepcopy(value)
    step, rest = path[0], path[1:]
    if step == 0:
        old = seed[0] if isinstance(seed, list) and seed else None
        return [_with(old, rest, value), *(seed[1:] if isinstance(seed, list) else ())]
    if step == "*key":
        first, *others = seed
        return {value: seed[first], **{key: seed[key] for key in others}}
    if step == "*":
        return {**seed, next(iter(seed)): _with(None, rest, value)}
    base = dict(seed) if isinstance(seed, Mapping) else {}
    base[str(step)] = _with(base.get(str(step)), rest, value)
    return base


def _is_scalar(shape: Any) -> bool:
    return shape.type_name not in ("structure", "list", "map")


def _label(path: Path) -> str:
    return ".".join(map(str, path))


def _place(path: Path) -> str:
    """AWS's path: ``inputDataConfig.1.member.channelName``."""
    parts = []
    for step in path:
        text = str(step)
        parts.append("1.member" if step == 0 else "k0.member" if step == "*" else text[:1].lower() + text[1:])
    return ".".join(parts)

"""Hyperparameters as the dataclass or msgspec Struct with which the user annotates ``train(job, hyperparameters)``.

SageMaker carries text only, JSON-encoded by some clients and not by others (contract.md §1.3, §7 rows 7 and 8). A value
is tried as what its JSON says, then as the text itself, against the field's type. Rules:

- A field ``batch_size`` is also met by a hyperparameter ``batch-size``.
- Every problem is in one error: name, value, expected type.
- Hyperparameters without a field are passed over; one line of the log names them, and the fields of nearly their name.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, Union

import msgspec

from seatrial.contract.environment import is_reserved_hyperparameter
from seatrial.contract.json_text import shorten
from seatrial.contract.training import decode_hyperparameter
from seatrial.core.errors import ContractError
from seatrial.runtime.training.log_lines import announce

Target = TypeVar("Target")

_NEAR = 0.7
"""How alike two names are for ``difflib`` when one may be a slip for the other: ``lerning_rate``, ``epoch``."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    name: str
    """The keyword of the class."""
    hyperparameter: str
    annotation: Any
    is_required: bool


def annotation_of(function: Callable[..., object], parameter: str, *, where: str) -> object:
    """The type with which a parameter is annotated; ``None`` when it is not.

    Raises:
        ContractError: an annotation names something that does not exist.
    """
    try:
        return typing.get_type_hints(function).get(parameter)
    except NameError as error:
        raise ContractError(
            "algorithm-train-signature",
            "the annotations of train cannot be resolved",
            where=where,
            found=str(error),
            fix="define or import the name before it is used",
        ) from None


def is_mapping(annotation: object) -> bool:
    """Whether the annotation asks for hyperparameters as they are: ``dict``, ``Mapping[str, object]``..."""
    return (typing.get_origin(annotation) or annotation) in (dict, Mapping)


def is_supported_class(annotation: object) -> TypeGuard[type[object]]:
    """Whether hyperparameters can be converted to this class."""
    return isinstance(annotation, type) and (dataclasses.is_dataclass(annotation) or _is_struct(annotation))


def convert_hyperparameters(hyperparameters: Mapping[str, str], target: type[Target], *, where: str) -> Target:
    """Convert hyperparameters to an instance of a dataclass or Struct.

    Args:
        hyperparameters: As in ``hyperparameters.json``.
        target: The class.
        where: The file that an error names.

    Raises:
        ContractError: values do not fit or are missing, the class refuses them, or it has a type that no text can give.
    """
    fields = _fields_of(target)
    problems: list[str] = []
    values: dict[str, object] = {}
    for field in fields:
        name = _present_name(field.hyperparameter, hyperparameters)
        if name is None:
            if field.is_required:
                problems.append(f"'{field.hyperparameter}' is missing, expected {type_name(field.annotation)}")
            continue
        try:
            values[field.name] = _convert_value(hyperparameters[name], field.annotation)
        except msgspec.ValidationError as error:
            shown = repr(shorten(hyperparameters[name]))
            problems.append(f"'{name}' is {shown}, expected {type_name(field.annotation)}{_detail(error, field)}")
        except NotImplementedError:
            raise _unsupported(target, field) from None
    # First: a misspelt name is often why another one is missing.
    _announce_unknown(hyperparameters, [field.hyperparameter for field in fields], target)
    if problems:
        raise _invalid(target, problems, where)
    try:
        return target(**values)
    except (TypeError, ValueError) as error:  # the class's own check, in __post_init__
        raise _invalid(target, [str(error) or type(error).__name__], where) from error


def type_name(annotation: object) -> str:
    """A type as a person would write it: ``int``, ``float or null``, ``one of 'adam', 'sgd'``."""
    if typing.get_origin(annotation) is not None:
        return _generic_name(annotation)
    if annotation is type(None):
        return "null"
    if not isinstance(annotation, type):
        return str(annotation).replace("typing.", "")
    if issubclass(annotation, enum.Enum):
        return f"one of {', '.join(repr(member.value) for member in annotation)}"
    is_structure = annotation in (list, dict, tuple, set) or is_supported_class(annotation)
    return f"{annotation.__name__} as JSON" if is_structure else annotation.__name__


def _generic_name(annotation: object) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(member) for member in arguments)
    return f"{str(annotation).replace('typing.', '')} as JSON"


def _fields_of(target: type) -> list[_Field]:
    try:
        annotations = typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise ContractError(
            "hyperparameters-type-unsupported",
            f"the annotations of {target.__name__} cannot be resolved",
            found=str(error),
            fix="define or import the name in the module that defines the class",
        ) from None
    if _is_struct(target):
        return [
            _Field(
                name=field.name,
                hyperparameter=field.encode_name,
                annotation=annotations[field.name],
                is_required=field.required,
            )
            for field in msgspec.structs.fields(target)
        ]
    return [
        _Field(
            name=field.name,
            hyperparameter=field.name,
            annotation=annotations[field.name],
            is_required=field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(target)
        if field.init
    ]


def _present_name(name: str, hyperparameters: Mapping[str, str]) -> str | None:
    return next((spelling for spelling in (name, name.replace("_", "-")) if spelling in hyperparameters), None)


def _convert_value(text: str, annotation: Any) -> object:  # noqa: ANN401 (a type form has no type yet)
    """What the text's JSON says, else the text itself; the error is of the first try, which says more."""
    decoded = decode_hyperparameter(text)
    # str() of None, which clients without JSON send.
    candidates = [None if text == "None" else decoded, text]
    first_error: msgspec.ValidationError | None = None
    for candidate in candidates:
        try:
            return msgspec.convert(candidate, annotation, strict=False, dec_hook=_convert_other)
        except msgspec.ValidationError as error:
            first_error = first_error or error
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry and a text cannot
            first_error = first_error or msgspec.ValidationError("expected text in Unicode")
    raise first_error or AssertionError(text)


def _convert_other(annotation: type, value: object) -> object:
    """A type that msgspec does not know: a path is one, everything else cannot be told from text."""
    if not issubclass(annotation, PurePath):
        raise NotImplementedError
    if not isinstance(value, str):
        raise msgspec.ValidationError("expected a path")
    return annotation(value)


def _detail(error: msgspec.ValidationError, field: _Field) -> str:
    """What msgspec says where it says more than the type: a bound, or the place inside a structure."""
    text = str(error)
    is_bound = typing.get_origin(field.annotation) is Annotated
    return f" ({text[:1].lower()}{text[1:]})" if is_bound or " - at " in text else ""


def _announce_unknown(hyperparameters: Mapping[str, str], known: list[str], target: type) -> None:
    spellings = {spelling for name in known for spelling in (name, name.replace("_", "-"))}
    unknown = [name for name in hyperparameters if name not in spellings and not is_reserved_hyperparameter(name)]
    if not unknown:
        return
    shown = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
        shown.append(f"{name!r} (did you mean '{near[0]}'?)" if near else f"{name!r}")
    announce(f"warning: hyperparameters without a field in {target.__name__} are passed over: {', '.join(shown)}")


def _is_struct(annotation: type) -> bool:
    return issubclass(annotation, msgspec.Struct)


def _invalid(target: type, problems: list[str], where: str) -> ContractError:
    return ContractError(
        "hyperparameters-invalid",
        f"hyperparameters do not fit {target.__name__}",
        where=where,
        found="; ".join(problems),
    )


def _unsupported(target: type, field: _Field) -> ContractError:
    return ContractError(
        "hyperparameters-type-unsupported",
        f"field '{field.name}' of {target.__name__} has a type that no hyperparameter can have",
        found=type_name(field.annotation),
        expected="int, float, bool, str, a path, an enum, Literal, Optional, list, dict, or a dataclass of these",
    )

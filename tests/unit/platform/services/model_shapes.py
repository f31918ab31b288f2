"""Checks an output against the model that every AWS client parses it with."""

from __future__ import annotations

import datetime
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "timestamp": (datetime.datetime,),
    "structure": (dict,),
    "list": (list,),
}


def service_model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service_name=service)


def problems_of_output(model: ServiceModel, operation: str, output: dict[str, Any]) -> list[str]:
    """What botocore's model does not allow, each with its path; an operation without output has to answer ``{}``."""
    shape = model.operation_model(operation).output_shape
    if shape is None:
        return [] if output == {} else [f"{operation} has no output"]
    return _problems(shape, output, operation)


def _problems(shape: Any, value: Any, path: str) -> list[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        missing = [f"{path}.{name} is missing" for name in shape.required_members if name not in value]
        unknown = [f"{path}.{name} is unknown" for name in value if name not in shape.members]
        known = [name for name in value if name in shape.members]
        return [*missing, *unknown, *(p for n in known for p in _problems(shape.members[n], value[n], f"{path}.{n}"))]
    if shape.type_name == "list" and isinstance(value, list):
        return [p for i, element in enumerate(value) for p in _problems(shape.member, element, f"{path}[{i}]")]
    return _problems_of_scalar(shape, value, path)


def _problems_of_scalar(shape: Any, value: Any, path: str) -> list[str]:
    if not isinstance(value, _TYPES[shape.type_name]) or (shape.type_name != "boolean" and isinstance(value, bool)):
        return [f"{path} is no {shape.type_name} but {value!r}"]
    if shape.type_name == "timestamp" and value.tzinfo is None:
        return [f"{path} has no time zone"]
    if value not in (allowed := getattr(shape, "enum", None) or [value]):
        return [f"{path} is none of {allowed}"]
    return []

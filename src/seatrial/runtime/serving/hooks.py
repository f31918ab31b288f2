"""The functions a user writes, checked when ``serve`` starts.

    model_fn(model_dir) -> model                                   must be there
    transform_fn(model, body, content_type, accept) -> response    in place of the next three
    input_fn(body, content_type) -> data                           default: the codecs
    predict_fn(data, model) -> prediction                          must be there when transform_fn is not
    output_fn(prediction, accept) -> response                      default: the codecs
    pre_model_fn(model_dir), model_warmup_fn(model_dir, model)     before and after model_fn
    execution_parameters() -> dict                                 the answer to GET /execution-parameters

Each may take one more parameter, ``context``, and each may be ``async``. As in AWS's inference toolkit the number of
parameters decides, not their names. ``body`` is text for ``text/csv`` and ``application/json`` and bytes for all else;
``content_type`` is the header as the client sent it, parameters included, ``""`` without one. A response is bytes,
text, an object the codecs can write, or a pair of one of these and its content type.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from seatrial.core.errors import ContractError
from seatrial.runtime.algorithm import positional_parameters

PARAMETERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "model_fn": ("model_dir",),
        "pre_model_fn": ("model_dir",),
        "model_warmup_fn": ("model_dir", "model"),
        "transform_fn": ("model", "body", "content_type", "accept"),
        "input_fn": ("body", "content_type"),
        "predict_fn": ("data", "model"),
        "output_fn": ("prediction", "accept"),
        "execution_parameters": (),
    }
)
"""What each hook is called with."""

_REPLACED_BY_TRANSFORM = ("input_fn", "predict_fn", "output_fn")
_DATAFRAME_NAMES = frozenset({"DataFrame", "pd.DataFrame", "pandas.DataFrame"})


@dataclass(frozen=True, slots=True)
class Hook:
    """One function of the user's."""

    name: str
    function: Callable[..., Any]
    takes_context: bool
    is_async: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """All functions of the user's; ``None`` where a default stands in or nothing is to be done."""

    file: Path
    model_fn: Hook
    pre_model_fn: Hook | None = None
    model_warmup_fn: Hook | None = None
    transform_fn: Hook | None = None
    input_fn: Hook | None = None
    predict_fn: Hook | None = None
    output_fn: Hook | None = None
    execution_parameters: Hook | None = None
    wants_dataframe: bool = False
    """``predict_fn`` asks for a pandas DataFrame by the annotation of its first parameter."""

    @property
    def loading(self) -> tuple[Hook, ...]:
        """The hooks that run before the first request."""
        hooks = (self.pre_model_fn, self.model_fn, self.model_warmup_fn, self.execution_parameters)
        return tuple(hook for hook in hooks if hook is not None)

    @property
    def serving(self) -> tuple[Hook, ...]:
        """The hooks that run for each request."""
        hooks = (self.transform_fn, self.input_fn, self.predict_fn, self.output_fn)
        return tuple(hook for hook in hooks if hook is not None)


def read_hooks(module: ModuleType, file: Path) -> Hooks:
    """Take the hooks out of the user's module.

    Raises:
        ContractError: a hook is missing, has the wrong number of parameters, or cannot stand beside another.
    """
    found = {name: _read_hook(module, name, file) for name in PARAMETERS}
    if found["model_fn"] is None:
        raise _missing("model_fn", file)
    _check_combination(found, file)
    predict_fn = found["predict_fn"]
    wants_dataframe = predict_fn is not None and _asks_for_dataframe(predict_fn.function)
    return Hooks(file=file, wants_dataframe=wants_dataframe, **found)  # type: ignore[arg-type]  # model_fn: seen above


def _check_combination(found: Mapping[str, Hook | None], file: Path) -> None:
    beside = [name for name in _REPLACED_BY_TRANSFORM if found[name] is not None]
    if found["transform_fn"] is None:
        if found["predict_fn"] is None:
            raise _missing("predict_fn", file)
    elif beside:
        raise ContractError(
            "hook-conflict",
            "transform_fn cannot be used together with input_fn, predict_fn or output_fn",
            where=str(file),
            found="transform_fn and " + ", ".join(beside),
            expected=f"{_render('transform_fn')} alone, or {_render('predict_fn')} without it",
        )


def _read_hook(module: ModuleType, name: str, file: Path) -> Hook | None:
    function = getattr(module, name, None)
    if function is None:
        return None
    if not callable(function):
        raise _wrong_signature(name, file, f"{type(function).__name__} that cannot be called")
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 (an object with an async __call__)
    )
    return Hook(name, function, _takes_context(function, name, file), is_async)


def _takes_context(function: Callable[..., Any], name: str, file: Path) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have none
        return False
    count = len(PARAMETERS[name])
    for takes_context in (True, False) if len(positional_parameters(signature)) == count + 1 else (False,):
        try:
            signature.bind(*range(count + takes_context))
        except TypeError:
            continue
        return takes_context
    raise _wrong_signature(name, file, f"{name}{signature}")


def _asks_for_dataframe(function: Callable[..., Any]) -> bool:
    try:
        parameter = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):
        return False
    annotation = parameter.annotation if parameter is not None else None
    if isinstance(annotation, str):
        text = annotation.strip("'\" ")
        annotation = _resolve(text, getattr(function, "__globals__", {}))
        if annotation is None:  # imported for type checkers only
            return text in _DATAFRAME_NAMES
    module = getattr(annotation, "__module__", None) or ""
    return getattr(annotation, "__name__", "") == "DataFrame" and module.split(".")[0] == "pandas"


def _resolve(dotted_name: str, names: Mapping[str, Any]) -> object:
    first, *rest = dotted_name.split(".")
    value = names.get(first)
    for attribute in rest:
        value = getattr(value, attribute, None)
    return value


def _render(name: str) -> str:
    return f"{name}({', '.join(PARAMETERS[name])})"


def _missing(name: str, file: Path) -> ContractError:
    return ContractError(
        "hook-missing",
        f"there is no function {name}",
        where=str(file),
        expected=f"def {_render(name)}",
        fix=None if name == "model_fn" else "write it, or write " + _render("transform_fn"),
    )


def _wrong_signature(name: str, file: Path, found: str) -> ContractError:
    with_context = ", ".join([*PARAMETERS[name], "context"])
    return ContractError(
        "hook-signature",
        f"{name} cannot be called as it will be",
        where=str(file),
        found=found,
        expected=f"{_render(name)} or {name}({with_context})",
    )

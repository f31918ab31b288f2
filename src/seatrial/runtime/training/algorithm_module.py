"""Load the user's algorithm module and call its ``train(job)`` or ``train(job, hyperparameters)``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from seatrial.contract.layout import OptMl
from seatrial.contract.training import read_hyperparameters
from seatrial.core.errors import ContractError
from seatrial.runtime import algorithm
from seatrial.runtime.training.job import Job, read_job
from seatrial.runtime.training.program import Program, ProgramKind
from seatrial.runtime.training.stopping import Stopping

TrainFunction = Callable[..., object]

_FORMS = "train(job) or train(job, hyperparameters: SomeDataclass)"


def run_algorithm(program: Program, opt_ml: OptMl, stopping: Stopping) -> None:
    """Train with an algorithm module.

    Raises:
        ContractError: the module has no fitting ``train``, a configuration file is broken, hyperparameters do not fit.
        Exception: what the module raises.
    """
    job = read_job(opt_ml, stopping)
    module = load_algorithm(program)
    call_train(find_train(module), job, opt_ml)


def load_algorithm(program: Program) -> ModuleType:
    """Import the module, its own directory first on ``sys.path``.

    Raises:
        ContractError: a named module does not exist.
        Exception: what the module raises while it is imported.
    """
    if program.kind is ProgramKind.ALGORITHM_FILE:
        sys.path.insert(0, str(Path(program.name).parent))
        return algorithm.import_file(Path(program.name))
    try:
        return algorithm.import_name(program.name, program.directories)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{program.name}.".startswith(f"{error.name}."):
            raise  # the module exists, and lacks something that it imports
        raise ContractError(
            "algorithm-not-found",
            f"the algorithm module '{program.name}' does not exist",
            where=f"environment variable {algorithm.ALGORITHM}",
            found=f"no module '{error.name}' in {', '.join(map(str, program.directories))} or among the packages",
            fix="name a file or an importable module with a function train(job)",
        ) from None


def find_train(module: ModuleType) -> TrainFunction:
    """The module's ``train``.

    Raises:
        ContractError: it has none, or something else of that name.
    """
    train: TrainFunction | None = getattr(module, "train", None)
    if train is not None and callable(train):
        return train
    raise ContractError(
        "algorithm-without-train",
        "the algorithm module has no function train",
        where=str(module.__file__),
        found="no such name" if train is None else f"train is of type {type(train).__name__}",
        expected=_FORMS,
    )


def call_train(train: TrainFunction, job: Job, opt_ml: OptMl) -> None:
    """Call ``train``, with converted hyperparameters when it takes them; a coroutine is run to its end.

    Raises:
        ContractError: its parameters do not fit, or the hyperparameters do not fit them.
        Exception: what it raises.
    """
    parameters = _parameters_of(train)
    arguments: list[object] = [job]
    if len(parameters) > 1:
        arguments.append(_convert(train, parameters[1], job, opt_ml))
    result = train(*arguments)
    if inspect.iscoroutine(result):
        import asyncio  # noqa: PLC0415 (30 ms that only a coroutine needs)

        asyncio.run(result)


def _parameters_of(train: TrainFunction) -> list[str]:
    signature = inspect.signature(train)
    positional = algorithm.positional_parameters(signature)
    required = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    ]
    if positional and set(required) <= set(positional[:2]):
        return positional[:2]
    raise ContractError(
        "algorithm-train-signature",
        "the function train takes other arguments than it will be given",
        where=_source_of(train),
        found=f"train{signature}",
        expected=_FORMS,
    )


def _convert(train: TrainFunction, parameter: str, job: Job, opt_ml: OptMl) -> object:
    from seatrial.runtime.training import typed_hyperparameters as typed  # noqa: PLC0415 (loads msgspec)

    annotation = typed.annotation_of(train, parameter, where=_source_of(train))
    if annotation is None or typed.is_mapping(annotation):
        return dict(job.hyperparameters)
    if not typed.is_supported_class(annotation):
        raise ContractError(
            "algorithm-train-signature",
            f"parameter '{parameter}' of train has a type that hyperparameters cannot be converted to",
            where=_source_of(train),
            found=typed.type_name(annotation),
            expected="a dataclass, a msgspec.Struct, or dict",
        )
    where = str(opt_ml.hyperparameters_file)
    return typed.convert_hyperparameters(read_hyperparameters(opt_ml), annotation, where=where)


def _source_of(train: TrainFunction) -> str:
    code = getattr(inspect.unwrap(train), "__code__", None)
    return f"{code.co_filename}, line {code.co_firstlineno}" if code else repr(train)

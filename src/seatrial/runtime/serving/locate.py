"""Find the file with the user's hooks.

Order:

1. AWS's inference toolkit: ``SAGEMAKER_PROGRAM`` (default ``inference.py``) in ``SAGEMAKER_SUBMIT_DIRECTORY`` when that
   is a local directory, then in ``code/`` of the model directory.
2. Ours: the algorithm module that ``train`` would use, by the rules of ``runtime/algorithm.py``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from seatrial.core.errors import ContractError
from seatrial.runtime.algorithm import (
    ALGORITHM,
    DEFAULT_ALGORITHM,
    find_file,
    find_module_file,
    is_module_name,
    search_directories,
)
from seatrial.runtime.serving.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerFile:
    """The file with the user's hooks."""

    path: Path
    requirements: Path | None = None
    """To be installed before the file is imported, as AWS's toolkit does."""
    module: str | None = None
    """The name it is imported by, where the user named a module and not a file."""
    directories: tuple[Path, ...] = ()
    """Where such a module is looked for before the installed packages."""


def find_handler(settings: Settings, working_directory: Path) -> HandlerFile:
    """Find the handler.

    Raises:
        ContractError: there is none; the error tells every place looked at.
    """
    toolkit = [directory / _as_file_name(settings.program_name) for directory in _toolkit_directories(settings)]
    for path in toolkit:
        if path.is_file():
            requirements = path.parent / "requirements.txt"
            return HandlerFile(path=path, requirements=requirements if requirements.is_file() else None)
    named, directories = settings.algorithm, search_directories(working_directory, settings.opt_ml)
    module = named if named and is_module_name(named) else None
    found = find_module_file(module, directories) if module else find_file(named, directories)
    if found is not None:
        return HandlerFile(path=found, module=module, directories=directories)
    file_name = f"{module.replace('.', os.sep)}.py" if module else named or DEFAULT_ALGORITHM
    ours = [directory / file_name for directory in directories]
    raise _not_found(settings, list(dict.fromkeys([*toolkit, *ours])))


def _toolkit_directories(settings: Settings) -> list[Path]:
    directories = [settings.opt_ml.model_code_dir]
    submitted = settings.submit_directory
    if submitted is not None and "://" not in submitted and Path(submitted).is_dir():
        directories.insert(0, Path(submitted).absolute())
    return directories


def _as_file_name(program: str) -> str:
    return program if program.endswith(".py") else f"{program}.py"


def _not_found(settings: Settings, places: list[Path]) -> ContractError:
    submitted, named = settings.submit_directory, settings.algorithm
    misled = [f"{ALGORITHM}={named}, which names no file and no module"] if named else []
    if submitted is not None and "://" in submitted:
        misled.append(f"SAGEMAKER_SUBMIT_DIRECTORY={submitted}, which is no local directory")
    return ContractError(
        "handler-not-found",
        "there is no file with the functions model_fn and predict_fn",
        found=" and ".join(misled) or None,
        expected="one of " + ", ".join(map(str, places)),
        fix=f"correct or unset {ALGORITHM}"
        if named
        else "add algorithm.py to the image, or code/inference.py to the model archive",
    )

"""Find what ``train`` runs.

1. Script mode: the program that ``SAGEMAKER_PROGRAM`` or the hyperparameter ``sagemaker_program`` names, as AWS's
   training toolkit runs it.
2. An algorithm module, by the rules of ``runtime/algorithm.py``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.contract.environment import PROGRAM, PROGRAM_HYPERPARAMETER
from seatrial.contract.layout import OptMl
from seatrial.contract.training import decode_hyperparameter
from seatrial.core.errors import ContractError
from seatrial.runtime.algorithm import ALGORITHM, DEFAULT_ALGORITHM, find_file, is_module_name, search_directories


class ProgramKind(enum.Enum):
    """How a program is run."""

    SCRIPT = "script"
    """In the manner of AWS's training toolkit; the name is a path below the code directory, or a module."""
    ALGORITHM_FILE = "algorithm file"
    """A file with a function ``train(job)``; the name is its absolute path."""
    ALGORITHM_NAME = "algorithm name"
    """An importable module with a function ``train(job)``; the name is dotted."""


@dataclass(frozen=True, slots=True)
class Program:
    """What ``train`` runs."""

    kind: ProgramKind
    name: str
    directories: tuple[Path, ...] = ()
    """Of a module: searched before the installed packages."""


def find_program(
    environment: Mapping[str, str], hyperparameters: Mapping[str, str], opt_ml: OptMl, working_directory: Path
) -> Program:
    """Find what to run.

    Raises:
        ContractError: there is nothing, or a named algorithm does not exist; the error tells every place looked at.
    """
    if PROGRAM in environment:
        return Program(ProgramKind.SCRIPT, environment[PROGRAM])
    if PROGRAM_HYPERPARAMETER in hyperparameters:
        name = str(decode_hyperparameter(hyperparameters[PROGRAM_HYPERPARAMETER]))
        return Program(ProgramKind.SCRIPT, name)
    directories = search_directories(working_directory, opt_ml)
    named = environment.get(ALGORITHM)
    if named and is_module_name(named):
        return Program(ProgramKind.ALGORITHM_NAME, named, directories)
    if (path := find_file(named, directories)) is not None:
        return Program(ProgramKind.ALGORITHM_FILE, str(path))
    raise _nothing_found(named, directories)


def _nothing_found(named: str | None, directories: tuple[Path, ...]) -> ContractError:
    looked_in = ", ".join(str(directory) for directory in dict.fromkeys(directories))
    if named:
        return ContractError(
            "algorithm-not-found",
            f"the algorithm module '{named}' does not exist",
            where=f"environment variable {ALGORITHM}",
            found=f"no such file in {looked_in}",
            fix="name a file or an importable module with a function train(job)",
        )
    return ContractError(
        "training-program-not-found",
        "there is nothing to train with",
        where=looked_in,
        found=f"no {DEFAULT_ALGORITHM}, and no program is named",
        expected=f"{DEFAULT_ALGORITHM} with a function train(job), or a script named by {PROGRAM}",
        fix=f"copy {DEFAULT_ALGORITHM} into the working directory or {directories[1]}, or set {PROGRAM}",
    )

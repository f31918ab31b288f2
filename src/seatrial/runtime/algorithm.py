"""The algorithm module: the one piece of the user's code that both ``train`` and ``serve`` use, and where it lies.

``SEATRIAL_ALGORITHM`` names it, as a file (``iris.py``, or with a slash) or as a module (``iris``, ``package.iris``);
without it, it is the file ``algorithm.py``. Both programs look in the working directory, ``/opt/ml/code`` and
``/opt/program``, and for a module also among the installed packages.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from seatrial.contract.layout import OptMl
from seatrial.core.errors import ContractError

ALGORITHM = "SEATRIAL_ALGORITHM"
DEFAULT_ALGORITHM = "algorithm.py"
PROGRAM_DIR = Path("/opt/program")
"""Where the classic sample keeps its program."""


def search_directories(working_directory: Path, opt_ml: OptMl) -> tuple[Path, ...]:
    """Where an algorithm module is looked for, in order."""
    return (working_directory, opt_ml.code_dir, PROGRAM_DIR)


def is_module_name(named: str) -> bool:
    """Whether ``SEATRIAL_ALGORITHM`` names a module, not a file."""
    return not named.endswith(".py") and os.sep not in named


def find_file(named: str | None, directories: Iterable[Path]) -> Path | None:
    """The first file of that name, or of the default one; ``None`` when there is none."""
    paths = (directory / (named or DEFAULT_ALGORITHM) for directory in directories)
    return next((path.absolute() for path in paths if path.is_file()), None)


def find_module_file(name: str, directories: Iterable[Path]) -> Path | None:
    """The file that a module would be imported from, told without importing a parent package."""
    relative = name.replace(".", os.sep)
    for directory in (*directories, *map(Path, sys.path)):
        for path in (directory / f"{relative}.py", directory / relative / "__init__.py"):
            if path.is_file():
                return path.absolute()
    return None


def import_file(path: Path) -> ModuleType:
    """Import a file under its own name, so that what it pickles can be found again by that name.

    Where the name is taken by another module, the file's gets ``seatrial_algorithm_`` in front, and hides nothing.

    Raises:
        ContractError: its name is not that of a Python file.
        Exception: what the file raises; the module is not kept then.
    """
    name = path.stem if path.stem not in sys.modules else f"seatrial_algorithm_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ContractError(
            "algorithm-not-found",
            f"the algorithm module '{path}' is no Python file",
            where=f"environment variable {ALGORITHM}",
            expected="a name that ends in .py",
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def positional_parameters(signature: inspect.Signature) -> list[str]:
    """The names of the parameters that can be given by position."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in signature.parameters.values() if parameter.kind in kinds]


def import_name(name: str, directories: Iterable[Path]) -> ModuleType:
    """Import a module by its name, the directories first on ``sys.path``.

    Raises:
        Exception: what the import raises.
    """
    sys.path[:0] = [str(directory) for directory in directories if directory.is_dir()]
    return importlib.import_module(name)

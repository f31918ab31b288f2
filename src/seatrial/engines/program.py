"""A program directory: what it means to run ``train`` in it, and every way in which that cannot work.

A program directory is treated as the classic Dockerfile treats ``/opt/program``: it is the working directory and first
on PATH; after it come the ``bin`` directory of the chosen Python environment and the rest of PATH. The first argument
is looked up there, as an image without ENTRYPOINT does (contract.md §1.1). A PATH of the spec's environment replaces
all of that, as it does with Docker.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from seatrial.core.errors import ContractError, EngineError
from seatrial.engines import executables
from seatrial.engines.base import ContainerSpec

_STANDARD_DIRS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_NAMES_SHOWN_MAX = 12
_MARKER_FILE = "seatrial.toml"
_HONOURS_BASE_DIR = re.compile(r"^\s*honours_base_dir\s*=\s*true\s*(#.*)?$", re.MULTILINE)
_TABLE = re.compile(r"^\s*\[", re.MULTILINE)
_RUNTIME_SCRIPT = re.compile(rb"^from seatrial\.runtime\.main import ", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that can be started."""

    directory: Path
    executable: Path
    """As the container sees it."""
    argv: tuple[str, ...]
    path: str
    """PATH for the program's environment."""
    honours_base_dir: bool
    """It finds its files below ``SAGEMAKER_BASE_DIR`` where that is set, instead of ``/opt/ml``."""


def is_program_directory(image: str) -> bool:
    return image.startswith("file://")  # file:latest is an image


def resolve(spec: ContainerSpec, *, python: Path, inherited_path: str) -> Program:
    """Find what a spec would execute.

    Args:
        spec: Its image is ``file:///directory``.
        python: Interpreter of the chosen Python environment.
        inherited_path: The rest of PATH.

    Raises:
        EngineError: the image is no program directory's address, or there is nothing to execute.
        ContractError: the directory or the program in it is missing or cannot be executed.
    """
    directory = parse_image(spec.image)
    _check_directory(directory)
    argv = (*(spec.entrypoint or ()), *spec.arguments)
    if not argv:
        raise EngineError(
            "program-without-command",
            "a program directory has no command of its own",
            where=str(directory),
            fix="pass an argument such as train or serve",
        )
    path = spec.environment.get("PATH", search_path(directory, python, inherited_path))
    sources = {str(mount.target): mount.source for mount in spec.mounts}
    executable = _find(argv[0], directory, path, sources)
    executables.check(_on_host(executable, sources), path)
    return Program(
        directory=directory,
        executable=executable,
        argv=argv,
        path=path,
        honours_base_dir=_honours_base_dir(directory, executable),
    )


def parse_image(image: str) -> Path:
    """The directory that ``file:///directory`` names.

    Raises:
        EngineError: another kind of image name.
    """
    parts = urlsplit(image)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise EngineError(
            "image-not-a-program",
            "the process engine runs program directories only",
            found=image,
            expected="file:///directory",
            fix="pass a directory, or use the docker engine for this image",
        )
    return Path(unquote(parts.path))


def search_path(directory: Path, python: Path, inherited_path: str) -> str:
    """PATH of a program: its directory, the Python environment, the caller's PATH, the standard directories."""
    dirs = [str(directory), str(python.parent), *filter(os.path.isabs, inherited_path.split(os.pathsep))]
    return os.pathsep.join(dict.fromkeys([*dirs, *_STANDARD_DIRS]))


def _check_directory(directory: Path) -> None:
    if directory.is_dir():
        return
    if directory.exists():
        raise ContractError(
            "program-not-found",
            "the program directory is a file",
            where=str(directory),
            fix="pass the directory that holds train and serve",
        )
    raise ContractError(
        "program-not-found",
        "there is no such program directory",
        where=str(directory.parent),
        found=_shown(_names(directory.parent), directory.name),
        expected=f"a directory named {directory.name!r}",
        fix="pass the directory that holds train and serve",
    )


def _find(name: str, directory: Path, path: str, sources: Mapping[str, Path]) -> Path:
    """The executable a name stands for: itself when it has a slash, else the first hit on PATH."""
    if "/" in name:
        executable = directory / name
        if not os.path.lexists(_on_host(executable, sources)):
            raise _missing(name, directory)
        return executable
    folders = [Path(folder) for folder in path.split(os.pathsep) if folder]
    for folder in folders:
        candidate = folder / name
        if folder == directory and os.path.lexists(candidate):
            return candidate  # one that cannot be executed is a mistake to tell, not a reason to look further
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    if directory not in folders:
        raise ContractError(
            "program-without-entrypoint",
            f"there is no program {name!r} on the PATH that the environment sets",
            found=f"PATH={path}",
            fix=f"leave PATH out of the environment, or begin it with {directory}",
        )
    raise _missing(name, directory)


def _missing(name: str, directory: Path) -> ContractError:
    return ContractError(
        "program-without-entrypoint",
        f"there is no program {name!r}",
        where=f"{directory} and the other directories of PATH",
        found=_shown(_names(directory), name),
        fix=f"add an executable file named {name!r}, or install seatrial in the chosen Python environment",
    )


def _on_host(path: Path, sources: Mapping[str, Path]) -> Path:
    """Where a path of the container lies on the host."""
    for target in sorted(sources, key=len, reverse=True):
        if path.is_relative_to(target):
            return sources[target] / path.relative_to(target)
    return path


def _names(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return []


def _shown(names: list[str], wanted: str) -> str:
    """Names for an error message, the likeliest first."""
    if not names:
        return "nothing"
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    ordered = [*near, *(name for name in names if name not in near)]
    rest = f" and {len(ordered) - _NAMES_SHOWN_MAX} more" if len(ordered) > _NAMES_SHOWN_MAX else ""
    return ", ".join(repr(name) for name in ordered[:_NAMES_SHOWN_MAX]) + rest


def _honours_base_dir(directory: Path, executable: Path) -> bool:
    """Two rules: it is a console script of our runtime, or its ``seatrial.toml`` says ``honours_base_dir = true``.

    The line stands at the top of the file, before any table.
    """
    try:
        with executable.open("rb") as file:
            if _RUNTIME_SCRIPT.search(file.read(4096)):
                return True
    except OSError:
        return False
    try:
        marker = (directory / _MARKER_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return _HONOURS_BASE_DIR.search(_TABLE.split(marker, maxsplit=1)[0]) is not None

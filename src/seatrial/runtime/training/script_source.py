"""Put a script's source into the code directory and say how it is started, as AWS's training toolkit does.

Source: contract.md §1.2, §1.3; behaviour of the toolkit 5.1.4.
"""

from __future__ import annotations

import enum
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from seatrial.core.archives import SOURCE_ARCHIVE, unpack_archive
from seatrial.core.errors import ContractError

_ENTRY_POINT = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*(/[A-Za-z0-9._+-]+)*")
"""A relative path that no shell and no interpreter can take for anything else."""


class EntryPointKind(enum.Enum):
    """How a program is started."""

    PACKAGE = "package"
    """``pip install .`` and ``python -m NAME``."""
    PYTHON = "python"
    """``python FILE``."""
    COMMAND = "command"
    """``/bin/sh -c ./FILE``, made executable first."""


def prepare_source(submit_directory: str, code_dir: Path) -> None:
    """Fill the code directory from ``sagemaker_submit_directory``; one that holds anything is left as it is.

    Args:
        submit_directory: A directory, a gzip tar or a single file on this machine.
        code_dir: ``/opt/ml/code``.

    Raises:
        ContractError: nothing is there, it is in S3, or it is an archive that cannot be unpacked safely.
    """
    code_dir.mkdir(parents=True, exist_ok=True)
    source = Path(submit_directory)
    if any(code_dir.iterdir()) or source == code_dir:
        return
    if "://" in submit_directory:
        raise ContractError(
            "submit-directory-remote",
            "the script's source is not on this machine",
            where="hyperparameter 'sagemaker_submit_directory'",
            found=submit_directory,
            expected="a directory or a .tar.gz below /opt/ml, for this runtime carries no S3 client",
            fix="pass the source as a channel and name /opt/ml/input/data/CHANNEL/sourcedir.tar.gz, "
            f"or copy it to {code_dir} in the image",
        )
    if source.is_dir():
        shutil.copytree(
            source,
            code_dir,
            dirs_exist_ok=True,
            ignore=_leaving_out(code_dir),
            ignore_dangling_symlinks=True,  # a link into the machine where the source was written leads nowhere here
        )
    elif source.is_file() and source.suffix == ".py":
        shutil.copy2(source, code_dir)
    elif source.is_file():
        unpack_archive(source, code_dir, kind=SOURCE_ARCHIVE)
    else:
        raise ContractError(
            "submit-directory-not-found",
            "the script's source does not exist",
            where="hyperparameter 'sagemaker_submit_directory'",
            found=submit_directory,
            expected="a directory or a .tar.gz",
        )


def _leaving_out(directory: Path) -> Callable[[str, list[str]], list[str]]:
    """For a source that lies around the directory it is copied to, which would go on for ever."""
    target = directory.resolve()

    def ignored(parent: str, names: list[str]) -> list[str]:
        return [target.name] if target.name in names and Path(parent).resolve() == target.parent else []

    return ignored


def check_entry_point(entry_point: str, code_dir: Path, *, elsewhere: Iterable[Path] = ()) -> EntryPointKind:
    """Check a program's name and tell how it is started.

    Args:
        entry_point: The name.
        code_dir: ``/opt/ml/code``.
        elsewhere: Directories in which an error looks for the program, to say how it gets into the code directory.

    Raises:
        ContractError: the name is no plain path below the code directory, or there is no such file.
    """
    if not _ENTRY_POINT.fullmatch(entry_point) or any(part in (".", "..") for part in entry_point.split("/")):
        raise ContractError(
            "script-name-unsafe",
            "the program's name is not a plain path below the code directory",
            where="SAGEMAKER_PROGRAM or hyperparameter 'sagemaker_program'",
            found=repr(entry_point),
            expected="letters, digits, '.', '_', '+', '-' and '/', no leading '-' or '/', no '.' or '..' part",
        )
    kind = _kind_of(entry_point, code_dir)
    path = (code_dir / entry_point).resolve()
    if kind is not EntryPointKind.PACKAGE and not (path.is_file() and path.is_relative_to(code_dir.resolve())):
        raise ContractError(
            "script-not-found",
            f"the program '{entry_point}' is not in the code directory",
            where=str(code_dir),
            found=", ".join(sorted(path.name for path in code_dir.iterdir())[:20]) or "nothing",
            fix=_how_to_submit(entry_point, code_dir, elsewhere),
        )
    return kind


def _how_to_submit(entry_point: str, code_dir: Path, elsewhere: Iterable[Path]) -> str:
    directory = next((place for place in elsewhere if (place / entry_point).is_file()), None)
    if directory is None:
        return "name a file of the source, or check 'sagemaker_submit_directory'"
    if code_dir.resolve().is_relative_to(directory.resolve()):  # "/", say: nobody wants all of it copied
        return f"copy {directory / entry_point} to {code_dir}"
    name = "." if directory == Path.cwd() else str(directory)
    return (
        f"the program is in {directory}: pass hyperparameter sagemaker_submit_directory={name}, "
        f"which fills {code_dir} when that is empty"
    )


def launch_command(kind: EntryPointKind, entry_point: str, arguments: list[str]) -> list[str]:
    """The program's argument list, the same as the toolkit's."""
    if kind is EntryPointKind.PACKAGE:
        return [sys.executable, "-m", entry_point.removesuffix(".py"), *arguments]
    if kind is EntryPointKind.PYTHON:
        return [sys.executable, "--", entry_point, *arguments]
    return ["/bin/sh", "-c", shlex.join([f"./{entry_point}", *arguments])]


def install_command(kind: EntryPointKind, code_dir: Path) -> list[str] | None:
    """What installs the package or its requirements; ``None`` when there is nothing to install.

    A shell script installs what it needs by itself: the toolkit leaves its ``requirements.txt`` alone.
    """
    if kind is EntryPointKind.COMMAND:
        return None
    has_requirements = (code_dir / "requirements.txt").is_file()
    targets = ["."] if kind is EntryPointKind.PACKAGE else []
    targets += ["-r", "requirements.txt"] if has_requirements else []
    return [sys.executable, "-m", "pip", "install", *targets] if targets else None


def make_executable(path: Path) -> None:
    """Source from S3 or an archive carries no run bit."""
    path.chmod(path.stat().st_mode | 0o755)


def python_path(code_dir: Path, inherited: str | None) -> str:
    return os.pathsep.join([str(code_dir), *([inherited] if inherited else [])])


def _kind_of(entry_point: str, code_dir: Path) -> EntryPointKind:
    if entry_point.endswith(".sh"):
        return EntryPointKind.COMMAND
    if (code_dir / "setup.py").is_file():
        return EntryPointKind.PACKAGE
    if entry_point.endswith(".py"):
        return EntryPointKind.PYTHON
    # The toolkit knows setup.py only. A name that is no file cannot be a command, so nothing that it runs changes.
    if (code_dir / "pyproject.toml").is_file() and not (code_dir / entry_point).is_file():
        return EntryPointKind.PACKAGE
    return EntryPointKind.COMMAND

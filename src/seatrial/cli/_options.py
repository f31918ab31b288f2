"""Options that several commands share, and what they mean."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from seatrial.cli._paths import FilledPath
from seatrial.core.errors import ConfigError
from seatrial.engines.base import Engine
from seatrial.engines.program import is_program_directory

OLDEST_PYTHON = (3, 10)
"""What the runtime needs of a program directory's interpreter."""

_ASK_VERSION = "import sys; print('Python %d.%d' % sys.version_info[:2])"
_ANSWER_SECONDS = 20.0

Command = TypeVar("Command", bound=Callable[..., Any])


def container_options(command: Command) -> Command:
    """``--program`` or ``--image``, and what goes with them."""
    for option in reversed(
        (
            click.option(
                "--program",
                type=FilledPath(path_type=Path),
                metavar="DIR",
                help="A program directory: run without Docker, as working directory and first on PATH.",
            ),
            click.option("--image", metavar="NAME", help="A Docker image."),
            click.option(
                "--python",
                type=FilledPath(path_type=Path),
                metavar="PATH",
                help="The Python whose environment a program directory runs in (default: the one running seatrial).",
            ),
            click.option(
                "--environment", "-e", multiple=True, metavar="KEY=VALUE", help="An environment variable; repeatable."
            ),
        )
    ):
        command = option(command)
    return command


def choose_engine(program: Path | None, image: str | None, python: Path | None) -> tuple[Engine, str]:
    """The engine that the options ask for, and the image to give it.

    Raises:
        ConfigError: neither or both of ``--program`` and ``--image`` were given, or ``--python`` is no Python that can
            run the program.
    """
    if (program is None) == (image is None):
        raise ConfigError(
            "container-not-chosen",
            "say which container to run",
            found="both --program and --image" if program else "neither --program nor --image",
            expected="one of --program DIR (no Docker needed) and --image NAME",
            fix="pass one of them",
        )
    if image is not None and not is_program_directory(image):
        from seatrial.engines.docker import DockerEngine

        return DockerEngine(), image
    from seatrial.engines.process import ProcessEngine

    if python is not None:
        check_python(python)
    uri = image if image is not None else Path(program or ".").resolve().as_uri()
    return ProcessEngine(python=python), uri


def check_python(python: Path) -> None:
    """Start an interpreter and ask for its version.

    Raises:
        ConfigError: it does not start, is no Python, or is too old.
    """
    found = _version_or_problem(python)
    version = re.fullmatch(r"Python (\d+)\.(\d+)", found)
    if version is None or tuple(map(int, version.groups())) < OLDEST_PYTHON:
        raise ConfigError(
            "python-unusable",
            "--python takes the interpreter of a Python environment",
            where=str(python.absolute()),
            found=found,
            expected=f"Python {'.'.join(map(str, OLDEST_PYTHON))} or later",
            fix="pass the path of one, such as .venv/bin/python",
        )


def _version_or_problem(python: Path) -> str:
    argv = [str(python.absolute()), "-c", _ASK_VERSION]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_ANSWER_SECONDS, check=False,
        )  # fmt: skip
    except OSError as error:
        return str(error.strerror).lower()
    except subprocess.TimeoutExpired:
        return f"no answer within {_ANSWER_SECONDS:g} seconds"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode:
        return f"exit code {done.returncode}: {lines[-1] if lines else 'no message'}"
    return lines[-1] if lines else "a program that says nothing"


def parse_pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` texts as a dict.

    Raises:
        ConfigError: a text without ``=`` or without a key, or a key given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ConfigError(
                "option-not-a-pair",
                f"{option} takes a name and a value",
                found=f"'{text}'",
                expected=f"{option} name=value",
                fix="put '=' between the two",
            )
        if key in pairs:
            raise ConfigError(
                "option-repeated",
                f"{option} names '{key}' twice",
                found=f"'{pairs[key]}' and '{value}'",
                fix="give it once",
            )
        pairs[key] = value
    return pairs

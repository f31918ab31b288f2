"""Options that several commands share, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from seatrial.core.errors import ConfigError
from seatrial.engines.base import Engine

Command = TypeVar("Command", bound=Callable[..., Any])


def container_options(command: Command) -> Command:
    """``--program`` or ``--image``, and what goes with them."""
    for option in reversed(
        (
            click.option(
                "--program",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="A program directory: run without Docker, as working directory and first on PATH.",
            ),
            click.option("--image", metavar="NAME", help="A Docker image."),
            click.option(
                "--python",
                type=click.Path(path_type=Path),
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
        ConfigError: neither or both of ``--program`` and ``--image`` were given.
    """
    if (program is None) == (image is None):
        raise ConfigError(
            "container-not-chosen",
            "say which container to run",
            found="both --program and --image" if program else "neither --program nor --image",
            expected="one of --program DIR (no Docker needed) and --image NAME",
            fix="pass one of them",
        )
    if image is not None and not image.startswith("file://"):
        from seatrial.engines.docker import DockerEngine

        return DockerEngine(), image
    from seatrial.engines.process import ProcessEngine

    uri = image if image is not None else Path(program or ".").resolve().as_uri()
    return ProcessEngine(python=python), uri


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

"""``seatrial run``: a program whose AWS clients talk to the platform, without a change in it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from seatrial.cli._child_environment import child_environment
from seatrial.cli._paths import FilledPath
from seatrial.cli._platform import RunningPlatform, home_directory, require_platform
from seatrial.cli.env import KEY_VARIABLES, client_environment
from seatrial.core.errors import ConfigError

_ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID"
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and that a program expects as the system has them."""


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--home", type=FilledPath(path_type=Path, file_okay=False), metavar="DIR", help="As for 'seatrial up'.")
@click.argument("command_line", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
def command(*, home: Path | None, command_line: tuple[str, ...]) -> int:
    """Run a program whose AWS clients talk to the platform: seatrial run -- python train.py.

    It gets the variables of 'seatrial env', and none of your own AWS variables, profiles or keys; only where the
    objects lie in an S3 server of yours, it gets the keys of your environment. In Python, the SageMaker SDKs find the
    platform's STS and send no telemetry. Its exit code is the command's.
    """
    platform = require_platform(home_directory(home))
    return _become(command_line, child_environment(os.environ, _client_variables(platform, os.environ)))


def _client_variables(platform: RunningPlatform, environment: Mapping[str, str]) -> dict[str, str]:
    """What a client at the loopback address needs; an S3 server of the user's is shown the keys of the user's shell."""
    ours = client_environment(replace(platform, bind=None, s3_endpoint=None))
    if platform.s3_endpoint is None or not environment.get(_ACCESS_KEY_ID):
        return ours
    return {**ours, **{name: environment[name] for name in KEY_VARIABLES if name in environment}}


def _become(command_line: tuple[str, ...], environment: Mapping[str, str]) -> int:
    """Replace this process by the program, which so has its terminal, its signals and its exit code.

    Raises:
        ConfigError: there is no such program, or it cannot be executed.
    """
    program = command_line[0]
    found = shutil.which(program, mode=os.F_OK)
    if found is None:
        raise ConfigError(
            "command-not-found",
            "there is no such command",
            found=program,
            expected="a program on PATH, or the path of one",
            fix="see 'seatrial run -- COMMAND [ARGUMENT]...'",
        )
    sys.stdout.flush()
    sys.stderr.flush()
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(found, command_line, environment)  # noqa: S606 (without a shell, as is meant)
    except OSError as error:
        raise ConfigError(
            "command-not-executable",
            "the command cannot be executed",
            where=found,
            found=(error.strerror or type(error).__name__).lower(),
            expected="a program of this machine, or a script with the run bit whose first line is #!INTERPRETER",
            fix=f"set its run bit, or name its interpreter, as in: seatrial run -- python {program}",
        ) from error

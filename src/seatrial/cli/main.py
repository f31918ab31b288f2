"""The command group, its exit codes, and what happens to an error.

Exit codes: a container's own where one ran; 2 for a wrong option; 125, 126 and 127 as ``docker run`` has them (the
engine failed, the program cannot be run, there is no such program); 1 for any other failure; 130 after Ctrl-C; 141 when
nobody reads what the command was run for.
"""

from __future__ import annotations

import importlib
import io
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import click

from seatrial import __version__
from seatrial.cli._output import Output
from seatrial.cli._streams import discard, prepare_streams
from seatrial.core.errors import ConfigError, EngineError, InternalError, SeatrialError, TreeError
from seatrial.core.exit_codes import PROGRAM_EXIT_CODES

COMMANDS: Mapping[str, str] = {
    "demo": "Train and serve a scikit-learn tree in both example containers.",
    "up": "Run a local SageMaker for AWS's clients.",
    "down": "Stop it.",
    "status": "Say whether it runs.",
    "env": "Print what AWS's clients have to know.",
    "run": "Run a program whose AWS clients talk to it.",
    "jobs": "List its training jobs.",
    "describe": "Show a training job.",
    "logs": "Show what a training job's containers print.",
    "stop": "Stop a training job.",
    "interrupt": "Take the spot machine of a training job away.",
    "train": "Run one training job in a container.",
    "serve": "Run one serving container.",
    "invoke": "Send a file to a serving container.",
}
"""Every command and its line in ``seatrial --help``; the module of a command is imported when it runs."""

EXIT_CODES: Mapping[str, int] = {
    "command-not-executable": 126,
    "command-not-found": 127,
    **PROGRAM_EXIT_CODES,
    "startup-interrupted": 130,
    **dict.fromkeys(("environment-over-limit", "hyperparameters-over-limit", "program-not-found"), 2),
}
"""Exit codes of error slugs that have one of their own."""

CLOSED_PIPE_EXIT_CODE = 141
"""What shells say of a program that SIGPIPE ended."""


class LazyGroup(click.Group):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"seatrial.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show a traceback with every error.")
@click.version_option(__version__, prog_name="seatrial")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Both sides of Amazon SageMaker's container contract, on this machine."""


def exit_code_of(error: SeatrialError) -> int:
    """The exit code of a command that ended with ``error`` before or without a container's own."""
    if error.code in EXIT_CODES:
        return EXIT_CODES[error.code]
    if isinstance(error, ConfigError | TreeError):
        return 2
    return 125 if isinstance(error, EngineError) else 1


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code and never raises."""
    prepare_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    is_debug = "--debug" in arguments[:1]
    try:
        result: Any = cli.main(args=arguments, prog_name="seatrial", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        Output().say(shown.getvalue().rstrip())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except SystemExit:  # click's answer to BrokenPipeError
        discard(sys.stdout)
        return CLOSED_PIPE_EXIT_CODE
    except Exception as error:  # the last line of defence: one sentence, and the traceback on request
        if is_debug:
            Output().say(traceback.format_exc().rstrip())
        seatrial_error = _as_seatrial_error(error)
        Output().error(seatrial_error)
        return exit_code_of(seatrial_error)


def _as_seatrial_error(error: Exception) -> SeatrialError:
    if isinstance(error, SeatrialError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return ConfigError(
            "operating-system-refused",
            error.strerror.lower(),
            where=str(error.filename) if error.filename else None,
            fix="see that the file, the directory and the disk allow it",
        )
    return InternalError(
        "internal",
        "Seatrial itself failed",
        found=f"{type(error).__name__}: {error}",
        fix="run it again as 'seatrial --debug …' and report what it prints",
    )

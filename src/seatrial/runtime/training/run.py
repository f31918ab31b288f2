"""One training job inside the container: find the user's program, run it, report how it ended."""

from __future__ import annotations

import os
from pathlib import Path

from seatrial.contract.environment import opt_ml_from
from seatrial.contract.layout import OptMl
from seatrial.contract.training import read_hyperparameters
from seatrial.runtime.algorithm import search_directories
from seatrial.runtime.training.launchers.choice import choose_launcher
from seatrial.runtime.training.log_lines import show_crashes, write_line_by_line
from seatrial.runtime.training.program import ProgramKind, find_program
from seatrial.runtime.training.stopping import JobStopping, Stopping


def main() -> int:
    """Run the job; returns the exit code of ``train``, 0 for success."""
    write_line_by_line()
    show_crashes()
    stopping = Stopping()
    stopping.set_on_sigterm()
    opt_ml = opt_ml_from(os.environ)
    try:
        return _run(opt_ml, stopping)
    except JobStopping:
        return 0
    except BaseException as error:
        from seatrial.runtime.training.failure import report_failure  # noqa: PLC0415 (a good run never loads it)

        return report_failure(error, opt_ml)


def _run(opt_ml: OptMl, stopping: Stopping) -> int:
    # Each way loads only what it needs: the program's start is part of every job's time.
    hyperparameters = read_hyperparameters(opt_ml)
    program = find_program(os.environ, hyperparameters, opt_ml, Path.cwd())
    if program.kind is ProgramKind.SCRIPT:
        from seatrial.runtime.training.script import run_script  # noqa: PLC0415

        run_script(program.name, opt_ml, os.environ, stopping)
        return 0
    if (settings := choose_launcher(hyperparameters, search_directories(Path.cwd(), opt_ml))) is not None:
        from seatrial.runtime.training.launchers.algorithm import run_launched_algorithm  # noqa: PLC0415

        if run_launched_algorithm(settings, hyperparameters, opt_ml, stopping):
            return 0
    from seatrial.runtime.training.watch import fork_and_watch  # noqa: PLC0415

    ended_with = fork_and_watch()
    if ended_with is None:
        from seatrial.runtime.training.algorithm_module import run_algorithm  # noqa: PLC0415

        run_algorithm(program, opt_ml, stopping)
        return 0
    if ended_with == 0:
        return 0
    from seatrial.runtime.training.failure import report_end  # noqa: PLC0415

    return report_end(ended_with, opt_ml)

"""One process of an algorithm module under a launcher: ``python -m seatrial.runtime.training.launchers.rank``.

The same as ``train`` without a launcher, short of the process that watches: that is the launcher here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seatrial.contract.environment import opt_ml_from
from seatrial.contract.training import read_hyperparameters
from seatrial.runtime.training.algorithm_module import run_algorithm
from seatrial.runtime.training.failure import report_failure
from seatrial.runtime.training.log_lines import show_crashes, write_line_by_line
from seatrial.runtime.training.program import find_program
from seatrial.runtime.training.stopping import JobStopping, Stopping


def main() -> int:
    """Call the user's ``train``; returns the exit code."""
    write_line_by_line()
    show_crashes()
    stopping = Stopping()
    stopping.set_on_sigterm()
    opt_ml = opt_ml_from(os.environ)
    try:
        run_algorithm(find_program(os.environ, read_hyperparameters(opt_ml), opt_ml, Path.cwd()), opt_ml, stopping)
    except JobStopping:
        return 0
    except BaseException as error:
        return report_failure(error, opt_ml)
    return 0


if __name__ == "__main__":
    sys.exit(main())

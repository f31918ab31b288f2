"""How a job's failure is told: the ``failure`` file, one line or a traceback on stderr, the exit code.

Source: contract.md §1.7. The first lines of the file matter: SageMaker shows 1,024 characters at most.
"""

from __future__ import annotations

import signal
import traceback

from seatrial.contract.failure import render_failure_text
from seatrial.contract.layout import OptMl
from seatrial.core.errors import SeatrialError
from seatrial.core.exit_codes import describe_exit
from seatrial.runtime.training.log_lines import announce
from seatrial.runtime.training.script_failure import ScriptFailure
from seatrial.runtime.user_traceback import keep_user_frames, last_user_line, summarise

FAILURE_EXIT_CODE = 1
INTERRUPTED_EXIT_CODE = 130
"""128 + SIGINT, as a shell counts."""


def report_failure(error: BaseException, opt_ml: OptMl) -> int:
    """Tell stderr and the failure file what ended the job.

    Returns:
        The exit code: 0 for ``sys.exit()``, the program's own for ``sys.exit(code)``, else 1.
    """
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return 0
    if isinstance(error, ScriptFailure):
        text = error.failure_text()
        announce(f"the job has failed: {error.sentence()}")
    elif isinstance(error, SeatrialError):
        text = render_failure_text(error.sentence())
        announce(f"error[{error.code}]: {error.sentence()}")
        if line := last_user_line(error):
            announce(f"  raised at {line}")
    elif isinstance(error, SystemExit):
        text = render_failure_text(_system_exit_summary(error))
        announce(f"the job has failed: {_system_exit_summary(error)}")
    else:
        keep_user_frames(error)
        trace = "".join(traceback.format_exception(error))
        text = render_failure_text(summarise(error), trace)
        announce(f"the job has failed\n{trace.rstrip()}")
    write_failure_file(opt_ml, text)
    return _exit_code(error)


def report_end(ended_with: int, opt_ml: OptMl) -> int:
    """Tell of a process that ended otherwise than well and left no failure file.

    Args:
        ended_with: Its exit code, or minus the number of the signal that killed it.
        opt_ml: Where the failure file belongs.

    Returns:
        The exit code, 128 + n for signal n, as a shell counts.
    """
    exit_code = ended_with if ended_with > 0 else 128 - ended_with
    if not opt_ml.failure_file.exists():
        summary = _end_summary(ended_with)
        announce(f"the job has failed: {summary}")
        write_failure_file(opt_ml, render_failure_text(summary))
    return exit_code


def _end_summary(ended_with: int) -> str:
    hint = " without an exception (os._exit?)" if ended_with > 0 else ""
    if ended_with == -signal.SIGKILL:
        hint = "; often the instance has too little memory"
    return f"the training process ended with {describe_exit(ended_with)}{hint}"


def write_failure_file(opt_ml: OptMl, text: str) -> None:
    """Write the failure file, unless the user's program has written its own."""
    try:
        opt_ml.output_dir.mkdir(parents=True, exist_ok=True)
        with opt_ml.failure_file.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except FileExistsError:
        announce(f"the program's own {opt_ml.failure_file} is kept")
    except OSError as error:
        announce(f"{opt_ml.failure_file} cannot be written: {error.strerror}")


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED_EXIT_CODE
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code & 0xFF or FAILURE_EXIT_CODE
    return FAILURE_EXIT_CODE


def _system_exit_summary(error: SystemExit) -> str:
    return f"the program ended with exit code {error.code}" if isinstance(error.code, int) else str(error.code)

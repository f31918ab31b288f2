"""How a job's failure is told: the ``failure`` file, one line or a traceback on stderr, the exit code.

Source: contract.md §1.7. The first lines of the file matter: SageMaker shows 1,024 characters at most.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from seatrial.contract.failure import render_failure_text
from seatrial.contract.layout import OptMl
from seatrial.core.errors import SeatrialError
from seatrial.runtime.training.log_lines import announce
from seatrial.runtime.training.script_failure import ScriptFailure

FAILURE_EXIT_CODE = 1
INTERRUPTED_EXIT_CODE = 130
"""128 + SIGINT, as a shell counts."""

_PACKAGE_DIR = str(Path(__file__).resolve().parents[2])


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
        if line := _last_user_line(error):
            announce(f"  raised at {line}")
    elif isinstance(error, SystemExit):
        text = render_failure_text(_system_exit_summary(error))
        announce(f"the job has failed: {_system_exit_summary(error)}")
    else:
        trace = _user_traceback(error)
        text = render_failure_text(summarise(error), trace)
        announce(f"the job has failed\n{trace.rstrip()}")
    write_failure_file(opt_ml, text)
    return _exit_code(error)


def summarise(error: BaseException) -> str:
    """``ExceptionClass: message``, as the last line of a traceback has it, in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


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


def _user_traceback(error: BaseException) -> str:
    """The traceback from the user's first frame on; ours tell the user nothing."""
    frames = next((trace for trace in _walk(error) if not _is_ours(trace)), error.__traceback__)
    return "".join(traceback.format_exception(type(error), error, frames))


def _last_user_line(error: BaseException) -> str | None:
    lines = [
        f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" for trace in _walk(error) if not _is_ours(trace)
    ]
    return lines[-1] if lines else None


def _walk(error: BaseException) -> Iterator[TracebackType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_ours(trace: TracebackType) -> bool:
    name = trace.tb_frame.f_code.co_filename
    return name.startswith((_PACKAGE_DIR, "<frozen "))

"""Install ``code/requirements.txt`` of the model archive before the handler is imported, as AWS's toolkit does."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from seatrial.core import subprocesses
from seatrial.core.errors import UserCodeError

logger = logging.getLogger("seatrial.serving")

PIP_DEFAULTS: Mapping[str, str] = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    # A container without network shall say so in a minute, not spend the whole start-up budget on it.
    "PIP_RETRIES": "2",
    "PIP_DEFAULT_TIMEOUT": "10",
}

_OFFLINE_SIGNS = (
    "NewConnectionError",
    "name resolution",
    "ConnectTimeoutError",
    "Network is unreachable",
    "Max retries",
)


def install_requirements(file: Path, timeout_seconds: float) -> None:
    """Install what ``file`` names into this environment; pip's output goes to the log line by line.

    Raises:
        UserCodeError: pip failed or took too long.
    """
    logger.info("installing packages from %s", file)
    last_lines: deque[str] = deque(maxlen=200)

    def on_line(line: str) -> None:
        last_lines.append(line)
        logger.info("pip: %s", line)

    argv = (sys.executable, "-m", "pip", "install", "-r", str(file))
    running = subprocesses.start(
        subprocesses.Request(argv=argv, environment={**PIP_DEFAULTS, **os.environ}, cwd=file.parent), on_line
    )
    try:
        outcome = running.wait(timeout_seconds)
    finally:
        if running.is_running:
            running.stop(0)
    if outcome is None or not outcome.is_success:
        raise _failed(file, last_lines, timeout_seconds if outcome is None else None)


def _failed(file: Path, lines: deque[str], over_seconds: float | None) -> UserCodeError:
    offline = any(sign in line for line in lines for sign in _OFFLINE_SIGNS)
    errors = [line for line in lines if line.startswith("ERROR")] or list(lines)[-1:]
    return UserCodeError(
        "requirements-install-failed",
        "the packages of the model archive cannot be installed",
        where=str(file),
        found=f"no end after {over_seconds:g} s" if over_seconds else "; ".join(errors) or "no output of pip",
        fix=(
            "this container reaches no package index: install the packages in the image, "
            "or add wheels to the archive and name them by path"
            if offline
            else "mend the file, or install the packages in the image"
        ),
    )

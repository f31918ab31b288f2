"""The ``serve`` command: read the settings, find the handler, take the port, hand over to the supervisor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seatrial.core.errors import SeatrialError
from seatrial.runtime.serving import cpus, log
from seatrial.runtime.serving.locate import find_handler
from seatrial.runtime.serving.port import bind
from seatrial.runtime.serving.settings import read_settings


def main() -> int:
    """Serve until SIGTERM; returns the exit code: 0 after an orderly stop, 1 with the reason on stderr otherwise."""
    try:
        serve()
    except SeatrialError as error:
        sys.stderr.write(f"serve: error[{error.code}]: {error.sentence()}\n")
        sys.stderr.flush()
        return 1
    return 0


def serve() -> None:
    """Serve until SIGTERM.

    Raises:
        ConfigError: a setting cannot be read, or the port cannot be used.
        ContractError: there is no handler, or its hooks cannot work.
        UserCodeError: the model cannot be loaded, or workers keep failing.
    """
    cpu_count = cpus.available_cpu_count()
    settings = read_settings(os.environ, cpu_count=cpu_count)
    log.configure(settings.log_level)
    sock = bind(settings)
    handler = find_handler(settings, Path.cwd())
    for name, value in cpus.default_thread_counts(cpu_count, settings.worker_count).items():
        os.environ.setdefault(name, value)
    # Imported late: `serve` with a wrong setting says so at once.
    from seatrial.runtime.serving.supervisor import Supervisor  # noqa: PLC0415

    with sock:
        Supervisor(settings, handler, sock).run()

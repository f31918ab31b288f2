"""``seatrial down``: stop the platform that runs in the background."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from seatrial.cli._output import Output
from seatrial.cli._paths import FilledPath
from seatrial.cli._platform import find_platform, home_directory, require_platform
from seatrial.contract.limits import TRAINING_STOP_GRACE_SECONDS
from seatrial.core.errors import ConfigError

_POLL_SECONDS = 0.05
_STOP_SECONDS = TRAINING_STOP_GRACE_SECONDS + 3600.0
"""A training container has its time to save its model, which is packed and stored after that: many gigabytes take long.
A platform that has ended is seen at once."""


@click.command("down")
@click.option("--home", type=FilledPath(path_type=Path, file_okay=False), metavar="DIR", help="As for 'seatrial up'.")
def command(*, home: Path | None) -> int:
    """Stop the platform; its training jobs are stopped as StopTrainingJob does."""
    directory = home_directory(home)
    platform = require_platform(directory)
    with Output() as out:
        out.phase("Stopping the platform")
        os.kill(platform.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while find_platform(directory) is not None:
            if time.monotonic() > deadline:
                raise ConfigError(
                    "platform-not-stopped",
                    "the platform still runs",
                    where=f"process {platform.pid}",
                    found=f"no end within {_STOP_SECONDS:g} seconds",
                    fix="look at platform.log in its home directory",
                )
            time.sleep(_POLL_SECONDS)
        out.say("stopped")
    return 0

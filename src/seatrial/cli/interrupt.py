"""``seatrial interrupt``: rehearse the loss of a spot machine."""

from __future__ import annotations

from pathlib import Path

import click

from seatrial.cli._client_options import home_option
from seatrial.cli._output import Output
from seatrial.cli._platform import home_directory, require_platform


@click.command("interrupt")
@click.argument("job_name", metavar="JOB")
@click.option(
    "--after",
    "after_seconds",
    type=click.FloatRange(min=0, max=10_000_000),
    default=0,
    metavar="SECONDS",
    help="When, counted from now (default: at once).",
)
@home_option
def command(*, job_name: str, after_seconds: float, home: Path | None) -> int:
    """Take the machine of a managed spot training job away, as EC2 does when it needs it for others.

    The container gets SIGTERM, and SIGKILL two minutes later. Then the job starts anew with its checkpoints. Only a job
    with EnableManagedSpotTraining can be interrupted.
    """
    with Output() as out:
        platform = require_platform(home_directory(home))
        from seatrial.cli._controls import interrupt_training_job

        interrupt_training_job(platform, job_name, after_seconds)
        out.say(f"{job_name} loses its machine {f'in {after_seconds:g} seconds' if after_seconds else 'now'}")
    return 0

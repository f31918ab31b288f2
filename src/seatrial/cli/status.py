"""``seatrial status``: does a platform run, where, and what is it at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from seatrial.cli._client_options import home_option
from seatrial.cli._output import Output
from seatrial.cli._platform import RunningPlatform, find_platform, home_directory
from seatrial.contract.statuses import SecondaryStatus, TrainingJobStatus
from seatrial.core.errors import RequestError

NOT_RUNNING_EXIT_CODE = 3
"""As of ``systemctl status`` for a unit that is not active."""


@click.command("status")
@click.option("--json", "is_json", is_flag=True, help="Print JSON on stdout.")
@home_option
def command(*, is_json: bool, home: Path | None) -> int:
    """Say whether a platform runs in the home directory, and how many jobs run or wait; exit code 3 when none does."""
    directory = home_directory(home)
    platform = find_platform(directory)
    jobs = None if platform is None else _unfinished_jobs(platform)
    with Output() as out:
        if is_json:
            url = None if platform is None else platform.url
            out.result({"running": platform is not None, "url": url, "home": str(directory), "jobs": jobs})
        elif platform is None:
            out.say(f"no platform runs in {directory}")
        else:
            out.say(f"running at {platform.url}, process {platform.pid}, home {directory}")
            out.say(
                "it answers no request: it is being stopped, or look at platform.log there"
                if jobs is None
                else f"training jobs: {jobs['running']} running, {jobs['waiting']} waiting"
            )
    return 0 if platform is not None else NOT_RUNNING_EXIT_CODE


def _unfinished_jobs(platform: RunningPlatform) -> dict[str, int] | None:
    """How many run and wait; ``None`` when the platform does not answer."""
    from seatrial.cli._clients import Clients
    from seatrial.cli._jobs import list_jobs

    clients = Clients(platform)
    counts: Counter[bool] = Counter()
    try:
        with clients.asking():
            for status in (TrainingJobStatus.IN_PROGRESS, TrainingJobStatus.STOPPING):
                jobs = list_jobs(clients, StatusEquals=status.value)
                counts.update(job["SecondaryStatus"] == SecondaryStatus.PENDING for job in jobs)
    except RequestError as error:
        if error.code != "platform-unreachable":
            raise
        return None
    return {"running": counts[False], "waiting": counts[True]}

"""``seatrial jobs``: the training jobs of the platform, newest first."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

import click

from seatrial.cli._client_options import as_json, home_option, platform_clients
from seatrial.cli._output import Output
from seatrial.contract.statuses import TrainingJobStatus

_STATUSES = [one.value for one in TrainingJobStatus if one is not TrainingJobStatus.DELETING]
_COLUMNS = ("NAME", "STATUS", "SECONDARY", "CREATED", "DURATION")
_OPTIONAL_COLUMNS = ("SECONDARY", "DURATION", "CREATED")
"""Left out in a narrow terminal, in this order."""


@click.command("jobs")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only jobs of this status.")
@click.option("--name-contains", metavar="TEXT", help="Only jobs whose name has this in it.")
@click.option("--max", "max_count", type=click.IntRange(min=1), metavar="N", help="The newest N (default: all).")
@click.option("--json", "is_json", is_flag=True, help="Print ListTrainingJobs' summaries as JSON.")
@home_option
def command(
    *, status: str | None, name_contains: str | None, max_count: int | None, is_json: bool, home: Path | None
) -> int:
    """List the platform's training jobs, newest first.

    DURATION is the time from a job's creation to its end, or to now.
    """
    wanted = {"StatusEquals": status, "NameContains": name_contains}
    filters = {name: value for name, value in wanted.items() if value is not None}
    with Output() as out, platform_clients(home) as clients:
        from seatrial.cli import _jobs
        from seatrial.cli._page import Page

        jobs = list(itertools.islice(_jobs.list_jobs(clients, **filters), max_count))
        if is_json:
            out.result({"TrainingJobSummaries": as_json(jobs)})
        elif jobs:
            page = Page()
            now = datetime.datetime.now(datetime.timezone.utc)
            page.table(_COLUMNS, [_jobs.row_of(job, now) for job in jobs], optional=_OPTIONAL_COLUMNS)
            out.product(page.text())
        else:
            out.say("no training job is like that" if filters else "there is no training job yet")
    return 0

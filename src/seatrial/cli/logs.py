"""``seatrial logs``: what a training job's containers print, all of them in the order of time."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli._client_options import home_option, platform_clients
from seatrial.cli._output import Output
from seatrial.cli._times import parse_since, render_timestamp
from seatrial.contract.statuses import SecondaryStatus

if TYPE_CHECKING:
    from seatrial.cli._clients import Clients
    from seatrial.cli._job_log import JobLog, LogEvent
    from seatrial.cli._jobs import Job, Transition


def _since_ms(ctx: click.Context, param: click.Parameter, text: str | None) -> int:
    """Milliseconds since 1970 of a span before now, or of a time."""
    if text is None:
        return 0
    try:
        moment = parse_since(text, datetime.datetime.now(datetime.timezone.utc))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is neither a span such as 10m, 1h30m or 2d nor a time such as 2026-11-23T14:22."
        ) from error
    return max(0, round(moment.timestamp() * 1000))


@click.command("logs")
@click.argument("job_name", metavar="JOB")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "--since", "since_ms", callback=_since_ms, metavar="TIME", help="Only lines since a time, or of the last 10m."
)
@click.option("--timestamps", "-t", is_flag=True, help="Show when each line was written, in UTC.")
@home_option
def command(*, job_name: str, follow: bool, since_ms: int, timestamps: bool, home: Path | None) -> int:
    """Show what a training job's containers print.

    With --follow the exit code is 1 when the job fails, 0 when it is completed or stopped, and 130 after Ctrl-C, which
    does not stop the job. Lines of a job of several hosts begin with the host's name.
    """
    with Output() as out, platform_clients(home) as clients:
        from seatrial.cli._job_log import JobLog

        log = JobLog(clients, job_name, since_ms=since_ms)

        def show(event: LogEvent) -> None:
            host = f"{event.host}: " if log.has_several_hosts() else ""
            time = f"{render_timestamp(event.timestamp_ms)} " if timestamps else ""
            out.product_line(f"{time}{host}{event.message}")

        if follow:
            return _follow(out, clients, job_name, log, show)
        _show_all(out, clients, job_name, log, show)
    return 0


def _show_all(out: Output, clients: Clients, job_name: str, log: JobLog, show: Callable[[LogEvent], None]) -> None:
    from seatrial.cli._jobs import find_job

    if not log.has_streams():  # the log of a deleted job stays
        job = find_job(clients, job_name)
        out.say(f"{job_name} has no log yet: {_last_message(job)}")
    for event in log.new_events():
        show(event)


def _follow(out: Output, clients: Clients, job_name: str, log: JobLog, show: Callable[[LogEvent], None]) -> int:
    from seatrial.cli._jobs import follow_job, outcome

    def tell(transition: Transition) -> None:
        if transition["Status"] == SecondaryStatus.PENDING:
            out.say(f"{job_name}: {transition['StatusMessage']}")

    sentence, exit_code = outcome(follow_job(clients, job_name, log, on_transition=tell, on_event=show))
    out.say(sentence)
    return exit_code


def _last_message(job: Job) -> str:
    message: str = job["SecondaryStatusTransitions"][-1]["StatusMessage"]
    return message

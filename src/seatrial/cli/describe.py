"""``seatrial describe``: one training job, for reading or as DescribeTrainingJob answers."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seatrial.cli._client_options import as_json, home_option, platform_clients
from seatrial.cli._output import Output
from seatrial.cli._times import render_duration, render_time
from seatrial.contract.statuses import TRAINING_TRANSITIONS, SecondaryStatus, TrainingJobStatus

if TYPE_CHECKING:
    from seatrial.cli._jobs import Job, Transition
    from seatrial.cli._page import Cell, Page


@click.command("describe")
@click.argument("job_name", metavar="JOB")
@click.option("--json", "is_json", is_flag=True, help="Print the whole answer of DescribeTrainingJob as JSON.")
@home_option
def command(*, job_name: str, is_json: bool, home: Path | None) -> int:
    """Show a training job: status, reason, times, phases, channels, hyperparameters, output and metrics.

    Of a failed one the last lines of its log are shown too.
    """
    with Output() as out, platform_clients(home) as clients:
        from seatrial.cli._job_log import JobLog
        from seatrial.cli._jobs import find_job
        from seatrial.cli._page import Page
        from seatrial.platform.last_lines import LAST_LINES_COUNT

        job = find_job(clients, job_name)
        if is_json:
            out.result(as_json(job))
            return 0
        page = Page()
        describe(page, job, datetime.datetime.now(datetime.timezone.utc))
        if job["TrainingJobStatus"] == TrainingJobStatus.FAILED:
            lines = [event.message for event in JobLog(clients, job_name).last_events(LAST_LINES_COUNT)]
            page.heading("Last lines of the log" if lines else "The container printed nothing")
            page.log(lines)
        out.product(page.text())
    return 0


def describe(page: Page, job: Job, now: datetime.datetime) -> None:
    """Put a job on a page, under the API's names."""
    page.heading(job["TrainingJobName"])
    page.pairs(_summary(job, now))
    page.heading("SecondaryStatusTransitions")
    page.table(
        ("PHASE", "STARTED", "TOOK", "MESSAGE"),
        [_phase(one, now) for one in job["SecondaryStatusTransitions"]],
        indent=2,
        folding="MESSAGE",
    )
    if job.get("InputDataConfig"):
        page.heading("InputDataConfig")
        channels = [_channel(one) for one in job["InputDataConfig"]]
        page.table(("CHANNEL", "TYPE", "DATA"), channels, indent=2, folding="DATA")
    for member in ("HyperParameters", "Environment"):
        if job.get(member):
            page.heading(member)
            page.pairs(job[member])
    if job.get("FinalMetricDataList"):
        page.heading("FinalMetricDataList")
        page.pairs({one["MetricName"]: f"{one['Value']:g}" for one in job["FinalMetricDataList"]})


def _summary(job: Job, now: datetime.datetime) -> dict[str, Cell]:
    from seatrial.cli._jobs import ENDED, STATUS_STYLES, duration_seconds

    status, secondary = job["TrainingJobStatus"], job["SecondaryStatus"]
    resources = job["ResourceConfig"]
    shown: dict[str, Cell | None] = {
        "TrainingJobStatus": (
            status if status == secondary else f"{status} ({secondary})",
            STATUS_STYLES.get(status, ""),
        ),
        "FailureReason": job.get("FailureReason"),
        "CreationTime": render_time(job["CreationTime"]),
        "TrainingStartTime": _time(job, "TrainingStartTime"),
        "TrainingEndTime": _time(job, "TrainingEndTime"),
        "Duration" if status in ENDED else "Duration so far": render_duration(duration_seconds(job, now)),
        "TrainingImage": job["AlgorithmSpecification"].get("TrainingImage"),
        "Instances": f"{resources.get('InstanceCount', 1)} x {resources.get('InstanceType', '')}",
        "S3OutputPath": job["OutputDataConfig"]["S3OutputPath"],
        "ModelArtifacts": job["ModelArtifacts"]["S3ModelArtifacts"]
        if status in {TrainingJobStatus.COMPLETED, TrainingJobStatus.STOPPED}
        else None,
        "TrainingJobArn": job["TrainingJobArn"],
    }
    return {name: value for name, value in shown.items() if value}


def _time(job: Job, member: str) -> str | None:
    return render_time(job[member]) if member in job else None


def _phase(transition: Transition, now: datetime.datetime) -> tuple[Cell, ...]:
    start = transition["StartTime"]
    seconds = (transition.get("EndTime", now) - start).total_seconds()
    is_last = not TRAINING_TRANSITIONS[SecondaryStatus(transition["Status"])]
    return (
        transition["Status"],
        start.astimezone().strftime("%H:%M:%S"),
        "" if is_last else render_duration(seconds),
        transition.get("StatusMessage", ""),
    )


def _channel(channel: Mapping[str, Any]) -> tuple[Cell, ...]:
    source = channel["DataSource"]
    s3, file_system = source.get("S3DataSource"), source.get("FileSystemDataSource")
    where = s3["S3Uri"] if s3 else file_system["DirectoryPath"] if file_system else ""
    return channel["ChannelName"], channel.get("ContentType", ""), where

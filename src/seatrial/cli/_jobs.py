"""Training jobs as the platform tells of them: find one, list them, follow one to its end."""

from __future__ import annotations

import datetime
import difflib
import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from seatrial.cli._clients import Clients
from seatrial.cli._job_log import JobLog, LogEvent
from seatrial.cli._page import Cell
from seatrial.cli._times import render_duration, render_short_time
from seatrial.contract.statuses import TrainingJobStatus
from seatrial.core.errors import RequestError

Job = Mapping[str, Any]
"""The answer of DescribeTrainingJob, or one of ListTrainingJobs' summaries."""
Transition = Mapping[str, Any]
"""One of ``SecondaryStatusTransitions``."""

ENDED = frozenset({TrainingJobStatus.COMPLETED, TrainingJobStatus.FAILED, TrainingJobStatus.STOPPED})

STATUS_STYLES: Mapping[str, str] = {
    TrainingJobStatus.IN_PROGRESS: "yellow",
    TrainingJobStatus.COMPLETED: "green",
    TrainingJobStatus.FAILED: "bold red",
    TrainingJobStatus.STOPPING: "yellow",
    TrainingJobStatus.STOPPED: "magenta",
}

_NOT_FOUND = "Requested resource not found"
"""How AWS's message begins. Source: contract.md §6.2."""
_PAGE_JOBS = 100
_COMPARED_NAMES = 1000
_NEAREST_NAMES = 3
_POLL_SECONDS = 0.2
_ENDED_WAITER = "training_job_completed_or_stopped"


def find_job(clients: Clients, name: str) -> Job:
    """A job as DescribeTrainingJob has it.

    Raises:
        RequestError: there is none; the names nearest to it are told.
        ClientError: the platform refused the name.
    """
    try:
        job: dict[str, Any] = clients.sagemaker.describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if not error.response["Error"]["Message"].startswith(_NOT_FOUND):
            raise
        raise _not_found(clients, name) from error
    job.pop("ResponseMetadata", None)
    return job


def list_jobs(clients: Clients, **filters: object) -> Iterator[Job]:
    """Summaries, newest first; pages are asked for as they are needed."""
    pages = clients.sagemaker.get_paginator("list_training_jobs").paginate(
        SortBy="CreationTime", SortOrder="Descending", MaxResults=_PAGE_JOBS, **filters
    )
    return (job for page in pages for job in page["TrainingJobSummaries"])


def follow_job(
    clients: Clients,
    name: str,
    log: JobLog,
    *,
    on_transition: Callable[[Transition], None],
    on_event: Callable[[LogEvent], None],
) -> Job:
    """Tell of a job's phases and lines, as they come and in the order of time, until it has ended.

    Returns:
        The ended job.

    Raises:
        RequestError, ClientError: as ``find_job``.
    """
    told_count = 0
    while True:
        job = find_job(clients, name)  # before the log: of an ended job the log is complete
        transitions = job["SecondaryStatusTransitions"]
        phases = [(int(one["StartTime"].timestamp() * 1000), one) for one in transitions[told_count:]]
        told_count = len(transitions)
        lines = ((event.timestamp_ms, event) for event in log.new_events())
        for _, news in heapq.merge(phases, lines, key=lambda pair: pair[0]):
            if isinstance(news, LogEvent):
                on_event(news)
            else:
                on_transition(news)
        if job["TrainingJobStatus"] in ENDED:
            return job
        time.sleep(_POLL_SECONDS)


def wait_for_end(clients: Clients, name: str) -> Job:
    """Wait until a job has ended, however; the platform answers a waiter at that moment."""
    job = find_job(clients, name)
    while job["TrainingJobStatus"] not in ENDED:
        _hold(clients, name)
        job = find_job(clients, name)
    return job


def _hold(clients: Clients, name: str) -> None:
    try:
        clients.sagemaker.get_waiter(_ENDED_WAITER).wait(
            TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1}
        )
    except WaiterError as error:
        if not error.last_response.get("TrainingJobStatus"):
            raise ClientError(error.last_response, "DescribeTrainingJob") from error


def duration_seconds(job: Job, now: datetime.datetime) -> float:
    """From a job's creation to its end, or to now."""
    created: datetime.datetime = job["CreationTime"]
    end: datetime.datetime = job.get("TrainingEndTime") or now
    return (end - created).total_seconds()


def outcome(job: Job) -> tuple[str, int]:
    """How an ended job ended: a sentence, and the exit code of a command that has waited for it."""
    seconds = duration_seconds(job, job["LastModifiedTime"])
    reason = f": {job['FailureReason']}" if "FailureReason" in job else ""
    sentence = f"{job['TrainingJobName']} {job['TrainingJobStatus']} after {render_duration(seconds)}{reason}"
    return sentence, 1 if job["TrainingJobStatus"] == TrainingJobStatus.FAILED else 0


def row_of(job: Job, now: datetime.datetime) -> tuple[Cell, ...]:
    """Name, status, secondary status, creation and duration, of a summary."""
    status = job["TrainingJobStatus"]
    return (
        job["TrainingJobName"],
        (status, STATUS_STYLES.get(status, "")),
        job["SecondaryStatus"],
        render_short_time(job["CreationTime"], now),
        render_duration(duration_seconds(job, now)),
    )


def _not_found(clients: Clients, name: str) -> RequestError:
    names = [job["TrainingJobName"] for job in itertools.islice(list_jobs(clients), _COMPARED_NAMES)]
    nearest = difflib.get_close_matches(name, names, n=_NEAREST_NAMES)
    nearest += [one for one in names if name and name in one and one not in nearest]
    if nearest:
        fix = f"did you mean {' or '.join(nearest[:_NEAREST_NAMES])}?"
    else:
        fix = "see 'seatrial jobs'" if names else "create one first: this platform has no training job"
    return RequestError("job-not-found", f"there is no training job '{name}'", fix=fix)

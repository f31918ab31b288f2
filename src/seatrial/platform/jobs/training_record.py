"""What the platform keeps of a training job, and what Describe and List say of it: pure functions over its document.

Sources: contract.md §1.7, §1.9, §1.10, §6.4. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from seatrial.contract.limits import MAX_RUNTIME_DEFAULT_SECONDS
from seatrial.contract.statuses import (
    PRIMARY_OF,
    TRAINING_STATUS_MESSAGES,
    TRAINING_TRANSITIONS,
    SecondaryStatus,
    TrainingJobStatus,
)
from seatrial.core.errors import InternalError
from seatrial.platform.jobs.training import ATTEMPT_ENDINGS, Progress
from seatrial.platform.store.resources import Document, Kind, Resource

ECHOED_MEMBERS = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "DebugHookConfig",
    "ExperimentConfig",
    "DebugRuleConfigurations",
    "TensorBoardOutputConfig",
    "ProfilerConfig",
    "ProfilerRuleConfigurations",
    "Environment",
    "RetryStrategy",
    "RemoteDebugConfig",
    "InfraCheckConfig",
    "MlflowConfig",
    "ModelPackageConfig",
)
"""Members of CreateTrainingJob that DescribeTrainingJob gives back as they were sent."""

UNCOMPRESSED_MODEL = "model"
"""Below ``<S3OutputPath>/<job>/output/``: where the files of a model lie that is not compressed (§1.6, UNVERIFIED)."""

_ALWAYS_GIVEN = {
    "EnableNetworkIsolation": False,
    "EnableInterContainerTrafficEncryption": False,
    "EnableManagedSpotTraining": False,
}

_WITH_MACHINE = frozenset(
    {
        SecondaryStatus.DOWNLOADING,
        SecondaryStatus.TRAINING,
        SecondaryStatus.UPLOADING,
        SecondaryStatus.STOPPING,
    }
)
"""What counts as ``TrainingTimeInSeconds``: between two attempts a job has no machine."""


def new_training_job(name: str, arn: str, request: Mapping[str, Any], now: float) -> Resource:
    """A job as it is right after CreateTrainingJob."""
    kept = {member: request[member] for member in ECHOED_MEMBERS if member in request}
    document: Document = {"request": kept, "transitions": []}
    job = Resource(
        kind=Kind.TRAINING_JOB, name=name, arn=arn, status="", created_at=now, modified_at=now, document=document
    )
    return _entered(job, SecondaryStatus.STARTING, now, None)


def secondary_status(job: Resource) -> SecondaryStatus:
    return SecondaryStatus(job.document["transitions"][-1]["Status"])


def enter(job: Resource, phase: SecondaryStatus, now: float, message: str | None = None) -> Resource:
    """The job in its next phase; in the same phase only the message is replaced (§1.10).

    Args:
        job: As it is.
        phase: Where it goes.
        now: When.
        message: ``StatusMessage``; ``None`` takes the one of the table.

    Raises:
        InternalError: the table of transitions does not allow it.
    """
    last = secondary_status(job)
    if phase is not last and phase not in TRAINING_TRANSITIONS[last]:
        raise InternalError(
            "phase-out-of-order",
            f"a training job went from {last.value} to {phase.value}",
            fix="please report this with the command you ran",
        )
    return _entered(job, phase, now, message)


def _entered(job: Resource, phase: SecondaryStatus, now: float, message: str | None) -> Resource:
    transitions = [dict(one) for one in job.document["transitions"]]
    last = transitions[-1]["Status"] if transitions else None
    text = message if message is not None else TRAINING_STATUS_MESSAGES.get(phase, phase.value)
    if last == phase.value:
        transitions[-1]["StatusMessage"] = text
    else:
        if transitions:
            transitions[-1]["EndTime"] = now
        transitions.append({"Status": phase.value, "StartTime": now, "StatusMessage": text})
    document = {**job.document, "transitions": transitions}
    if not TRAINING_TRANSITIONS[phase]:
        transitions[-1]["EndTime"] = now
        document["end_time"] = now
    elif phase is SecondaryStatus.DOWNLOADING:
        document.setdefault("start_time", now)
    elif phase is SecondaryStatus.INTERRUPTED:
        document.pop("interruption_due", None)
    elif phase is SecondaryStatus.RESTARTING and phase.value != last:
        document["restart_count"] = document.get("restart_count", 0) + 1
    return replace(job, status=PRIMARY_OF[phase].value, modified_at=now, document=document)


def progress(job: Resource, now: float) -> Progress:
    """How far the process that wrote the job had come."""
    transitions = job.document["transitions"]
    phase = secondary_status(job)
    ending = None
    if phase in ATTEMPT_ENDINGS:
        ending = phase
    elif any(one["Status"] == SecondaryStatus.STOPPING.value for one in transitions):
        ending = stop_ending(job) or SecondaryStatus.MAX_RUNTIME_EXCEEDED
    return Progress(phase=phase, ending=ending, running_seconds=_seconds_in(job, _WITH_MACHINE, now))


def stop_ending(job: Resource) -> SecondaryStatus | None:
    """The last secondary status that a stop from outside asks for; ``None`` when nobody has asked."""
    found = job.document.get("stop_ending")
    return None if found is None else SecondaryStatus(found)


def wait_deadline(job: Resource) -> float | None:
    """When ``MaxWaitTimeInSeconds``, which counts waiting and running, is used up (§1.9)."""
    seconds = job.document["request"].get("StoppingCondition", {}).get("MaxWaitTimeInSeconds")
    return None if seconds is None else job.created_at + seconds


def attempt_began_at(job: Resource) -> float:
    """When the job was last *Starting*: each attempt has a log stream of its own by it (§1.11)."""
    return float(_attempt(job)[0]["StartTime"])


def has_begun(job: Resource) -> bool:
    """Whether the present attempt may have left something on this machine."""
    begun = {SecondaryStatus.DOWNLOADING.value, SecondaryStatus.TRAINING.value}
    return any(one["Status"] in begun for one in _attempt(job))


def _attempt(job: Resource) -> list[Document]:
    """The transitions from the last *Starting* on."""
    transitions: list[Document] = job.document["transitions"]
    starts = [index for index, one in enumerate(transitions) if one["Status"] == SecondaryStatus.STARTING.value]
    return transitions[starts[-1] :]


def may_restart(job: Resource, now: float) -> bool:
    """Whether ``RetryStrategy`` and ``MaxRuntimeInSeconds``, which covers all attempts, leave another one (§1.9)."""
    request = job.document["request"]
    max_attempts = request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
    max_seconds = request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", MAX_RUNTIME_DEFAULT_SECONDS)
    return (
        job.document.get("restart_count", 0) < max_attempts
        and job.status == TrainingJobStatus.IN_PROGRESS.value
        and _seconds_in(job, _WITH_MACHINE, now) < max_seconds
    )


def merge_metrics(old: list[Document], new: list[Document]) -> list[Document]:
    """``FinalMetricDataList`` over all attempts: the last value of each name."""
    return list({one["MetricName"]: one for one in (*old, *new)}.values())


def _seconds_in(job: Resource, phases: Collection[SecondaryStatus], now: float) -> float:
    transitions = job.document["transitions"]
    spent = (
        one.get("EndTime", now) - one["StartTime"] for one in transitions if SecondaryStatus(one["Status"]) in phases
    )
    return max(0.0, float(sum(spent)))


def with_details(job: Resource, now: float, **details: Any) -> Resource:  # noqa: ANN401 (JSON values)
    """The job with more in its document."""
    return replace(job, modified_at=now, document={**job.document, **details})


def with_request_members(job: Resource, update: Mapping[str, Any], now: float) -> Resource:
    """The job with members of its request replaced by those of UpdateTrainingJob; members inside of one are kept."""
    request = dict(job.document["request"])
    for member, value in update.items():
        if member in ECHOED_MEMBERS:
            old = request.get(member)
            request[member] = {**old, **value} if isinstance(old, dict) and isinstance(value, Mapping) else value
    return with_details(job, now, request=request)


def model_artifact_uri(job: Resource) -> str:
    """``ModelArtifacts.S3ModelArtifacts``: given before the object exists, as the response requires it (§1.6)."""
    request = job.document["request"]
    output = request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return f"{output}/{job.name}/output/{'model.tar.gz' if compresses_model(request) else UNCOMPRESSED_MODEL}"


def compresses_model(request: Mapping[str, Any]) -> bool:
    """What ``OutputDataConfig.CompressionType`` says; the default is GZIP (§1.6)."""
    return bool(request["OutputDataConfig"].get("CompressionType", "GZIP") == "GZIP")


def describe(job: Resource) -> dict[str, Any]:
    """The response of DescribeTrainingJob."""
    document = job.document
    response: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "ModelArtifacts": {"S3ModelArtifacts": model_artifact_uri(job)},
        "TrainingJobStatus": job.status,
        "SecondaryStatus": secondary_status(job).value,
        **_ALWAYS_GIVEN,
        **document["request"],
        "OutputDataConfig": {"KmsKeyId": "", **document["request"]["OutputDataConfig"]},  # SDK v2's attach reads it
        "CreationTime": job.created_at,
        "LastModifiedTime": job.modified_at,
        "SecondaryStatusTransitions": document["transitions"],
    }
    for member, key in (
        ("FailureReason", "failure_reason"),
        ("TrainingStartTime", "start_time"),
        ("TrainingEndTime", "end_time"),
        ("FinalMetricDataList", "metrics"),
    ):
        if document.get(key):
            response[member] = document[key]
    if "start_time" in document and "end_time" in document:
        seconds = max(1, round(_seconds_in(job, _WITH_MACHINE, document["end_time"])))
        response["TrainingTimeInSeconds"] = response["BillableTimeInSeconds"] = seconds
    return response


def summarise(job: Resource) -> dict[str, Any]:
    """One of ``TrainingJobSummaries``."""
    summary = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": job.created_at,
        "LastModifiedTime": job.modified_at,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": secondary_status(job).value,
    }
    if "end_time" in job.document:
        summary["TrainingEndTime"] = job.document["end_time"]
    return summary

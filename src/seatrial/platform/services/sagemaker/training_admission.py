"""What CreateTrainingJob checks before it answers: pure rules over the request. Sources: contract.md §1.2, §6.3, §6.4.

Members that would change what a job does and that are not emulated yet are refused here with their names; nothing of
them is passed over in silence. What is only echoed is listed in ``training_record.ECHOED_MEMBERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seatrial.contract.environment_limits import check_training_environment
from seatrial.contract.training import check_hyperparameters
from seatrial.core.errors import SeatrialError
from seatrial.platform.wire.errors import ServiceError, validation_error

Request = Mapping[str, Any]

REQUIRED_BY_THE_SERVICE = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition")
"""Optional in the model because of serverless jobs; a job with a container needs them (§6.4)."""

Get = Callable[[Request], object]


def _member(*path: str) -> Get:
    def get(request: Request) -> object:
        value: Any = request
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return get


_NOT_EMULATED: tuple[tuple[str, Get], ...] = (
    ("ServerlessJobConfig", _member("ServerlessJobConfig")),
    ("SessionChainingConfig", _member("SessionChainingConfig")),
    ("EnableManagedSpotTraining", _member("EnableManagedSpotTraining")),
    ("CheckpointConfig", _member("CheckpointConfig")),
    ("RetryStrategy", _member("RetryStrategy")),
    ("ResourceConfig.InstanceGroups", _member("ResourceConfig", "InstanceGroups")),
    ("ResourceConfig.KeepAlivePeriodInSeconds", _member("ResourceConfig", "KeepAlivePeriodInSeconds")),
    ("ResourceConfig.TrainingPlanArn", _member("ResourceConfig", "TrainingPlanArn")),
    ("StoppingCondition.MaxWaitTimeInSeconds", _member("StoppingCondition", "MaxWaitTimeInSeconds")),
    ("StoppingCondition.MaxPendingTimeInSeconds", _member("StoppingCondition", "MaxPendingTimeInSeconds")),
    ("AlgorithmSpecification.AlgorithmName", _member("AlgorithmSpecification", "AlgorithmName")),
    ("AlgorithmSpecification.TrainingImageConfig", _member("AlgorithmSpecification", "TrainingImageConfig")),
    ("RemoteDebugConfig.EnableRemoteDebug", _member("RemoteDebugConfig", "EnableRemoteDebug")),
)
"""Members that change what a job does, and how to find them; a false or absent one asks for nothing."""

_CHANNEL_NOT_EMULATED: tuple[tuple[str, Get], ...] = (
    ("DataSource.FileSystemDataSource", _member("DataSource", "FileSystemDataSource")),
    ("DataSource.S3DataSource.AttributeNames", _member("DataSource", "S3DataSource", "AttributeNames")),
    ("DataSource.S3DataSource.InstanceGroupNames", _member("DataSource", "S3DataSource", "InstanceGroupNames")),
    ("DataSource.S3DataSource.ModelAccessConfig", _member("DataSource", "S3DataSource", "ModelAccessConfig")),
    ("DataSource.S3DataSource.HubAccessConfig", _member("DataSource", "S3DataSource", "HubAccessConfig")),
    ("ShuffleConfig", _member("ShuffleConfig")),
)

_CHANNEL_ONLY: tuple[tuple[str, Get, str], ...] = (
    ("DataSource.S3DataSource.S3DataType", _member("DataSource", "S3DataSource", "S3DataType"), "S3Prefix"),
    (
        "DataSource.S3DataSource.S3DataDistributionType",
        _member("DataSource", "S3DataSource", "S3DataDistributionType"),
        "FullyReplicated",
    ),
    ("CompressionType", _member("CompressionType"), "None"),
    ("RecordWrapperType", _member("RecordWrapperType"), "None"),
)
"""Members of a channel of which one value is emulated so far."""


def check_request(request: Request) -> None:
    """Refuse what the service refuses, and what is not emulated.

    Raises:
        ServiceError: ValidationException.
    """
    for member in REQUIRED_BY_THE_SERVICE:
        if member not in request:
            path = member[0].lower() + member[1:]
            raise validation_error(
                f"1 validation error detected: Value null at '{path}' failed to satisfy constraint: "
                "Member must not be null"
            )
    for name, get in _NOT_EMULATED:
        if get(request):
            raise not_emulated(name)
    if (request["ResourceConfig"].get("InstanceCount") or 1) != 1:
        raise not_emulated("ResourceConfig.InstanceCount", "more than 1 instance")
    if not request["AlgorithmSpecification"].get("TrainingImage"):
        raise validation_error("You must specify either an Algorithm Name or a Training Image.")
    _check_channels(request)
    try:
        check_hyperparameters(request.get("HyperParameters", {}))
        check_training_environment(request.get("Environment", {}))
    except SeatrialError as error:
        raise validation_error(error.sentence()) from error


def _check_channels(request: Request) -> None:
    seen: set[str] = set()
    job_mode = request["AlgorithmSpecification"].get("TrainingInputMode")
    for channel in request.get("InputDataConfig", ()):
        name = channel["ChannelName"]
        if name in seen:
            raise validation_error(f"Duplicate channel name found in InputDataConfig: {name}")
        seen.add(name)
        mode = channel.get("InputMode") or job_mode or "File"
        if mode != "File":
            raise not_emulated(f"InputMode of channel {name}", mode)
        if not channel["DataSource"]:
            raise validation_error(f"The data source of channel {name} is missing.")
        for member, get in _CHANNEL_NOT_EMULATED:
            if get(channel):
                raise not_emulated(f"{member} of channel {name}")
        for member, get, only in _CHANNEL_ONLY:
            value = get(channel)
            if value is not None and value != only:
                raise not_emulated(f"{member} of channel {name}", str(value))


def not_emulated(member: str, value: str | None = None) -> ServiceError:
    """The refusal of what the service takes and Seatrial does not emulate: never a silent downgrade."""
    what = member if value is None else f"{value} for {member}"
    return validation_error(f"Seatrial does not emulate {what} yet, and refuses it instead of leaving it out.")


_UPDATES_NOT_EMULATED: tuple[tuple[str, Get], ...] = (
    ("ResourceConfig.KeepAlivePeriodInSeconds", _member("ResourceConfig", "KeepAlivePeriodInSeconds")),
    ("RemoteDebugConfig.EnableRemoteDebug", _member("RemoteDebugConfig", "EnableRemoteDebug")),
)


def check_update(request: Request) -> None:
    """The same for UpdateTrainingJob.

    Raises:
        ServiceError: ValidationException.
    """
    if set(request) == {"TrainingJobName"}:
        raise validation_error("Invalid UpdateTrainingJobRequest, the request cannot be empty")
    for name, get in _UPDATES_NOT_EMULATED:
        if get(request):
            raise not_emulated(name)

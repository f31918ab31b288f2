"""What CreateTrainingJob checks before it answers: pure rules over the request. Sources: contract.md §1.2, §6.3, §6.4.

What is not emulated does not come here: the door refuses it by ``services/declarations/sagemaker.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from seatrial.contract.checkpoints import DEFAULT_LOCAL_PATH, check_local_path
from seatrial.contract.environment_limits import check_training_environment
from seatrial.contract.limits import MAX_RUNTIME_DEFAULT_SECONDS, MAX_RUNTIME_MAX_SECONDS
from seatrial.contract.s3_channel import check_channel_names, check_combination, parse_s3_channel
from seatrial.contract.s3_uris import parse_s3_uri
from seatrial.contract.training import InputMode, check_hyperparameters
from seatrial.core.errors import SeatrialError
from seatrial.objects.keys import KEY_MAX_BYTES
from seatrial.platform.wire.errors import ServiceError, not_emulated, validation_error
from seatrial.platform.wire.validation import lower_camel

Request = Mapping[str, Any]

_LONGEST_NAME = "output.tar.gz"

REQUIRED_BY_THE_SERVICE = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition")
"""Optional in the model because of serverless jobs; a job with a container needs them (§6.4)."""


def check_request(request: Request) -> None:
    """Refuse what the service refuses.

    Raises:
        ServiceError: ValidationException.
    """
    for member in REQUIRED_BY_THE_SERVICE:
        if member not in request:
            raise _one_error("null", lower_camel(member), "Member must not be null")
    if not request["AlgorithmSpecification"].get("TrainingImage"):
        raise validation_error("You must specify either an Algorithm Name or a Training Image.")
    _check_channels(request)
    _check_resources(request)
    _check_spot(request)
    _check_output(request)
    _check_tags(request)
    try:
        check_hyperparameters(request.get("HyperParameters", {}))
        check_training_environment(request.get("Environment", {}))
        check_local_path(request.get("CheckpointConfig", {}).get("LocalPath") or DEFAULT_LOCAL_PATH)
    except SeatrialError as error:
        raise validation_error(error.sentence()) from error


def _check_spot(request: Request) -> None:
    """§1.9. The first text is observed; the second is as the service's of that kind (UNVERIFIED)."""
    stopping = request["StoppingCondition"]
    max_wait = stopping.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if max_wait is not None:
            raise validation_error(
                "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
            )
        return
    if max_wait is None or max_wait < stopping.get("MaxRuntimeInSeconds", MAX_RUNTIME_DEFAULT_SECONDS):
        raise validation_error(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )


def _check_channels(request: Request) -> None:
    seen: set[str] = set()
    job_mode = request["AlgorithmSpecification"].get("TrainingInputMode")
    for channel in request.get("InputDataConfig", ()):
        name = channel["ChannelName"]
        if name in seen:
            raise validation_error(f"Duplicate channel name found in InputDataConfig: {name}")
        if name in {".", ".."}:
            raise validation_error(f"No directory of the container can have the name of channel {name!r}.")
        seen.add(name)
        if not channel["DataSource"].get("S3DataSource"):
            raise validation_error(f"The data source of channel {name} is missing.")
        _check_combination(channel, job_mode)
    try:
        check_channel_names(
            [(one["ChannelName"], _input_mode(one, job_mode)) for one in request.get("InputDataConfig", ())]
        )
    except SeatrialError as error:
        raise validation_error(error.sentence()) from error


def _check_combination(channel: Request, job_mode: str | None) -> None:
    source = channel["DataSource"]["S3DataSource"]
    if local_path(source["S3Uri"]) is not None:
        _check_local(channel, job_mode)
        return
    if source.get("InstanceGroupNames"):
        raise validation_error(
            f"InstanceGroupNames of channel {channel['ChannelName']} names instance groups, but the job has none: "
            "ResourceConfig.InstanceGroups is missing."
        )
    try:
        check_combination(parse_s3_channel(channel, job_mode))
    except SeatrialError as error:
        raise validation_error(error.sentence()) from error


_LOCAL_MEMBERS = (
    ("S3DataType", "S3Prefix"),
    ("S3DataDistributionType", "FullyReplicated"),
    ("CompressionType", "None"),
    ("RecordWrapperType", "None"),
)


def _check_local(channel: Request, job_mode: str | None) -> None:
    """A ``file://`` channel, an extension of ours, is a directory or file that each host gets a copy of."""
    source = channel["DataSource"]["S3DataSource"]
    mode = _input_mode(channel, job_mode)
    if mode is not InputMode.FILE:
        raise not_emulated("InputMode", mode.value, why="a file:// channel is read in File mode")
    for member, allowed in _LOCAL_MEMBERS:
        found = source.get(member) or channel.get(member) or allowed
        if found != allowed:
            raise not_emulated(member, found, why="a file:// channel is read as it is")
    for member in ("AttributeNames", "InstanceGroupNames"):
        if source.get(member):
            raise not_emulated(member, why="a file:// channel is read as it is")


def _input_mode(channel: Request, job_mode: str | None) -> InputMode:
    return InputMode(channel.get("InputMode") or job_mode or "File")


def input_modes(request: Request) -> set[InputMode]:
    """The input modes of a job's channels."""
    job_mode = request["AlgorithmSpecification"].get("TrainingInputMode")
    return {_input_mode(channel, job_mode) for channel in request.get("InputDataConfig", ())}


def local_path(uri: str) -> Path | None:
    """The path of a ``file://`` channel, an extension of ours; ``None`` for an S3 URI."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" and not parts.netloc else None


def _check_resources(request: Request) -> None:
    """Bounds that are not in botocore's model (§1.9, §6.4)."""
    resources = request["ResourceConfig"]
    for member in ("InstanceType", "InstanceCount"):
        if member not in resources and "InstanceGroups" not in resources:
            raise _one_error("null", f"resourceConfig.{lower_camel(member)}", "Member must not be null")
    count = resources.get("InstanceCount", 1)
    if count < 1:
        raise _one_error(
            f"'{count}'", "resourceConfig.instanceCount", "Member must have value greater than or equal to 1"
        )
    seconds = request["StoppingCondition"].get("MaxRuntimeInSeconds", 1)
    if seconds > MAX_RUNTIME_MAX_SECONDS:
        rule = f"Member must have value less than or equal to {MAX_RUNTIME_MAX_SECONDS}"
        raise _one_error(f"'{seconds}'", "stoppingCondition.maxRuntimeInSeconds", rule)


def _check_output(request: Request) -> None:
    uri = request["OutputDataConfig"]["S3OutputPath"]
    longest = f"{parse_s3_uri(uri).key}/{request['TrainingJobName']}/output/{_LONGEST_NAME}"
    if "\0" in uri or len(longest.encode()) > KEY_MAX_BYTES:
        raise validation_error(
            f"S3OutputPath cannot hold the job's output: a key has no NUL and at most {KEY_MAX_BYTES} bytes, of which "
            f"the name of the job and of its archive are part."
        )


def _check_tags(request: Request) -> None:
    seen: set[str] = set()
    for tag in request.get("Tags", ()):
        check_tag_key(tag["Key"])
        if tag["Key"] in seen:
            raise validation_error(
                f"Duplicate tag keys found. Please note that Tag keys are case insensitive: {tag['Key']}"
            )
        seen.add(tag["Key"])


def check_tag_key(key: str) -> None:
    """Refuse a key that is AWS's own.

    Raises:
        ServiceError: ValidationException.
    """
    if key.lower().startswith("aws:"):
        raise validation_error(f"Tag keys beginning with 'aws:' are reserved for system use; found {key}")


def _one_error(value: str, path: str, rule: str) -> ServiceError:
    return validation_error(
        f"1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: {rule}"
    )


def check_update(request: Request) -> None:
    """The same for UpdateTrainingJob.

    Raises:
        ServiceError: ValidationException.
    """
    if set(request) == {"TrainingJobName"}:
        raise validation_error("Invalid UpdateTrainingJobRequest, the request cannot be empty")

"""What CreateTrainingJob checks before it answers: pure rules over the request. Sources: contract.md §1.2, §6.3, §6.4.

What is not emulated does not come here: the door refuses it by ``services/declarations/sagemaker.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.contract.checkpoints import DEFAULT_LOCAL_PATH, check_local_path
from seatrial.contract.environment_limits import check_training_environment
from seatrial.contract.limits import MAX_RUNTIME_DEFAULT_SECONDS
from seatrial.contract.training import check_hyperparameters
from seatrial.core.errors import SeatrialError
from seatrial.platform.wire.errors import not_emulated, validation_error

Request = Mapping[str, Any]

REQUIRED_BY_THE_SERVICE = ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition")
"""Optional in the model because of serverless jobs; a job with a container needs them (§6.4)."""


def check_request(request: Request) -> None:
    """Refuse what the service refuses.

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
    if not request["AlgorithmSpecification"].get("TrainingImage"):
        raise validation_error("You must specify either an Algorithm Name or a Training Image.")
    _check_channels(request)
    _check_spot(request)
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
        seen.add(name)
        mode = channel.get("InputMode") or job_mode or "File"
        if mode != "File":
            raise not_emulated("AlgorithmSpecification.TrainingInputMode", mode, why=f"channel {name} is read with it")
        if not channel["DataSource"].get("S3DataSource"):
            raise validation_error(f"The data source of channel {name} is missing.")


def check_update(request: Request) -> None:
    """The same for UpdateTrainingJob.

    Raises:
        ServiceError: ValidationException.
    """
    if set(request) == {"TrainingJobName"}:
        raise validation_error("Invalid UpdateTrainingJobRequest, the request cannot be empty")

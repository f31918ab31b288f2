"""What the platform gives a training container beside its files, and reserved names. Source: contract.md §1.4.

The ``SM_*`` variables of a user's script are not the platform's: ``script_environment`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seatrial.contract.layout import OPT_ML, OptMl
from seatrial.contract.training import decode_hyperparameter

TRAINING_JOB_NAME = "TRAINING_JOB_NAME"
TRAINING_JOB_ARN = "TRAINING_JOB_ARN"
AWS_REGION = "AWS_REGION"
METRICS_DIRECTORY = "SAGEMAKER_METRICS_DIRECTORY"
BASE_DIR = "SAGEMAKER_BASE_DIR"
"""Where ``/opt/ml`` is instead, for programs on AWS's toolkits and on our runtime."""

PROGRAM = "SAGEMAKER_PROGRAM"
"""The user's program; in training it goes before the hyperparameter ``sagemaker_program``."""

FRAMEWORK_MODULE = "SAGEMAKER_TRAINING_MODULE"
"""What AWS's framework images run in place of the user's program."""

PROGRAM_HYPERPARAMETER = "sagemaker_program"
SUBMIT_DIRECTORY_HYPERPARAMETER = "sagemaker_submit_directory"
LOG_LEVEL_HYPERPARAMETER = "sagemaker_container_log_level"
JOB_NAME_HYPERPARAMETER = "sagemaker_job_name"
REGION_HYPERPARAMETER = "sagemaker_region"
S3_OUTPUT_HYPERPARAMETER = "sagemaker_s3_output"

_RESERVED_PREFIX = "sagemaker_"
TOOLKIT_HYPERPARAMETERS = frozenset(
    {
        PROGRAM_HYPERPARAMETER,
        SUBMIT_DIRECTORY_HYPERPARAMETER,
        "sagemaker_enable_cloudwatch_metrics",
        REGION_HYPERPARAMETER,
        LOG_LEVEL_HYPERPARAMETER,
        JOB_NAME_HYPERPARAMETER,
        "default_user_module_name",
        "_tuning_objective_metric",
        S3_OUTPUT_HYPERPARAMETER,
    }
)
"""What AWS's training toolkit keeps for itself; any other ``sagemaker_*`` is a parameter of a framework image."""


def training_environment(
    training_job_name: str, training_job_arn: str, region: str, user_environment: Mapping[str, str]
) -> dict[str, str]:
    """What the platform puts into a training container; the request's own entries give way where they clash."""
    return {
        **user_environment,
        TRAINING_JOB_NAME: training_job_name,
        TRAINING_JOB_ARN: training_job_arn,
        AWS_REGION: region,
        METRICS_DIRECTORY: str(OPT_ML / "output" / "metrics" / "sagemaker"),
    }


def opt_ml_from(environment: Mapping[str, str]) -> OptMl:
    """The tree that the container works on: ``SAGEMAKER_BASE_DIR`` where set, else ``/opt/ml``."""
    base_dir = environment.get(BASE_DIR)
    return OptMl(Path(base_dir)) if base_dir else OptMl()


def is_reserved_hyperparameter(name: str) -> bool:
    """Whether SageMaker's SDKs or its tuner put this hyperparameter there, not the user."""
    return name.startswith(_RESERVED_PREFIX) or name in TOOLKIT_HYPERPARAMETERS


def user_hyperparameters(hyperparameters: Mapping[str, str]) -> dict[str, object]:
    """The user's own hyperparameters, decoded."""
    return {
        name: decode_hyperparameter(value)
        for name, value in hyperparameters.items()
        if not is_reserved_hyperparameter(name)
    }

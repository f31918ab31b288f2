"""Names and ARNs: patterns and lengths. Source: contract.md §1.5, §6.2."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NameRule:
    """What a name may look like."""

    pattern: str
    max_characters: int
    min_characters: int = 1

    def is_met_by(self, name: str) -> bool:
        return (
            self.min_characters <= len(name) <= self.max_characters
            and re.fullmatch(self.pattern, name, flags=re.ASCII) is not None
        )


TRAINING_JOB_NAME = NameRule(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", 63)
TRANSFORM_JOB_NAME = PROCESSING_JOB_NAME = ENDPOINT_NAME = VARIANT_NAME = TRAINING_JOB_NAME
MODEL_NAME = NameRule(r"[a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?", 63)
CHANNEL_NAME = NameRule(r"[A-Za-z0-9\.\-_]+", 64)
ENVIRONMENT_KEY = NameRule(r"[a-zA-Z_][a-zA-Z0-9_]*", 512)

TRAINING_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""The log group of all training jobs (§1.11)."""

LOCAL_ACCOUNT_ID = "000000000000"
"""The account of everything made on this machine."""

LOCAL_REGION = "us-east-1"
"""The region where nothing says another."""


def training_job_arn(name: str, *, region: str = LOCAL_REGION, account_id: str = LOCAL_ACCOUNT_ID) -> str:
    """The ARN of a training job; its tail is lower-cased, as the service long did (§6.2, CONFLICT by age)."""
    return f"arn:aws:sagemaker:{region}:{account_id}:training-job/{name.lower()}"


def host_name(number: int) -> str:
    """The name of the ``number``-th host of a job, counted from 1 (§1.3)."""
    return f"algo-{number}"


def host_number(name: str) -> int:
    """The number in a host's name, as ``host_name`` took it.

    Raises:
        ValueError: it is no host's name.
    """
    return int(name.removeprefix("algo-"))

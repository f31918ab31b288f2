"""A platform as a user starts it, and the calls that most tests of it make."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class Site:
    """A running platform and its clients."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = ""

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "seatrial", *arguments, f"--home={self.home}"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)

    def up(self, *options: str) -> None:
        started = self.command("up", "-d", "--port=0", *options)
        assert started.returncode == 0, started.stderr
        self.url = json.loads(self.command("status", "--json").stdout)["url"]

    def kill(self) -> None:
        """SIGKILL to the platform; returns when it is gone."""
        os.kill(json.loads((self.home / "platform.json").read_text())["pid"], signal.SIGKILL)
        with (self.home / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106
        )


def create(site: Site, name: str, image: str, **members: Any) -> None:
    sagemaker = site.client("sagemaker")
    with contextlib.suppress(ClientError):
        site.client("s3").create_bucket(Bucket="bucket")
    sagemaker.create_training_job(
        **{
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 100},
            **members,
        }
    )


def wait(site: Site, name: str) -> dict[str, Any]:
    sagemaker = site.client("sagemaker")
    with contextlib.suppress(Exception):  # a failed job fails the waiter
        sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
    found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return found


def wait_for_log(site: Site, name: str, text: str) -> None:
    """Until the job has printed something."""
    logs = site.client("logs")
    while True:
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            found = logs.filter_log_events(
                logGroupName=LOG_GROUP,
                logStreamNamePrefix=f"{name}/",
                filterPattern=f'"{text}"',
            )
            if found["events"]:
                return
        time.sleep(0.05)

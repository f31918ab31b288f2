"""Each client uploads data, trains both example containers on both engines, and downloads a model that predicts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"


PROGRAMS = {
    "boto3": "boto3_train.py",
    "sagemaker2": "sagemaker_v2_fit.py",
    "sagemaker3": "sagemaker_v3_train.py",
}
"""By the environment that they run in."""


@pytest.mark.parametrize("client", PROGRAMS)
def test_python_program_trains_shows_the_log_and_fetches_the_model(
    client: str, example: Any, site: Any, iris_channel: Path, tmp_path: Path
) -> None:
    shown = site.run(client, PROGRAMS[client], example.image, iris_channel, tmp_path)

    assert "Completed" in shown
    assert re.search(r"accuracy[:=] ?0\.9\d", shown)  # the container's own line
    assert example.accuracy_of(tmp_path / "model.tar.gz") > 0.95


def test_aws_cli_trains_shows_the_log_and_fetches_the_model(
    example: Any, site: Any, iris_channel: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    def aws(*arguments: str | Path) -> str:
        shown: str = site.run("awscli", "aws", *arguments)
        return shown

    name = bucket = f"cli-{request.node.callspec.id}"
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data/"}}
    aws("s3", "mb", f"s3://{bucket}")
    aws("s3", "sync", iris_channel, f"s3://{bucket}/data")
    aws(
        *("sagemaker", "create-training-job", "--training-job-name", name, "--role-arn", ROLE),
        *("--algorithm-specification", f"TrainingImage={example.image},TrainingInputMode=File"),
        *("--hyper-parameters", "max_leaf_nodes=5"),
        *("--input-data-config", json.dumps([{"ChannelName": "training", "DataSource": source}])),
        *("--output-data-config", f"S3OutputPath=s3://{bucket}/models"),
        *("--resource-config", "InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=1"),
        *("--stopping-condition", "MaxRuntimeInSeconds=600"),
    )
    aws("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    job = json.loads(aws("sagemaker", "describe-training-job", "--training-job-name", name))
    events = aws(
        *("logs", "filter-log-events", "--log-group-name", LOG_GROUP, "--log-stream-name-prefix", f"{name}/"),
        *("--query", "events[].[message]", "--output", "text"),
    )
    aws("s3", "cp", job["ModelArtifacts"]["S3ModelArtifacts"], tmp_path)

    assert job["TrainingJobStatus"] == "Completed"
    assert "accuracy" in events
    assert example.accuracy_of(tmp_path / "model.tar.gz") > 0.95

"""The demonstration's training jobs, as any client of the API makes them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from seatrial.cli._clients import Clients
from seatrial.cli._demo_measuring import iris_file
from seatrial.cli._jobs import Job
from seatrial.contract.s3_uris import parse_s3_uri
from seatrial.contract.statuses import SecondaryStatus

HYPERPARAMETERS: Mapping[str, str] = {"max_leaf_nodes": "5"}

_BUCKET = "seatrial-demo"
_DATA_PREFIX = "iris/"
_MAX_RUNTIME_SECONDS = 3600
_CHUNK_BYTES = 1 << 20


def start(clients: Clients, name: str, image: str) -> None:
    """Upload the iris data and create the job.

    Raises:
        ClientError: the platform refused.
    """
    clients.s3.create_bucket(Bucket=_BUCKET)
    data = iris_file()
    with data.open("rb") as file:
        clients.s3.put_object(Bucket=_BUCKET, Key=f"{_DATA_PREFIX}{data.name}", Body=file)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{_BUCKET}/{_DATA_PREFIX}"}
    clients.sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters=HYPERPARAMETERS,
        InputDataConfig=[
            {"ChannelName": "training", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{_BUCKET}/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": _MAX_RUNTIME_SECONDS},
    )


def download_model(clients: Clients, job: Job, file: Path) -> None:
    """Bring a completed job's ``model.tar.gz``.

    Raises:
        ClientError: there is none.
    """
    uri = parse_s3_uri(job["ModelArtifacts"]["S3ModelArtifacts"])
    body = clients.s3.get_object(Bucket=uri.bucket, Key=uri.key)["Body"]
    with file.open("wb") as target:
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            target.write(chunk)


def training_seconds(job: Job) -> float:
    """How long the container of an ended job ran."""
    spans = (
        one["EndTime"] - one["StartTime"]
        for one in job["SecondaryStatusTransitions"]
        if one["Status"] == SecondaryStatus.TRAINING
    )
    return sum(spans, datetime.timedelta()).total_seconds()

"""``--upstream``, ``--s3-endpoint`` and ``--engine`` as a user meets them: boto3, moto's server, a second platform."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
PRIVATE = {"AWS_ACCESS_KEY_ID": "key-of-the-developer", "AWS_SECRET_ACCESS_KEY": "secret-of-the-developer"}

COPY = "#!/bin/sh\nenv\ncp -r /opt/ml/input/data/training/. /opt/ml/model/\n"


class Site:
    """A running platform and its clients."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = ""
        self.said = ""
        self._clients: list[Any] = []

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "seatrial", *arguments, f"--home={self.home}"]
        environment = {**os.environ, **PRIVATE}
        return subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False, env=environment)

    def up(self, *options: str) -> None:
        started = self.command("up", "-d", "--port=0", *options)
        assert started.returncode == 0, started.stderr
        self.said = started.stderr
        self.url = json.loads(self.command("status", "--json").stdout)["url"]

    def client(self, service: str, url: str = "") -> Any:
        client = boto3.client(
            service,
            endpoint_url=url or self.url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106
            config=Config(retries={"max_attempts": 0}),
        )
        self._clients.append(client)
        return client

    def create(self, name: str, image: str, bucket: str, **members: Any) -> None:
        request = {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 100},
            "InputDataConfig": [
                {
                    "ChannelName": "training",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data"}},
                }
            ],
            **members,
        }
        given = {member: value for member, value in request.items() if value is not None}
        self.client("sagemaker").create_training_job(**given)

    def wait(self, name: str) -> dict[str, Any]:
        sagemaker = self.client("sagemaker")
        while True:
            found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
            if found["TrainingJobStatus"] not in {"InProgress", "Stopping"}:
                return found
            time.sleep(0.05)

    def close(self) -> None:
        self.command("down")
        for client in self._clients:
            client.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "home")
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        directory = tmp_path / f"program-{time.monotonic_ns()}"
        directory.mkdir()
        (directory / "train").write_text(text)
        (directory / "train").chmod(0o755)
        return directory.as_uri()

    return write


def new_bucket(s3: Any) -> str:
    name = f"bucket-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name


# --- --upstream -----------------------------------------------------------------------------------------------------


def test_services_of_others_are_answered_by_moto_and_ours_are_not(site: Site, moto_url: str) -> None:
    site.up(f"--upstream={moto_url}")
    table = f"table-{secrets.token_hex(4)}"
    dynamodb = site.client("dynamodb")
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName=table, Item={"id": {"S": "é"}})
    sqs = site.client("sqs")
    queue = sqs.create_queue(QueueName=table)["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="one")
    bucket = new_bucket(site.client("s3"))

    assert dynamodb.get_item(TableName=table, Key={"id": {"S": "é"}})["Item"] == {"id": {"S": "é"}}
    assert table in site.client("dynamodb", moto_url).list_tables()["TableNames"]
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "one"
    assert site.client("ec2").describe_vpcs()["Vpcs"]
    with pytest.raises(ClientError, match="Requested resource not found"):
        dynamodb.describe_table(TableName="absent")
    assert bucket not in [one["Name"] for one in site.client("s3", moto_url).list_buckets()["Buckets"]]
    assert site.client("sts").get_caller_identity()["Account"] == "000000000000"
    for service, operation in (("sagemaker", "list_endpoints"), ("sagemaker", "list_models")):
        with pytest.raises(ClientError) as caught:
            getattr(site.client(service), operation)()
        assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert f"other services are answered by {moto_url}" in site.said


def test_without_an_upstream_other_services_are_refused_with_the_option(site: Site) -> None:
    site.up()

    with pytest.raises(ClientError, match="--upstream"):
        site.client("dynamodb").list_tables()


# --- --s3-endpoint --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["moto", "seatrial"])
def s3_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "moto":
        yield request.getfixturevalue("moto_url")
        return
    other = Site(tmp_path / "other")
    other.up()
    yield other.url
    other.close()


def test_job_reads_and_writes_the_other_s3_and_clients_see_it_at_the_door(
    site: Site, s3_url: str, program: Callable[[str], str]
) -> None:
    site.up(f"--s3-endpoint={s3_url}")
    at_the_door, behind = site.client("s3"), site.client("s3", s3_url)
    bucket = new_bucket(at_the_door)
    large = os.urandom(1 << 20) * 20
    at_the_door.put_object(Bucket=bucket, Key="data/deep/a b+é.bin", Body=large, Metadata={"k": "v"})
    at_the_door.put_object(Bucket=bucket, Key="data/deep/iris.csv", Body=b"setosa,1\n")
    site.create("remote", program(COPY), bucket)
    job = site.wait("remote")

    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    for s3 in (at_the_door, behind):
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert keys == ["data/deep/a b+é.bin", "data/deep/iris.csv", "out/remote/output/model.tar.gz"]
    got = at_the_door.get_object(Bucket=bucket, Key="data/deep/a b+é.bin")
    assert (got["Body"].read(), got["Metadata"]) == (large, {"k": "v"})
    model = at_the_door.head_object(Bucket=bucket, Key="out/remote/output/model.tar.gz")
    assert model["ContentLength"] > len(large)
    assert model["ContentType"] == "application/x-tar"
    assert not (site.home / "objects").exists()
    (stream,) = site.client("logs").describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]
    events = site.client("logs").get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"])
    said = "\n".join(event["message"] for event in events["events"])
    assert "TRAINING_JOB_NAME=remote" in said
    assert "of-the-developer" not in said


def test_admission_looks_into_the_other_s3(site: Site, moto_url: str, program: Callable[[str], str]) -> None:
    site.up(f"--s3-endpoint={moto_url}")
    bucket = new_bucket(site.client("s3"))
    image = program(COPY)

    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        site.create("refused", image, bucket)
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        site.create("refused", image, "bucket-that-is-not-there")
    with pytest.raises(ClientError, match="'absent' of S3OutputPath does not exist"):
        site.create("refused", image, "absent", InputDataConfig=None)
    with pytest.raises(ClientError) as caught:
        site.client("s3").head_bucket(Bucket="absent")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_environment_of_clients_has_no_keys_and_the_banner_says_why(site: Site, moto_url: str) -> None:
    site.up(f"--s3-endpoint={moto_url}")
    variables = json.loads(site.command("env", "--json").stdout)

    assert variables == {"AWS_ENDPOINT_URL": site.url, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    assert f"objects are kept by {moto_url}" in site.said
    assert "AWS_SECRET_ACCESS_KEY" not in site.said


def test_s3_that_goes_away_is_told_to_clients_and_in_the_reason_of_the_job(
    site: Site, tmp_path: Path, program: Callable[[str], str]
) -> None:
    other = Site(tmp_path / "other")
    other.up()
    try:
        site.up(f"--s3-endpoint={other.url}")
        bucket = new_bucket(site.client("s3"))
        site.client("s3").put_object(Bucket=bucket, Key="data/x", Body=b"x")
        image = program("#!/bin/sh\ntouch /opt/ml/model/m\nwhile [ ! -e /opt/ml/output/go ]; do sleep 0.05; done\n")
        site.create("orphaned", image, bucket)
        sagemaker = site.client("sagemaker")
        while sagemaker.describe_training_job(TrainingJobName="orphaned")["SecondaryStatus"] != "Training":
            time.sleep(0.05)
    finally:
        other.close()
    with pytest.raises(ClientError) as at_the_door:
        site.client("s3").list_buckets()
    with pytest.raises(ClientError) as at_admission:
        site.create("refused", image, bucket)
    (site.home / "jobs" / "orphaned" / "ml" / "output" / "go").touch()
    job = site.wait("orphaned")

    assert at_the_door.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert f"cannot reach {other.url}, which --s3-endpoint names" in str(at_the_door.value)
    assert at_admission.value.response["Error"]["Code"] == "ValidationException"
    assert "the S3 server does not answer" in str(at_admission.value)
    assert job["TrainingJobStatus"] == "Failed"
    assert f"s3://{bucket}/out/orphaned/output/model.tar.gz" in job["FailureReason"]
    assert "the S3 server does not answer" in job["FailureReason"]


# --- --engine -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("engine", "kind"), [("process", "images"), ("docker", "program directories")])
def test_image_of_the_excluded_engine_is_refused_at_creation(
    site: Site, program: Callable[[str], str], engine: str, kind: str
) -> None:
    site.up(f"--engine={engine}")
    bucket = new_bucket(site.client("s3"))
    image = "iris:latest" if engine == "process" else program(COPY)

    with pytest.raises(ClientError) as caught:
        site.create("refused", image, bucket, InputDataConfig=None)

    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert f"this platform runs no {kind}" in str(caught.value)
    assert f"--engine {engine}" in str(caught.value)
    assert site.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_engine_of_processes_runs_program_directories(site: Site, program: Callable[[str], str]) -> None:
    site.up("--engine=process")
    bucket = new_bucket(site.client("s3"))
    site.create("program", program("#!/bin/sh\necho trained\n"), bucket, InputDataConfig=None)

    assert site.wait("program")["TrainingJobStatus"] == "Completed"

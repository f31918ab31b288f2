"""The platform as a user meets it: ``seatrial up``, boto3, a program directory, ``seatrial down``."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.platform.site import LOG_GROUP, Site, create, wait, wait_for_log

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TRAIN = """#!/bin/sh
echo "epoch 1 loss=0.5"
echo "epoch 2 loss=0.25"
cp /opt/ml/input/data/training/deep/iris.csv /opt/ml/model/
echo plot > /opt/ml/output/data/plot
"""


def test_training_job_from_upload_to_model_and_log(site: Site, program: Callable[[str], str]) -> None:
    s3 = site.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="data/deep/iris.csv", Body=b"setosa,1,2,3,4\n")
    s3.put_object(Bucket="bucket", Key="data/", Body=b"")
    create(
        site,
        "first",
        program(TRAIN),
        AlgorithmSpecification={
            "TrainingImage": program(TRAIN),
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        },
        InputDataConfig=[
            {
                "ChannelName": "training",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/data"}},
            }
        ],
        HyperParameters={"depth": "3"},
        Tags=[{"Key": "team", "Value": "trees"}],
    )
    job = wait(site, "first")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    statuses = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(one["EndTime"] >= one["StartTime"] for one in job["SecondaryStatusTransitions"])
    assert [(one["MetricName"], one["Value"]) for one in job["FinalMetricDataList"]] == [("loss", 0.25)]
    assert job["HyperParameters"] == {"depth": "3"}
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/first/output/model.tar.gz"
    assert s3.head_object(Bucket="bucket", Key="out/first/output/model.tar.gz")["ContentLength"] > 0
    assert s3.head_object(Bucket="bucket", Key="out/first/output/output.tar.gz")["ContentLength"] > 0
    logs = site.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix="first/")["logStreams"]
    events = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"])["events"]
    assert [event["message"] for event in events] == ["epoch 1 loss=0.5", "epoch 2 loss=0.25"]
    tags = site.client("sagemaker").list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "trees"}]
    deadline = time.monotonic() + 30
    while any((site.home / "jobs").iterdir()):  # it goes after the end was written
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_waiter_learns_of_the_end_at_once(site: Site, program: Callable[[str], str]) -> None:
    create(site, "waited", program("#!/bin/sh\nsleep 1\n"))
    job = wait(site, "waited")

    assert time.time() - job["TrainingEndTime"].timestamp() < 10  # botocore alone would look again after 120


def test_failing_job_tells_the_reason_and_keeps_the_model(site: Site, program: Callable[[str], str]) -> None:
    create(
        site,
        "failing",
        program("#!/bin/sh\necho half > /opt/ml/model/m\nprintf 'no such column' > /opt/ml/output/failure\nexit 3\n"),
    )
    job = wait(site, "failing")

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: no such column, exit code: 3"
    assert site.client("s3").head_object(Bucket="bucket", Key="out/failing/output/model.tar.gz")


def test_stop_reaches_the_program_and_describe_says_so(site: Site, program: Callable[[str], str]) -> None:
    create(
        site,
        "stopped",
        program(
            "#!/bin/sh\ntrap 'echo saved > /opt/ml/model/m; exit 0' TERM\necho ready\nwhile :; do sleep 0.05; done\n"
        ),
    )
    wait_for_log(site, "stopped", "ready")  # a shell without its trap, as a first process, does not hear SIGTERM
    sagemaker = site.client("sagemaker")
    sagemaker.stop_training_job(TrainingJobName="stopped")
    assert sagemaker.describe_training_job(TrainingJobName="stopped")["TrainingJobStatus"] in {"Stopping", "Stopped"}
    job = wait(site, "stopped")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert site.client("s3").head_object(Bucket="bucket", Key="out/stopped/output/model.tar.gz")


def test_model_that_is_not_compressed_comes_file_by_file(site: Site, program: Callable[[str], str]) -> None:
    lines = (
        "mkdir -p /opt/ml/model/a && echo 1 > /opt/ml/model/a/x && ln -s a/x /opt/ml/model/y && mkdir /opt/ml/model/e"
    )
    create(
        site,
        "plain",
        program(f"#!/bin/sh\n{lines}\n"),
        OutputDataConfig={"S3OutputPath": "s3://bucket/out", "CompressionType": "NONE"},
    )
    job = wait(site, "plain")

    assert job["TrainingJobStatus"] == "Completed", job
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/plain/output/model"
    s3 = site.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="bucket", Prefix="out/plain/")["Contents"]]
    assert keys == ["out/plain/output/model/a/x", "out/plain/output/model/y"]
    assert s3.get_object(Bucket="bucket", Key=keys[1])["Body"].read() == b"1\n"


def test_update_changes_what_describe_tells_while_the_job_runs(site: Site, program: Callable[[str], str]) -> None:
    create(
        site,
        "updated",
        program("#!/bin/sh\necho ready\nwhile [ ! -e /opt/ml/input/data/go ]; do sleep 0.05; done\n"),
        ProfilerConfig={"S3OutputPath": "s3://bucket/p", "ProfilingIntervalInMilliseconds": 500},
    )
    wait_for_log(site, "updated", "ready")
    sagemaker = site.client("sagemaker")
    sagemaker.update_training_job(TrainingJobName="updated", ProfilerConfig={"DisableProfiler": True})
    assert sagemaker.describe_training_job(TrainingJobName="updated")["ProfilerConfig"] == {
        "S3OutputPath": "s3://bucket/p",
        "ProfilingIntervalInMilliseconds": 500,
        "DisableProfiler": True,
    }
    with pytest.raises(ClientError, match="KeepAlivePeriodInSeconds"):
        sagemaker.update_training_job(TrainingJobName="updated", ResourceConfig={"KeepAlivePeriodInSeconds": 60})
    with pytest.raises(ClientError, match="the request cannot be empty"):
        sagemaker.update_training_job(TrainingJobName="updated")
    (site.home / "jobs" / "updated" / "ml" / "input" / "data" / "go").touch()
    wait(site, "updated")
    with pytest.raises(ClientError, match="in status Completed"):
        sagemaker.update_training_job(TrainingJobName="updated", ProfilerConfig={"DisableProfiler": True})


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}}, "InstanceCount"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds. It must be present"),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}},
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true",
        ),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 1},
            },
            "greater than or equal to MaxRuntimeInSeconds",
        ),
        ({"CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/model/c"}}, "reserved path"),
        ({"CheckpointConfig": {"S3Uri": "s3://bucket-that-is-not-there/c"}}, "of CheckpointConfig does not exist"),
        (
            {
                "InputDataConfig": [
                    {
                        "ChannelName": "training",
                        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/none"}},
                    }
                ]
            },
            "No S3 objects found under S3 URL",
        ),
        ({"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/out"}}, "no-such-bucket"),
        ({"RoleArn": "arn:aws:iam::1:role/too-short"}, "'roleArn' failed to satisfy constraint"),
        ({"TrainingJobName": "under_score"}, "'trainingJobName' failed to satisfy constraint"),
    ],
)
def test_what_is_not_emulated_or_wrong_is_refused(
    site: Site, program: Callable[[str], str], members: dict[str, Any], text: str
) -> None:
    with pytest.raises(ClientError) as caught:
        create(site, "refused", program(TRAIN), **members)

    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert text in caught.value.response["Error"]["Message"]
    assert site.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []


def test_channel_may_be_files_of_this_machine(site: Site, program: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a b.csv").write_text("1")
    source = {"S3DataType": "S3Prefix", "S3Uri": (tmp_path / "data").as_uri()}
    channels = [{"ChannelName": "training", "DataSource": {"S3DataSource": source}}]
    copy = program("#!/bin/sh\ncp /opt/ml/input/data/training/* /opt/ml/model/ && rm /opt/ml/input/data/training/*\n")
    create(site, "local", copy, InputDataConfig=channels)

    assert wait(site, "local")["TrainingJobStatus"] == "Completed"
    assert (tmp_path / "data" / "a b.csv").exists()
    source["S3Uri"] = "file:///no/such/directory"
    with pytest.raises(ClientError, match="not there"):
        create(site, "missing", copy, InputDataConfig=channels)


def test_program_that_is_not_there_ends_as_on_the_service(site: Site, program: Callable[[str], str]) -> None:
    algorithm = {
        "TrainingImage": program("#!/bin/sh\n"), "TrainingInputMode": "File", "ContainerEntrypoint": ["/no/such"],
    }  # fmt: skip
    create(site, "none", "", AlgorithmSpecification=algorithm)

    assert wait(site, "none")["FailureReason"] == "AlgorithmError: , exit code: 127"
    wait_for_log(site, "none", "there is no program '/no/such'")


def test_regex_of_a_metric_that_runs_for_ever_holds_nobody_up(site: Site, program: Callable[[str], str]) -> None:
    algorithm = {
        "TrainingImage": program("#!/bin/sh\nfor i in 1 2 3; do printf 'loss: 1 acc: 2 %.0s' $(seq 400); echo; done\n"),
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "slow", "Regex": ".*loss: (.*?) .*acc: (.*?) .*val: ([0-9.]+)"}],
    }
    create(site, "slow", "", AlgorithmSpecification=algorithm)

    assert wait(site, "slow")["TrainingJobStatus"] == "Completed"


def test_unknown_image_is_refused_with_the_reason(site: Site) -> None:
    with pytest.raises(ClientError, match="no/such/program"):
        create(site, "refused", "file:///no/such/program")


def test_restart_keeps_jobs_logs_tags_and_objects(site: Site, program: Callable[[str], str]) -> None:
    create(site, "done", program("#!/bin/sh\necho line\n"), Tags=[{"Key": "k", "Value": "v"}])
    done = wait(site, "done")
    site.kill()
    site.up()

    sagemaker = site.client("sagemaker")
    assert sagemaker.describe_training_job(TrainingJobName="done")["TrainingEndTime"] == done["TrainingEndTime"]
    assert sagemaker.list_tags(ResourceArn=done["TrainingJobArn"])["Tags"] == [{"Key": "k", "Value": "v"}]
    assert site.client("logs").describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix="done/")["logStreams"]
    assert [one["Name"] for one in site.client("s3").list_buckets()["Buckets"]] == ["bucket"]


def test_second_platform_in_the_same_home_is_refused(site: Site) -> None:
    again = site.command("up", "-d", "--port=0")

    assert again.returncode == 2
    assert "error[home-taken]" in again.stderr


def test_web_page_gets_no_answer(site: Site) -> None:
    import urllib3

    with urllib3.PoolManager() as pool:
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            answer = pool.request(
                "POST", site.url, headers={"X-Amz-Target": "SageMaker.ListTrainingJobs", **headers}, body=b"{}"
            )
            assert answer.status == 403

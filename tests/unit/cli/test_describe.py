"""``seatrial describe``: a page from any job that the API may answer with."""

import datetime
from typing import Any

from seatrial.cli._page import Page
from seatrial.cli.describe import describe

NOW = datetime.datetime(2026, 11, 23, 14, 22, 5, tzinfo=datetime.timezone.utc)


def job(**members: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "voyage",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:000000000000:training-job/voyage",
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Training",
        "CreationTime": NOW - datetime.timedelta(seconds=200),
        "LastModifiedTime": NOW,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/voyage/output/model.tar.gz"},
        "AlgorithmSpecification": {"TrainingImage": "image"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket"},
        "SecondaryStatusTransitions": [
            {"Status": "Training", "StartTime": NOW - datetime.timedelta(seconds=30), "StatusMessage": "under way"}
        ],
        **members,
    }


def shown(**members: Any) -> str:
    page = Page()
    describe(page, job(**members), NOW)
    return page.text()


def test_running_job_shows_its_phase_so_far_and_no_model() -> None:
    text = shown()

    assert "InProgress (Training)" in text
    assert "Duration so far    3m 20s" in text
    assert "30 s  under way" in text
    assert "model.tar.gz" not in text


def test_ended_job_shows_what_became_of_it() -> None:
    text = shown(
        TrainingJobStatus="Completed",
        SecondaryStatus="Completed",
        TrainingEndTime=NOW,
        FinalMetricDataList=[{"MetricName": "loss", "Value": 0.25, "Timestamp": NOW}],
        HyperParameters={"depth": "5"},
        InputDataConfig=[
            {"ChannelName": "disk", "DataSource": {"FileSystemDataSource": {"DirectoryPath": "/lustre"}}},
            {"ChannelName": "odd", "DataSource": {}},
        ],
    )

    assert "s3://bucket/voyage/output/model.tar.gz" in text
    assert "loss  0.25" in text
    assert "depth  5" in text
    assert "/lustre" in text

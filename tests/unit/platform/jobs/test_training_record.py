"""A training job's document: phases, times, what Describe says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.statuses import TRAINING_TRANSITIONS, SecondaryStatus
from seatrial.core.errors import InternalError
from seatrial.platform.jobs import training_record as record
from seatrial.platform.store.resources import Resource

S = SecondaryStatus
REQUEST = {
    "TrainingJobName": "a",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
    "RoleArn": "arn",
    "Tags": [{"Key": "k", "Value": "v"}],
}


def new_job() -> Resource:
    return record.new_training_job("a", "arn:a", REQUEST, 100.0)


def test_new_job_is_starting_and_names_its_model_already() -> None:
    described = record.describe(new_job())

    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("InProgress", "Starting")
    assert described["ModelArtifacts"] == {"S3ModelArtifacts": "s3://bucket/out/a/output/model.tar.gz"}
    assert described["CreationTime"] == 100.0
    assert "Tags" not in described
    assert not {"TrainingStartTime", "TrainingEndTime", "FailureReason", "TrainingTimeInSeconds"} & set(described)


def test_output_names_its_key_also_where_none_was_sent() -> None:
    """AWS answers with an empty text, and SDK v2's ``Estimator.attach`` reads it."""
    assert record.describe(new_job())["OutputDataConfig"] == {"S3OutputPath": "s3://bucket/out/", "KmsKeyId": ""}


def test_enter_ends_the_phase_before_and_the_last_one_itself() -> None:
    job = new_job()
    for now, phase in enumerate((S.DOWNLOADING, S.TRAINING, S.UPLOADING, S.COMPLETED), 101):
        job = record.enter(job, phase, float(now))
    described = record.describe(job)

    assert [(one["StartTime"], one["EndTime"]) for one in described["SecondaryStatusTransitions"]] == [
        (100.0, 101.0), (101.0, 102.0), (102.0, 103.0), (103.0, 104.0), (104.0, 104.0),
    ]  # fmt: skip
    assert (described["TrainingStartTime"], described["TrainingEndTime"]) == (101.0, 104.0)
    assert described["TrainingTimeInSeconds"] == described["BillableTimeInSeconds"] == 3
    assert record.summarise(job)["TrainingEndTime"] == 104.0


def test_enter_the_same_phase_replaces_its_message_only() -> None:
    job = record.enter(new_job(), S.STARTING, 101.0, "Preparing the instances for training")

    (transition,) = record.describe(job)["SecondaryStatusTransitions"]
    assert transition["StatusMessage"] == "Preparing the instances for training"
    assert transition["StartTime"] == 100.0


@given(st.lists(st.sampled_from(S), max_size=12))
def test_enter_follows_the_table_and_nothing_else(phases: list[SecondaryStatus]) -> None:
    job = new_job()
    for phase in phases:
        last = record.secondary_status(job)
        if phase is last or phase in TRAINING_TRANSITIONS[last]:
            job = record.enter(job, phase, 101.0)
            assert record.secondary_status(job) is phase
        else:
            with pytest.raises(InternalError):
                record.enter(job, phase, 101.0)

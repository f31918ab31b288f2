from __future__ import annotations

from pathlib import Path

from seatrial.contract.environment import opt_ml_from, training_environment


def test_training_environment_wins_over_the_request_where_they_clash() -> None:
    variables = training_environment("job-1", "arn:job-1", "eu-west-1", {"TRAINING_JOB_NAME": "mine", "WORKERS": "4"})

    assert variables == {
        "WORKERS": "4",
        "TRAINING_JOB_NAME": "job-1",
        "TRAINING_JOB_ARN": "arn:job-1",
        "AWS_REGION": "eu-west-1",
        "SAGEMAKER_METRICS_DIRECTORY": "/opt/ml/output/metrics/sagemaker",
    }


def test_opt_ml_from_base_dir_is_moved_there() -> None:
    assert opt_ml_from({"SAGEMAKER_BASE_DIR": "/data/ml"}).model_dir == Path("/data/ml/model")
    assert opt_ml_from({}).model_dir == Path("/opt/ml/model")
    assert opt_ml_from({"SAGEMAKER_BASE_DIR": ""}).model_dir == Path("/opt/ml/model")

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.contract.environment import check_training_environment, opt_ml_from, training_environment
from seatrial.core.errors import ContractError


def test_training_environment_wins_over_the_request_where_they_clash() -> None:
    variables = training_environment("job-1", "arn:job-1", "eu-west-1", {"TRAINING_JOB_NAME": "mine", "WORKERS": "4"})

    assert variables == {
        "WORKERS": "4",
        "TRAINING_JOB_NAME": "job-1",
        "TRAINING_JOB_ARN": "arn:job-1",
        "AWS_REGION": "eu-west-1",
        "SAGEMAKER_METRICS_DIRECTORY": "/opt/ml/output/metrics/sagemaker",
    }


def test_check_training_environment_at_the_limits_passes() -> None:
    check_training_environment({f"K{number}": "v" * 512 for number in range(99)} | {"K" * 512: ""})


def test_check_training_environment_over_the_limits_names_every_problem() -> None:
    environment = {"1st": "x", "LONG": "v" * 513, "K" * 513: ""} | {f"N{number}": "" for number in range(98)}

    with pytest.raises(ContractError) as caught:
        check_training_environment(environment)

    assert caught.value.code == "environment-over-limit"
    for part in ("101 entries", "'1st'", "'LONG' has 513", "KKK..."):
        assert part in str(caught.value.found)


def test_opt_ml_from_base_dir_is_moved_there() -> None:
    assert opt_ml_from({"SAGEMAKER_BASE_DIR": "/data/ml"}).model_dir == Path("/data/ml/model")
    assert opt_ml_from({}).model_dir == Path("/opt/ml/model")
    assert opt_ml_from({"SAGEMAKER_BASE_DIR": ""}).model_dir == Path("/opt/ml/model")

"""The environment of a training container; the toolkit's own output is the oracle for a user's script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.environment import (
    ScriptContext,
    check_training_environment,
    opt_ml_from,
    script_arguments,
    script_environment,
    training_environment,
    user_hyperparameters,
)
from seatrial.contract.layout import OptMl
from seatrial.core.errors import ContractError

RECORDED = json.loads((Path(__file__).parent / "fixtures" / "training_toolkit.json").read_text())
CASES = [pytest.param(case, id=case["name"]) for case in RECORDED["cases"]]
NOT_OURS = {"PYTHONPATH", "SAGEMAKER_BASE_DIR"}  # the runtime's part, not the contract's


def context_of(case: dict[str, Any]) -> ScriptContext:
    return ScriptContext(
        hyperparameters=case["hyperparameters"],
        input_data_config=case["inputdataconfig"],
        resource_config=case["resourceconfig"],
        user_entry_point=case["environment"]["SM_USER_ENTRY_POINT"],
        cpu_count=int(case["environment"]["SM_NUM_CPUS"]),
        opt_ml=OptMl(Path("{root}")),
        job_name="job-1",
    )


@pytest.mark.parametrize("case", CASES)
def test_script_environment_is_what_the_toolkit_writes(case: dict[str, Any]) -> None:
    expected = {name: value for name, value in case["environment"].items() if name not in NOT_OURS}

    assert script_environment(context_of(case)) == expected


@pytest.mark.parametrize("case", CASES)
def test_script_arguments_are_what_the_toolkit_passes(case: dict[str, Any]) -> None:
    assert script_arguments(user_hyperparameters(case["hyperparameters"])) == case["argv"]


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=6))
def test_script_environment_of_any_hyperparameters_is_text(hyperparameters: dict[str, str]) -> None:
    context = ScriptContext(
        hyperparameters=hyperparameters,
        input_data_config={},
        resource_config={"current_host": "algo-1", "hosts": ["algo-1"]},
        user_entry_point="train.py",
        cpu_count=1,
    )

    variables = script_environment(context)

    assert all(isinstance(value, str) for value in variables.values())
    assert json.loads(variables["SM_USER_ARGS"]) == script_arguments(user_hyperparameters(hyperparameters))


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

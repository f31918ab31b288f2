"""What a user's script is given; AWS's toolkit's own output is the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.environment import user_hyperparameters
from seatrial.contract.layout import OptMl
from seatrial.contract.script_environment import ScriptContext, script_arguments, script_environment

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

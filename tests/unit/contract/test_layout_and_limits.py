from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from seatrial.contract import limits
from seatrial.contract.layout import OptMl

PATHS = {
    "hyperparameters_file": "input/config/hyperparameters.json",
    "input_data_config_file": "input/config/inputdataconfig.json",
    "resource_config_file": "input/config/resourceconfig.json",
    "misspelt_resource_config_file": "input/config/resourceConfig.json",
    "checkpoint_config_file": "input/config/checkpointconfig.json",
    "input_dir": "input",
    "input_config_dir": "input/config",
    "input_data_dir": "input/data",
    "model_dir": "model",
    "models_dir": "models",
    "output_dir": "output",
    "output_data_dir": "output/data",
    "output_intermediate_dir": "output/intermediate",
    "failure_file": "output/failure",
    "success_file": "output/success",
    "metrics_dir": "output/metrics/sagemaker",
    "checkpoint_dir": "checkpoints",
    "code_dir": "code",
    "model_code_dir": "model/code",
}


@pytest.mark.parametrize("root", [Path("/opt/ml"), Path("/elsewhere")])
def test_every_path_lies_below_the_root(root: Path) -> None:
    opt_ml = OptMl(root)

    assert {name: getattr(opt_ml, name) for name in PATHS} == {name: root / path for name, path in PATHS.items()}


def test_every_path_is_listed_here() -> None:
    assert set(PATHS) == {name for name, member in vars(OptMl).items() if isinstance(member, property)}


def test_channel_paths_are_a_directory_and_a_fifo_an_epoch() -> None:
    assert OptMl().channel_dir("training") == Path("/opt/ml/input/data/training")
    assert OptMl().channel_fifo("training", 3) == Path("/opt/ml/input/data/training_3")


def test_every_limit_cites_its_section() -> None:
    source = inspect.getsource(limits)
    names = [name for name in vars(limits) if name.isupper()]

    assert names
    for name in names:
        docstring = source.partition(f"\n{name} = ")[2].partition('"""')[2].partition('"""')[0]
        assert "§" in docstring, name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAINING_STOP_GRACE_SECONDS", 120),
        ("HOSTING_STOP_GRACE_SECONDS", 30),
        ("FAILURE_REASON_MAX_CHARACTERS", 1024),
        ("HYPERPARAMETERS_MAX_COUNT", 100),
        ("HYPERPARAMETER_KEY_MAX_CHARACTERS", 256),
        ("HYPERPARAMETER_VALUE_MAX_CHARACTERS", 2500),
        ("CHANNELS_MAX_COUNT", 20),
        ("MAX_RUNTIME_DEFAULT_SECONDS", 24 * 3600),
        ("MAX_RUNTIME_MAX_SECONDS", 28 * 24 * 3600),
        ("SERVING_PORT", 8080),
        ("INVOCATION_TIMEOUT_SECONDS", 60),
    ],
)
def test_limits_have_the_contract_s_numbers(name: str, value: float) -> None:
    assert getattr(limits, name) == value

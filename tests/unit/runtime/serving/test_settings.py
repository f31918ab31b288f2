from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.serving import BatchStrategy
from seatrial.core.errors import ConfigError
from seatrial.runtime.serving.cpus import available_cpu_count, default_thread_counts
from seatrial.runtime.serving.settings import Settings, read_settings

MIB = 1024 * 1024


def read(**environment: str) -> Settings:
    return read_settings(environment, cpu_count=4)


def test_read_settings_of_an_empty_environment_gives_the_contract_defaults() -> None:
    settings = read()
    assert settings.port == 8080
    assert settings.bind_address == "0.0.0.0"
    assert settings.worker_count == 4
    assert settings.timeout_seconds == 60
    assert settings.max_body_bytes == 100 * MIB
    assert settings.default_accept == "application/json"
    assert settings.program_name == "inference.py"
    assert settings.opt_ml.model_dir == Path("/opt/ml/model")
    assert settings.execution_parameters.max_concurrent_transforms == 4
    assert settings.execution_parameters.max_payload_mb == 6


def test_read_settings_prefers_the_toolkits_name_to_the_classic_one() -> None:
    settings = read(
        MODEL_SERVER_WORKERS="2",
        SAGEMAKER_MODEL_SERVER_WORKERS="3",
        MODEL_SERVER_TIMEOUT="10",
        SAGEMAKER_MODEL_SERVER_TIMEOUT="20",
        SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS="30.5",
    )
    assert (settings.worker_count, settings.timeout_seconds) == (3, 30.5)


def test_read_settings_takes_the_classic_names_alone() -> None:
    settings = read(MODEL_SERVER_WORKERS="2", MODEL_SERVER_TIMEOUT="10")
    assert (settings.worker_count, settings.timeout_seconds) == (2, 10)


def test_read_settings_takes_an_empty_variable_as_not_set() -> None:
    assert read(SAGEMAKER_BIND_TO_PORT="", SAGEMAKER_MODEL_SERVER_WORKERS=" ").port == 8080


@pytest.mark.parametrize(("text", "level"), [("10", 10), ("debug", logging.DEBUG), ("WARNING", logging.WARNING)])
def test_read_settings_takes_a_log_level_as_number_or_name(text: str, level: Any) -> None:
    assert read(SAGEMAKER_CONTAINER_LOG_LEVEL=text).log_level == level


@pytest.mark.parametrize(("text", "limit"), [("6", 6 * MIB), ("0", None)])
def test_read_settings_takes_the_platforms_payload_as_body_limit(text: str, limit: Any) -> None:
    """MaxPayloadInMB 0 streams without limit (contract.md §3.2)."""
    assert read(SAGEMAKER_MAX_PAYLOAD_IN_MB=text).max_body_bytes == limit


def test_read_settings_keeps_concurrency_times_payload_within_100_mb() -> None:
    """contract.md §3.2."""
    parameters = read(SAGEMAKER_MODEL_SERVER_WORKERS="16", SAGEMAKER_MAX_PAYLOAD_IN_MB="20").execution_parameters
    assert parameters.max_concurrent_transforms * parameters.max_payload_mb == 100


def test_read_settings_tells_the_platforms_own_transform_values() -> None:
    parameters = read(SAGEMAKER_MAX_CONCURRENT_TRANSFORMS="7", SAGEMAKER_BATCH_STRATEGY="SingleRecord")
    assert parameters.execution_parameters.max_concurrent_transforms == 7
    assert parameters.execution_parameters.batch_strategy is BatchStrategy.SINGLE_RECORD


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http"),
        ("SAGEMAKER_BIND_TO_PORT", "0"),
        ("SAGEMAKER_BIND_TO_PORT", "65536"),
        ("MODEL_SERVER_WORKERS", "0"),
        ("MODEL_SERVER_WORKERS", "1.5"),
        ("MODEL_SERVER_WORKERS", "²"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "-1"),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "nan"),
        ("SAGEMAKER_STARTUP_TIMEOUT", "inf"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "six"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "loud"),
        ("SAGEMAKER_BATCH_STRATEGY", "Both"),
        ("SEATRIAL_PRELOAD_MODEL", "maybe"),
    ],
)
def test_read_settings_of_a_value_that_cannot_be_read_names_variable_value_and_expectation(
    name: str, text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**{name: text})
    assert caught.value.code == "environment-variable-invalid"
    assert caught.value.where == name
    assert text in (caught.value.found or "")
    assert caught.value.expected


@given(st.dictionaries(st.sampled_from(["SAGEMAKER_BIND_TO_PORT", "MODEL_SERVER_TIMEOUT"]), st.text(max_size=8)))
def test_read_settings_of_any_text_raises_nothing_but_config_error(environment: dict[str, str]) -> None:
    with contextlib.suppress(ConfigError):
        read_settings(environment, cpu_count=1)


@pytest.mark.parametrize(
    ("quota", "most"), [("50000 100000", 1), ("100000 100000", 1), ("max 100000", 10**6), ("?", 10**6)]
)
def test_available_cpu_count_respects_the_control_groups_quota(tmp_path: Path, quota: Any, most: Any) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert 1 <= available_cpu_count(file) <= most


def test_default_thread_counts_share_the_cpus_among_the_workers() -> None:
    assert default_thread_counts(8, 2)["OMP_NUM_THREADS"] == "4"
    assert default_thread_counts(2, 8)["OPENBLAS_NUM_THREADS"] == "1"


def test_read_settings_refuses_multi_model_mode_instead_of_serving_one_model() -> None:
    with pytest.raises(ConfigError) as caught:
        read(SAGEMAKER_MULTI_MODEL="true")
    assert caught.value.code == "multi-model-not-supported"

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.serving import (
    BatchStrategy,
    ExecutionParameters,
    parse_batch_strategy,
    parse_execution_parameters,
    render_execution_parameters,
)
from seatrial.core.errors import ContractError


def test_render_execution_parameters_gives_the_documented_text() -> None:
    """contract.md §3.1."""
    parameters = ExecutionParameters(max_concurrent_transforms=8)
    assert render_execution_parameters(parameters) == (
        b'{"MaxConcurrentTransforms":8,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":6}'
    )


@given(st.integers(0, 10_000), st.sampled_from(BatchStrategy), st.integers(0, 100))
def test_parse_execution_parameters_of_a_rendered_answer_gives_it_back(
    concurrency: Any, strategy: Any, payload: Any
) -> None:
    parameters = ExecutionParameters(
        max_concurrent_transforms=concurrency, batch_strategy=strategy, max_payload_mb=payload
    )
    assert parse_execution_parameters(render_execution_parameters(parameters)) == parameters


def test_parse_execution_parameters_with_missing_and_unknown_keys_takes_the_platform_defaults() -> None:
    parameters = parse_execution_parameters(b'{"MaxPayloadInMB": 2, "Other": []}')
    assert parameters == ExecutionParameters(max_concurrent_transforms=1, max_payload_mb=2)


@pytest.mark.parametrize("spelling", ["SINGLE_RECORD", "SingleRecord", "single_record"])
def test_parse_batch_strategy_takes_the_spelling_of_container_and_api(spelling: str) -> None:
    assert parse_batch_strategy(spelling) is BatchStrategy.SINGLE_RECORD


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"MaxPayloadInMB": -1}',
        b'{"MaxPayloadInMB": "6"}',
        b'{"MaxConcurrentTransforms": true}',
        b'{"BatchStrategy": "Both"}',
        b'{"BatchStrategy": 1}',
    ],
)
def test_parse_execution_parameters_that_cannot_be_used_raises_contract_error(body: bytes) -> None:
    with pytest.raises(ContractError) as caught:
        parse_execution_parameters(body)
    assert caught.value.code == "execution-parameters-invalid"


@given(st.binary(max_size=64))
def test_parse_execution_parameters_of_any_bytes_raises_nothing_but_contract_error(body: bytes) -> None:
    with contextlib.suppress(ContractError):
        parse_execution_parameters(body)

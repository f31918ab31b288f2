"""Whatever stands in a configuration file or a RecordIO stream: a value or a ``ContractError``, within a deadline.

``SEATRIAL_FUZZ_EXAMPLES`` sets the number of examples a test (20,000 for a long run).
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.contract import recordio, training
from seatrial.core.errors import ContractError

EXAMPLES = int(os.environ.get("SEATRIAL_FUZZ_EXAMPLES", "100"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=2_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

PARSERS: list[Callable[[bytes], Any]] = [
    training.parse_hyperparameters,
    training.parse_input_data_config,
    training.parse_resource_config,
    training.parse_checkpoint_config,
]
RENDERERS: dict[Callable[[bytes], Any], Callable[[Any], bytes]] = {
    training.parse_hyperparameters: training.render_hyperparameters,
    training.parse_input_data_config: training.render_input_data_config,
    training.parse_resource_config: training.render_resource_config,
    training.parse_checkpoint_config: training.render_checkpoint_config,
}
parsers = st.sampled_from(PARSERS)

_NAMES = [
    "TrainingInputMode",
    "S3DistributionType",
    "RecordWrapperType",
    "ContentType",
    "current_host",
    "hosts",
    "current_instance_type",
    "current_group_name",
    "instance_groups",
    "instance_group_name",
    "instance_type",
    "network_interface_name",
    "topology",
    "LocalPath",
    "S3Uri",
]
_VALUES = ["File", "Pipe", "FastFile", "FullyReplicated", "RecordIO", "None", "algo-1", "eth0", "/opt/ml/checkpoints"]
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(_VALUES),
    st.text(max_size=6),
    st.text(alphabet=st.characters(categories=["Cs"]), max_size=2),
)
_keys = st.sampled_from(_NAMES) | st.text(max_size=6)
values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=25,
)


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


_TOKENS = [
    *'{}[],:"\\\n',
    '"hosts"',
    '"current_host"',
    '"algo-1"',
    "1",
    "1e999",
    "NaN",
    "null",
    "[[",
    "{" * 3,
    '"\\ud800"',
]
bodies = st.one_of(
    st.dictionaries(_keys, values, max_size=6).map(_dumps),
    values.map(_dumps),
    st.dictionaries(_keys, values, max_size=4).map(_dumps).map(lambda body: body[:-1]),
    st.text(max_size=20).map(lambda text: text.encode("utf-16", "surrogatepass")),
    st.lists(st.sampled_from(_TOKENS)).map(lambda tokens: "".join(tokens).encode()),
    st.binary(max_size=100),
    st.sampled_from(
        [
            b"[" * 200_000,
            b'{"a":' * 200_000,
            b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
            b"\xef\xbb\xbf{}",
            b'{"a": ' + b"9" * 5_000 + b"}",
        ]
    ),
)


def _checked(error: ContractError, max_characters: int = 1_024) -> None:
    sentence = error.sentence()
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert len(sentence) < max_characters


@fuzz
@given(parse=parsers, body=bodies)
def test_parse_any_config_file_gives_a_value_or_a_contract_error(parse: Callable[[bytes], Any], body: bytes) -> None:
    try:
        value = parse(body)
    except ContractError as error:
        _checked(error)
        return
    assert parse(RENDERERS[parse](value)) == value


@fuzz
@given(body=bodies)
def test_check_any_hyperparameters_gives_nothing_or_a_contract_error(body: bytes) -> None:
    try:
        hyperparameters = training.parse_hyperparameters(body)
        for text in hyperparameters.values():
            training.decode_hyperparameter(text)
        training.check_hyperparameters(hyperparameters)
    except ContractError as error:
        _checked(error, max_characters=100_000)


@fuzz
@given(text=st.text() | bodies.map(lambda body: body.decode("utf-8", "replace")))
def test_decode_any_hyperparameter_gives_a_value(text: str) -> None:
    training.decode_hyperparameter(text)


class _Dribble(io.RawIOBase):
    """A pipe that hands over as little as it likes."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes, self._turn = data, sizes or [1], 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(self._sizes[self._turn % len(self._sizes)], len(buffer), len(self._data))
        self._turn += 1
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size


_frames = st.builds(
    lambda flag, length, payload, magic: magic + (flag << 29 | length).to_bytes(4, "little") + payload,
    st.integers(0, 7),
    st.integers(0, 12) | st.just(2**29 - 1),
    st.binary(max_size=12),
    st.just(recordio.MAGIC_BYTES) | st.binary(min_size=4, max_size=4),
)
_streams = st.one_of(
    st.lists(_frames, max_size=5).map(b"".join),
    st.lists(st.binary(max_size=9).map(recordio.encode_record), max_size=4).map(b"".join),
    st.lists(st.just(recordio.MAGIC_BYTES) | st.binary(max_size=6))
    .map(b"".join)
    .map(lambda data: recordio.encode_record(data, is_splittable=True)),
    st.binary(max_size=60),
)


def _records(data: bytes, sizes: list[int] | None) -> tuple[list[bytes], str]:
    records: list[bytes] = []
    source = (
        recordio.iter_records(data)
        if sizes is None
        else recordio.read_records(io.BufferedReader(_Dribble(data, sizes)))
    )
    try:
        records.extend(source)
    except ContractError as error:
        _checked(error)
        return records, error.sentence()
    return records, ""


@fuzz
@given(data=_streams, sizes=st.lists(st.integers(1, 9), max_size=4))
def test_read_any_recordio_gives_records_or_a_contract_error(data: bytes, sizes: list[int]) -> None:
    """However the stream is cut into reads, the records before a fault are handed over."""
    records, fault = _records(data, None)
    assert sum(map(len, records)) <= len(data) + 4 * len(records)
    dribbled, dribbled_fault = _records(data, sizes)
    assert dribbled == records
    assert bool(dribbled_fault) == bool(fault)


@fuzz
@given(payloads=st.lists(st.binary(max_size=40) | st.lists(st.just(recordio.MAGIC_BYTES)).map(b"".join), max_size=5))
def test_read_what_was_written_gives_it_back(payloads: list[bytes]) -> None:
    for is_splittable in (False, True):
        data = b"".join(recordio.encode_record(payload, is_splittable=is_splittable) for payload in payloads)
        assert list(recordio.iter_records(data)) == payloads

"""The configuration files: exact on the way out, tolerant on the way in, and an error for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seatrial.contract.layout import OptMl
from seatrial.contract.training import (
    ChannelConfig,
    CheckpointConfig,
    InputMode,
    InstanceGroup,
    RecordWrapperType,
    ResourceConfig,
    S3DistributionType,
    check_hyperparameters,
    decode_hyperparameter,
    parse_checkpoint_config,
    parse_hyperparameters,
    parse_input_data_config,
    parse_resource_config,
    read_checkpoint_config,
    read_hyperparameters,
    read_input_data_config,
    read_resource_config,
    render_checkpoint_config,
    render_hyperparameters,
    render_input_data_config,
    render_resource_config,
    write_checkpoint_config,
    write_hyperparameters,
    write_input_data_config,
    write_resource_config,
)
from seatrial.core.errors import ContractError

PARSERS: list[Callable[[bytes], object]] = [
    parse_hyperparameters,
    parse_input_data_config,
    parse_resource_config,
    parse_checkpoint_config,
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
KEYS = st.sampled_from(
    [
        "TrainingInputMode",
        "ContentType",
        "current_host",
        "hosts",
        "instance_groups",
        "topology",
        "network_interface_name",
        "LocalPath",
        "instance_group_name",
    ]
)
CHANNELS = st.builds(
    ChannelConfig,
    training_input_mode=st.sampled_from(InputMode),
    s3_distribution_type=st.sampled_from(S3DistributionType),
    record_wrapper_type=st.sampled_from(RecordWrapperType),
    content_type=st.none() | st.text(max_size=20),
)
HOSTS = st.lists(st.integers(1, 20).map("algo-{}".format), min_size=1, max_size=5, unique=True)
CLUSTERS = st.builds(
    ResourceConfig,
    current_host=st.just("algo-1"),
    hosts=HOSTS.map(lambda hosts: tuple(sorted(hosts))),
    current_instance_type=st.none() | st.just("ml.m5.large"),
    current_group_name=st.none() | st.just("homogeneousCluster"),
    instance_groups=st.lists(
        st.builds(InstanceGroup, instance_group_name=st.text(), instance_type=st.text(), hosts=HOSTS.map(tuple)),
        max_size=2,
    ).map(tuple),
    network_interface_name=st.sampled_from(["eth0", "ethwe"]),
    topology=st.none() | st.just(({"hostName": "algo-1", "capacityUnitId": "u"},)),
)


def test_render_input_data_config_of_one_channel_is_107_bytes() -> None:
    """contract.md §1.3: the byte count of a real listing."""
    assert len(render_input_data_config({"training": ChannelConfig()})) == 107


def test_render_resource_config_of_one_host_is_280_bytes() -> None:
    """contract.md §1.3: the byte count of a real listing."""
    group = InstanceGroup(instance_group_name="homogeneousCluster", instance_type="ml.g4dn.12xlarge", hosts=("algo-1",))
    cluster = ResourceConfig(
        current_host="algo-1",
        current_instance_type="ml.g4dn.12xlarge",
        current_group_name="homogeneousCluster",
        hosts=("algo-1",),
        instance_groups=(group,),
    )

    assert len(render_resource_config(cluster)) == 280


def test_render_hyperparameters_of_none_is_two_bytes() -> None:
    assert render_hyperparameters({}) == b"{}"


def test_render_resource_config_sorts_hosts_as_text_and_leaves_groups_alone() -> None:
    group = InstanceGroup(instance_group_name="g", instance_type="t", hosts=("algo-2", "algo-1"))
    cluster = ResourceConfig(current_host="algo-1", hosts=("algo-2", "algo-10", "algo-1"), instance_groups=(group,))

    document = json.loads(render_resource_config(cluster))

    assert document["hosts"] == ["algo-1", "algo-10", "algo-2"]
    assert document["instance_groups"][0]["hosts"] == ["algo-2", "algo-1"]


def test_render_resource_config_has_the_service_s_key_order() -> None:
    group = InstanceGroup(instance_group_name="g", instance_type="t", hosts=("algo-1",))
    cluster = ResourceConfig(
        current_host="algo-1",
        current_instance_type="t",
        current_group_name="g",
        hosts=("algo-1",),
        instance_groups=(group,),
        topology=({"hostName": "algo-1"},),
    )

    assert list(json.loads(render_resource_config(cluster))) == [
        "current_host",
        "current_instance_type",
        "current_group_name",
        "hosts",
        "instance_groups",
        "network_interface_name",
        "topology",
    ]


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=5))
@example({"half": "\ud800"})
def test_parse_hyperparameters_of_rendered_ones_gives_them_back(value: dict[str, str]) -> None:
    assert parse_hyperparameters(render_hyperparameters(value)) == value


@given(st.dictionaries(st.text(max_size=10), CHANNELS, max_size=4))
def test_parse_input_data_config_of_a_rendered_one_gives_it_back(value: dict[str, ChannelConfig]) -> None:
    assert parse_input_data_config(render_input_data_config(value)) == value


@given(CLUSTERS)
def test_parse_resource_config_of_a_rendered_one_gives_it_back(value: ResourceConfig) -> None:
    assert parse_resource_config(render_resource_config(value)) == value


@given(st.builds(CheckpointConfig, local_path=st.text(min_size=1), s3_uri=st.none() | st.text()))
def test_parse_checkpoint_config_of_a_rendered_one_gives_it_back(value: CheckpointConfig) -> None:
    assert parse_checkpoint_config(render_checkpoint_config(value)) == value


@settings(max_examples=50)
@given(
    st.binary(max_size=60)
    | (JSON | st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=3)).map(
        lambda value: json.dumps(value).encode()
    )
)
@example(b"[" * 100_000)
@example(b"1" * 5_000)
@example(b"\xef\xbb\xbf{}")
@example(b"\xff\xfe")
@example(b"")
@example(b'{"": {"\\u0085": null}}')
def test_parse_of_any_bytes_gives_a_value_or_a_contract_error(body: bytes) -> None:
    errors = []
    for parse in PARSERS:
        try:
            parse(body)
        except ContractError as error:
            errors.append(error)

    for error in errors:
        assert error.code in ("config-file-broken", "config-file-value")
        assert "json" in error.sentence()
        assert len(error.sentence().splitlines()) == 1


def test_parse_hyperparameters_of_other_values_gives_their_json() -> None:
    body = b'{"i": 1, "f": 0.5, "t": true, "n": null, "l": [1, "a"], "s": "text", "q": "\\"adam\\""}'

    assert parse_hyperparameters(body) == {
        "i": "1",
        "f": "0.5",
        "t": "true",
        "n": "null",
        "l": '[1,"a"]',
        "s": "text",
        "q": '"adam"',
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.1", 0.1),
        ("true", True),
        ("null", None),
        ('"adam"', "adam"),
        ("adam", "adam"),
        ("True", "True"),
        ("", ""),
        ('{"a": [1]}', {"a": [1]}),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5_000, "9" * 5_000),
    ],
)
def test_decode_hyperparameter_is_json_else_the_text(text: str, value: object) -> None:
    assert decode_hyperparameter(text) == value


def test_parse_input_data_config_of_sdk_local_mode_fills_the_defaults() -> None:
    channels = parse_input_data_config(b'{"train": {"TrainingInputMode": "File", "New": 1}, "val": {}}')

    assert channels == {"train": ChannelConfig(), "val": ChannelConfig()}


def test_parse_resource_config_of_sdk_local_mode_fills_the_defaults() -> None:
    cluster = parse_resource_config(
        b'{"current_host": "algo-1-abcde", "hosts": ["algo-1-abcde"], "topology": null, "extra": 1}'
    )

    assert cluster == ResourceConfig(current_host="algo-1-abcde", hosts=("algo-1-abcde",))


@pytest.mark.parametrize(
    ("body", "where", "found"),
    [
        (b'{"a": 1,\n "b" 2}', "f.json, line 2, column 6", "'2}'"),
        (b'{"a": ', "f.json, line 1, column 7", "the end of the file"),
        (b'{"a": "\xff"}', "f.json", "byte 0xff at offset 7"),
        (b"[1]", "f.json", "[1]"),
    ],
)
def test_parse_of_a_broken_file_names_file_place_and_what_is_there(body: bytes, where: str, found: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_hyperparameters(body, where="f.json")

    assert caught.value.where == where
    assert caught.value.found == found


def test_parse_input_data_config_of_an_unknown_mode_names_channel_key_and_choices() -> None:
    with pytest.raises(ContractError) as caught:
        parse_input_data_config(b'{"train": {"TrainingInputMode": "Piped"}}')

    assert caught.value.sentence() == (
        "a configuration file holds a value that the contract does not allow; "
        "in inputdataconfig.json, channel 'train', key 'TrainingInputMode'; "
        'found "Piped"; expected one of File, FastFile, Pipe'
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"current_host": 1}',
        b'{"current_host": "a", "hosts": "a"}',
        b'{"current_host": "a", "hosts": [1]}',
        b'{"current_host": "a", "instance_groups": [1]}',
        b'{"current_host": "a", "topology": {}}',
    ],
)
def test_parse_resource_config_of_a_wrong_value_is_a_contract_error(body: bytes) -> None:
    with pytest.raises(ContractError) as caught:
        parse_resource_config(body)

    assert caught.value.code == "config-file-value"


def test_read_of_an_empty_tree_gives_what_sagemaker_writes_when_nothing_was_asked_for(tmp_path: Path) -> None:
    opt_ml = OptMl(tmp_path)

    assert read_hyperparameters(opt_ml) == {}
    assert read_input_data_config(opt_ml) == {}
    assert read_resource_config(opt_ml) == ResourceConfig(current_host="algo-1", hosts=("algo-1",))
    assert read_checkpoint_config(opt_ml) is None


def test_read_input_data_config_without_a_file_takes_directories_for_channels(tmp_path: Path) -> None:
    """The classic sample's ``test_dir`` has data and no ``inputdataconfig.json``."""
    opt_ml = OptMl(tmp_path)
    for name in ("training", "validation"):
        opt_ml.channel_dir(name).mkdir(parents=True)
    (opt_ml.input_data_dir / "training-manifest").touch()

    assert read_input_data_config(opt_ml) == {"training": ChannelConfig(), "validation": ChannelConfig()}


def test_read_resource_config_prefers_the_real_name_to_the_misspelt_one(tmp_path: Path) -> None:
    opt_ml = OptMl(tmp_path)
    opt_ml.input_config_dir.mkdir(parents=True)
    opt_ml.misspelt_resource_config_file.write_bytes(b'{"current_host": "misspelt"}')
    assert read_resource_config(opt_ml).current_host == "misspelt"

    opt_ml.resource_config_file.write_bytes(b'{"current_host": "real"}')
    assert read_resource_config(opt_ml).current_host == "real"


def test_read_of_written_files_gives_them_back(tmp_path: Path) -> None:
    opt_ml = OptMl(tmp_path)
    cluster = ResourceConfig(current_host="algo-1", hosts=("algo-1", "algo-2"))
    checkpoints = CheckpointConfig(local_path="/opt/ml/checkpoints/", s3_uri="s3://b/p")

    write_hyperparameters(opt_ml, {"epochs": "3"})
    write_input_data_config(opt_ml, {"training": ChannelConfig(content_type="text/csv")})
    write_resource_config(opt_ml, cluster)
    write_checkpoint_config(opt_ml, checkpoints)

    assert read_hyperparameters(opt_ml) == {"epochs": "3"}
    assert read_input_data_config(opt_ml) == {"training": ChannelConfig(content_type="text/csv")}
    assert read_resource_config(opt_ml) == cluster
    assert read_checkpoint_config(opt_ml) == checkpoints
    assert {path.name for path in opt_ml.input_config_dir.iterdir()} == {
        "hyperparameters.json",
        "inputdataconfig.json",
        "resourceconfig.json",
        "checkpointconfig.json",
    }


def test_read_of_a_file_that_is_a_directory_is_a_contract_error(tmp_path: Path) -> None:
    opt_ml = OptMl(tmp_path)
    opt_ml.hyperparameters_file.mkdir(parents=True)

    with pytest.raises(ContractError) as caught:
        read_hyperparameters(opt_ml)

    assert caught.value.code == "config-file-unreadable"
    assert caught.value.where == str(opt_ml.hyperparameters_file)


def test_check_hyperparameters_at_the_limits_passes() -> None:
    check_hyperparameters({f"{number:0256}": "v" * 2500 for number in range(100)})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({str(number): "" for number in range(101)}, "101 hyperparameters"),
        ({"k" * 257: ""}, "has 257 characters"),
        ({"k": "v" * 2501}, "value of 'k' has 2501 characters"),
        ({"k": "a\nb"}, "a line end in 'k'"),
    ],
)
def test_check_hyperparameters_over_a_limit_names_it(value: dict[str, str], found: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_hyperparameters(value)

    assert caught.value.code == "hyperparameters-over-limit"
    assert found in str(caught.value.found)


def test_check_hyperparameters_with_several_problems_names_them_all() -> None:
    with pytest.raises(ContractError) as caught:
        check_hyperparameters({"long": "v" * 2501, "line": "a\nb"})

    assert "'long'" in str(caught.value.found)
    assert "'line'" in str(caught.value.found)

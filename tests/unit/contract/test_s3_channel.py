"""Which members of a channel go together: the whole matrix of contract.md §1.5."""

from __future__ import annotations

import itertools

import pytest

from seatrial.contract.s3_channel import (
    CompressionType,
    S3Channel,
    S3DataType,
    check_channel_names,
    check_combination,
    hosts_of_channel,
    parse_s3_channel,
)
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import InputMode, RecordWrapperType, S3DistributionType
from seatrial.core.errors import ContractError

FILE, FAST_FILE, PIPE = InputMode.FILE, InputMode.FAST_FILE, InputMode.PIPE
PREFIX, MANIFEST, AUGMENTED = S3DataType
NO_GZIP, GZIP = CompressionType
BARE, RECORD_IO = RecordWrapperType

MATRIX = list(itertools.product(InputMode, S3DataType, CompressionType, RecordWrapperType, (False, True)))
ALLOWED = {
    (FILE, PREFIX, NO_GZIP, BARE, False),
    (FILE, MANIFEST, NO_GZIP, BARE, False),
    (FAST_FILE, PREFIX, NO_GZIP, BARE, False),
    *itertools.product([PIPE], [PREFIX, MANIFEST], CompressionType, RecordWrapperType, [False]),
    *itertools.product([PIPE], [AUGMENTED], CompressionType, RecordWrapperType, [True]),
}
"""Written out, and not computed from the rules."""


def channel_of(
    mode: InputMode, kind: S3DataType, gzip: CompressionType, wrapper: RecordWrapperType, has_attributes: bool
) -> S3Channel:
    return S3Channel(
        name="train",
        s3_uri=S3Uri("b", "p"),
        s3_data_type=kind,
        input_mode=mode,
        compression_type=gzip,
        record_wrapper_type=wrapper,
        attribute_names=("a-ref",) if has_attributes else (),
    )


@pytest.mark.parametrize("combination", MATRIX)
@pytest.mark.parametrize("distribution", S3DistributionType)
@pytest.mark.parametrize("seed", [None, 7])
def test_check_combination_allows_exactly_what_the_service_allows(
    combination: tuple[InputMode, S3DataType, CompressionType, RecordWrapperType, bool],
    distribution: S3DistributionType,
    seed: int | None,
) -> None:
    channel = channel_of(*combination)
    if combination in ALLOWED:
        check_combination(channel)
        return
    with pytest.raises(ContractError) as caught:
        check_combination(channel)
    assert "can only be used with" in caught.value.what


def test_check_combination_names_both_members_and_the_channel() -> None:
    with pytest.raises(ContractError) as caught:
        check_combination(channel_of(FILE, PREFIX, GZIP, BARE, has_attributes=False))
    assert caught.value.sentence() == (
        "CompressionType Gzip can only be used with InputMode Pipe; in channel train; found InputMode File; "
        "change InputMode, or leave CompressionType out"
    )


def test_check_channel_names_of_a_fifo_and_a_directory_is_refused() -> None:
    check_channel_names([("train", FILE), ("train_0", FILE), ("test", PIPE), ("test_x", FILE), ("test_", FILE)])
    with pytest.raises(ContractError, match="name of a FIFO"):
        check_channel_names([("train", PIPE), ("train_10", FILE)])


def test_hosts_of_channel_are_those_of_its_groups_by_number() -> None:
    groups = {"a": ("algo-10", "algo-2"), "b": ("algo-1",), "c": ("algo-3",)}
    bound = S3Channel(name="train", s3_uri=S3Uri("b", ""), instance_group_names=("a", "b"))
    free = S3Channel(name="train", s3_uri=S3Uri("b", ""))
    assert hosts_of_channel(bound, groups) == ("algo-1", "algo-2", "algo-10")
    assert hosts_of_channel(free, groups) == ("algo-1", "algo-2", "algo-3", "algo-10")
    with pytest.raises(ContractError, match="no instance group 'a'"):
        hosts_of_channel(bound, {"b": ("algo-1",)})


def test_parse_s3_channel_reads_every_member() -> None:
    request = {
        "ChannelName": "train",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "AugmentedManifestFile",
                "S3Uri": "s3://b/m.jsonl",
                "S3DataDistributionType": "ShardedByS3Key",
                "AttributeNames": ["a-ref", "b"],
                "InstanceGroupNames": ["g"],
            }
        },
        "ContentType": "text/csv",
        "CompressionType": "Gzip",
        "RecordWrapperType": "RecordIO",
        "ShuffleConfig": {"Seed": 0},
    }
    channel = parse_s3_channel(request, "Pipe")
    assert channel == S3Channel(
        name="train",
        s3_uri=S3Uri("b", "m.jsonl"),
        s3_data_type=AUGMENTED,
        input_mode=PIPE,
        distribution=S3DistributionType.SHARDED_BY_S3_KEY,
        compression_type=GZIP,
        record_wrapper_type=RECORD_IO,
        shuffle_seed=0,
        attribute_names=("a-ref", "b"),
        instance_group_names=("g",),
        content_type="text/csv",
    )
    assert channel.config.content_type == "text/csv"
    assert parse_s3_channel(request | {"InputMode": "FastFile"}, "Pipe").input_mode is FAST_FILE

"""What CreateTrainingJob says of a channel with data in S3, and what of that goes together. Source: contract.md §1.5.

The combinations are a table, ``RULES``: a value of one member that needs certain values of another one. What no row
speaks of goes together. AWS publishes the rules but no error texts; the texts here follow its documentation.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.contract.s3_uris import S3Uri, parse_s3_uri
from seatrial.contract.training import ChannelConfig, InputMode, RecordWrapperType, S3DistributionType
from seatrial.core.errors import ContractError


class S3DataType(str, enum.Enum):
    """What ``S3Uri`` names."""

    S3_PREFIX = "S3Prefix"
    MANIFEST_FILE = "ManifestFile"
    AUGMENTED_MANIFEST_FILE = "AugmentedManifestFile"


class CompressionType(str, enum.Enum):
    """``Gzip`` when the service decompresses each object on its way into the FIFO."""

    NONE = "None"
    GZIP = "Gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Channel:
    """One channel of ``InputDataConfig`` with an ``S3DataSource``."""

    name: str
    s3_uri: S3Uri
    s3_data_type: S3DataType = S3DataType.S3_PREFIX
    input_mode: InputMode = InputMode.FILE
    """The channel's own, or the job's."""
    distribution: S3DistributionType = S3DistributionType.FULLY_REPLICATED
    compression_type: CompressionType = CompressionType.NONE
    record_wrapper_type: RecordWrapperType = RecordWrapperType.NONE
    shuffle_seed: int | None = None
    """``ShuffleConfig.Seed``; ``None`` without ``ShuffleConfig``."""
    attribute_names: tuple[str, ...] = ()
    instance_group_names: tuple[str, ...] = ()
    """The groups whose hosts get the channel; all of them when it is empty."""
    content_type: str | None = None

    @property
    def config(self) -> ChannelConfig:
        """What ``inputdataconfig.json`` says of the channel."""
        return ChannelConfig(
            training_input_mode=self.input_mode,
            s3_distribution_type=self.distribution,
            record_wrapper_type=self.record_wrapper_type,
            content_type=self.content_type,
        )


def parse_s3_channel(channel: Mapping[str, Any], job_input_mode: str | None = None) -> S3Channel:
    """Read one channel that has passed the request's model.

    Args:
        channel: A member of ``InputDataConfig`` with a ``DataSource.S3DataSource``.
        job_input_mode: ``AlgorithmSpecification.TrainingInputMode``.

    Raises:
        ValueError: a value that is not emulated, such as the ``S3DataType`` ``Converse``.
    """
    source = channel["DataSource"]["S3DataSource"]
    shuffle = channel.get("ShuffleConfig")
    return S3Channel(
        name=channel["ChannelName"],
        s3_uri=parse_s3_uri(source["S3Uri"]),
        s3_data_type=S3DataType(source["S3DataType"]),
        input_mode=InputMode(channel.get("InputMode") or job_input_mode or "File"),
        distribution=S3DistributionType(source.get("S3DataDistributionType") or "FullyReplicated"),
        compression_type=CompressionType(channel.get("CompressionType") or "None"),
        record_wrapper_type=RecordWrapperType(channel.get("RecordWrapperType") or "None"),
        shuffle_seed=None if shuffle is None else int(shuffle["Seed"]),
        attribute_names=tuple(source.get("AttributeNames") or ()),
        instance_group_names=tuple(source.get("InstanceGroupNames") or ()),
        content_type=channel.get("ContentType"),
    )


GIVEN = "given"
"""Stands in ``RULES`` for a list that has members."""

_MEMBERS: Mapping[str, Callable[[S3Channel], str]] = {
    "InputMode": lambda channel: channel.input_mode.value,
    "S3DataType": lambda channel: channel.s3_data_type.value,
    "CompressionType": lambda channel: channel.compression_type.value,
    "RecordWrapperType": lambda channel: channel.record_wrapper_type.value,
    "AttributeNames": lambda channel: GIVEN if channel.attribute_names else "",
}

RULES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    # member               value                    needs             one of
    ("S3DataType", "AugmentedManifestFile", "InputMode", ("Pipe",)),
    ("S3DataType", "ManifestFile", "InputMode", ("File", "Pipe")),
    ("S3DataType", "AugmentedManifestFile", "AttributeNames", (GIVEN,)),
    ("AttributeNames", GIVEN, "S3DataType", ("AugmentedManifestFile",)),
    ("CompressionType", "Gzip", "InputMode", ("Pipe",)),
    ("RecordWrapperType", "RecordIO", "InputMode", ("Pipe",)),
)
"""Source: §1.5; API_Channel and API_S3DataSource ("used only in Pipe input mode"; "can only be used if the Channel's
input mode is Pipe"), and the developer guide on FastFile ("supports S3 prefixes only")."""


def check_combination(channel: S3Channel) -> None:
    """Refuse what does not go together.

    Raises:
        ContractError: names the first row of ``RULES`` that is broken.
    """
    for member, value, needed, allowed in RULES:
        found = _MEMBERS[needed](channel)
        if _MEMBERS[member](channel) == value and found not in allowed:
            said = member if value == GIVEN else f"{member} {value}"
            wanted = needed if allowed == (GIVEN,) else f"{needed} {' or '.join(allowed)}"
            raise ContractError(
                "channel-combination-not-allowed",
                f"{said} can only be used with {wanted}",
                where=f"channel {channel.name}",
                found=f"{needed} {found}" if found else f"no {needed}",
                fix=f"change {needed}, or leave {member} out",
            )


def check_channel_names(channels: Sequence[tuple[str, InputMode]]) -> None:
    """Refuse a channel that has the name of another one's FIFO, such as ``train_0`` beside ``train`` in Pipe mode.

    Raises:
        ContractError: names both.
    """
    names = {name for name, _ in channels}
    for name in sorted(names):
        pipe, _, epoch = name.rpartition("_")
        if epoch.isdecimal() and (pipe, InputMode.PIPE) in channels:
            raise ContractError(
                "channel-combination-not-allowed",
                f"the channel {name} has the name of a FIFO of the channel {pipe}, which is in Pipe mode",
                where=f"channel {name}",
                fix="rename one of them",
            )


def hosts_of_channel(channel: S3Channel, groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The hosts that get a channel.

    Args:
        channel: One with or without ``InstanceGroupNames``.
        groups: Instance group → its hosts. A job without groups has one, of any name.

    Returns:
        In the order of their numbers: ``algo-2`` before ``algo-10``. The position of a host here is its share's.

    Raises:
        ContractError: the job has no instance group of a name.
    """
    for name in channel.instance_group_names:
        if name not in groups:
            raise ContractError(
                "channel-instance-group-unknown",
                f"the job has no instance group '{name}'",
                where=f"InstanceGroupNames of channel {channel.name}",
                found=", ".join(f"'{known}'" for known in groups) or "no instance group",
                fix="name a group of ResourceConfig.InstanceGroups",
            )
    return tuple(sorted(_hosts(channel.instance_group_names or groups, groups), key=lambda host: (len(host), host)))


def _hosts(names: Sequence[str] | Mapping[str, Sequence[str]], groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name in dict.fromkeys(names):
        yield from groups[name]

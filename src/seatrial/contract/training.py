"""What ``/opt/ml/input/config`` holds, as frozen data. Source: contract.md §1.3.

Each file has four functions: ``parse_`` and ``render_`` for its bytes, ``read_`` and ``write_`` for its place in an
``OptMl`` tree. Rules:

- Reading is tolerant: unknown keys are passed over, absent keys have their defaults, and a file that is not there reads
  as what SageMaker writes when nothing was asked for. A file that is there and broken is a ``ContractError``.
- Writing is exact: compact JSON, no final newline, keys in SageMaker's order, hosts in lexicographic order.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.contract import json_text, limits
from seatrial.contract.layout import OptMl
from seatrial.core.errors import ContractError

DEFAULT_NETWORK_INTERFACE_NAME = "eth0"
"""What SageMaker names today (§1.3)."""


ONLY_HOST = "algo-1"
"""The host of a job that has one."""


class InputMode(str, enum.Enum):
    """``TrainingInputMode`` of a channel."""

    FILE = "File"
    FAST_FILE = "FastFile"
    PIPE = "Pipe"


class S3DistributionType(str, enum.Enum):
    """Whether each host gets the whole channel or its share of the objects."""

    FULLY_REPLICATED = "FullyReplicated"
    SHARDED_BY_S3_KEY = "ShardedByS3Key"


class RecordWrapperType(str, enum.Enum):
    """``RecordIO`` when SageMaker wraps each object of the channel into one RecordIO record."""

    NONE = "None"
    RECORD_IO = "RecordIO"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """One channel of ``inputdataconfig.json``."""

    training_input_mode: InputMode = InputMode.FILE
    s3_distribution_type: S3DistributionType = S3DistributionType.FULLY_REPLICATED
    record_wrapper_type: RecordWrapperType = RecordWrapperType.NONE
    content_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceGroup:
    """One group of a heterogeneous cluster; its hosts are in no promised order."""

    instance_group_name: str
    instance_type: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceConfig:
    """``resourceconfig.json``: this host and its peers."""

    current_host: str
    hosts: tuple[str, ...]
    current_instance_type: str | None = None
    current_group_name: str | None = None
    instance_groups: tuple[InstanceGroup, ...] = ()
    network_interface_name: str = DEFAULT_NETWORK_INTERFACE_NAME
    topology: Sequence[Mapping[str, object]] | None = None
    """UltraServer only: ``hostName`` and ``capacityUnitId`` of each host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    """``checkpointconfig.json``: the directory that SageMaker keeps in step with S3 (§1.8)."""

    local_path: str
    s3_uri: str | None = None


def parse_hyperparameters(body: bytes, *, where: str = "hyperparameters.json") -> dict[str, str]:
    """Parse hyperparameters: always text, as SageMaker's own file has it.

    A value that a hand-written file holds as a number, a boolean, null or a structure becomes its JSON text, so that
    ``decode_hyperparameter`` gives it back.

    Raises:
        ContractError: the body is no JSON object.
    """
    entries = json_text.parse_object(body, where=where)
    return {key: value if isinstance(value, str) else _json_text(value) for key, value in entries.items()}


def render_hyperparameters(value: Mapping[str, str]) -> bytes:
    return json_text.render_compact(dict(value))


def read_hyperparameters(opt_ml: OptMl) -> dict[str, str]:
    """The job's hyperparameters; none when the file is absent."""
    body = _read(opt_ml.hyperparameters_file)
    return {} if body is None else parse_hyperparameters(body, where=str(opt_ml.hyperparameters_file))


def write_hyperparameters(opt_ml: OptMl, value: Mapping[str, str]) -> None:
    _write(opt_ml.hyperparameters_file, render_hyperparameters(value))


def decode_hyperparameter(value: str) -> object:
    """The value that a hyperparameter's text stands for.

    SDKs JSON-encode the values, callers of the API and the tuner do not: what is no JSON is itself.
    """
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def check_hyperparameters(value: Mapping[str, str]) -> None:
    """Check the limits of CreateTrainingJob.

    Raises:
        ContractError: there are more than 100, or a key or value is too long or holds a line end; every problem named.
    """
    problems = [problem for key, text in value.items() for problem in _hyperparameter_problems(key, text)]
    if len(value) > limits.HYPERPARAMETERS_MAX_COUNT:
        problems.insert(0, f"{len(value)} hyperparameters, at most {limits.HYPERPARAMETERS_MAX_COUNT}")
    if problems:
        raise ContractError(
            "hyperparameters-over-limit",
            "SageMaker would refuse these hyperparameters",
            found=", ".join(problems),
            fix="put long values into a file of a channel",
        )


def parse_input_data_config(body: bytes, *, where: str = "inputdataconfig.json") -> dict[str, ChannelConfig]:
    """Parse the channels, keyed by name, in the file's order.

    Raises:
        ContractError: no JSON object of objects, or a mode, distribution or wrapper that does not exist.
    """
    entries = json_text.parse_object(body, where=where)
    return {name: _parse_channel(entry, where=f"{where}, channel {name!r}") for name, entry in entries.items()}


def render_input_data_config(value: Mapping[str, ChannelConfig]) -> bytes:
    return json_text.render_compact({name: _channel_entry(channel) for name, channel in value.items()})


def read_input_data_config(opt_ml: OptMl) -> dict[str, ChannelConfig]:
    """The job's channels; with no file, each directory below ``input/data`` is a channel in File mode."""
    body = _read(opt_ml.input_data_config_file)
    if body is not None:
        return parse_input_data_config(body, where=str(opt_ml.input_data_config_file))
    if not opt_ml.input_data_dir.is_dir():
        return {}
    return {path.name: ChannelConfig() for path in sorted(opt_ml.input_data_dir.iterdir()) if path.is_dir()}


def write_input_data_config(opt_ml: OptMl, value: Mapping[str, ChannelConfig]) -> None:
    _write(opt_ml.input_data_config_file, render_input_data_config(value))


def parse_resource_config(body: bytes, *, where: str = "resourceconfig.json") -> ResourceConfig:
    """Parse the cluster.

    Raises:
        ContractError: no JSON object, no ``current_host``, or a value of the wrong type.
    """
    entries = json_text.parse_object(body, where=where)
    current_host = json_text.optional_text(entries, "current_host", where=where)
    if not current_host:
        raise json_text.wrong_value(where=where, found=entries, expected="a key 'current_host' with a host's name")
    return ResourceConfig(
        current_host=current_host,
        current_instance_type=json_text.optional_text(entries, "current_instance_type", where=where),
        current_group_name=json_text.optional_text(entries, "current_group_name", where=where),
        hosts=_parse_hosts(entries, where=where) or (current_host,),
        instance_groups=_parse_instance_groups(entries.get("instance_groups"), where=where),
        network_interface_name=json_text.optional_text(entries, "network_interface_name", where=where)
        or DEFAULT_NETWORK_INTERFACE_NAME,
        topology=_parse_topology(entries.get("topology"), where=where),
    )


def render_resource_config(value: ResourceConfig) -> bytes:
    entry: dict[str, object] = {"current_host": value.current_host}
    if value.current_instance_type is not None:
        entry["current_instance_type"] = value.current_instance_type
    if value.current_group_name is not None:
        entry["current_group_name"] = value.current_group_name
    entry["hosts"] = sorted(value.hosts)
    if value.instance_groups:
        entry["instance_groups"] = [
            {
                "instance_group_name": group.instance_group_name,
                "instance_type": group.instance_type,
                "hosts": list(group.hosts),
            }
            for group in value.instance_groups
        ]
    entry["network_interface_name"] = value.network_interface_name
    if value.topology is not None:
        entry["topology"] = [dict(host) for host in value.topology]
    return json_text.render_compact(entry)


def read_resource_config(opt_ml: OptMl) -> ResourceConfig:
    """The cluster; with neither the real file nor the misspelt ``resourceConfig.json``, one host ``algo-1``."""
    for path in (opt_ml.resource_config_file, opt_ml.misspelt_resource_config_file):
        if (body := _read(path)) is not None:
            return parse_resource_config(body, where=str(path))
    return ResourceConfig(current_host=ONLY_HOST, hosts=(ONLY_HOST,))


def write_resource_config(opt_ml: OptMl, value: ResourceConfig) -> None:
    _write(opt_ml.resource_config_file, render_resource_config(value))


def parse_checkpoint_config(body: bytes, *, where: str = "checkpointconfig.json") -> CheckpointConfig:
    """Parse where checkpoints go.

    Raises:
        ContractError: no JSON object, or a value that is no string.
    """
    entries = json_text.parse_object(body, where=where)
    return CheckpointConfig(
        local_path=json_text.optional_text(entries, "LocalPath", where=where) or str(OptMl().checkpoint_dir),
        s3_uri=json_text.optional_text(entries, "S3Uri", where=where),
    )


def render_checkpoint_config(value: CheckpointConfig) -> bytes:
    s3_uri = {} if value.s3_uri is None else {"S3Uri": value.s3_uri}
    return json_text.render_compact({**s3_uri, "LocalPath": value.local_path})


def read_checkpoint_config(opt_ml: OptMl) -> CheckpointConfig | None:
    """Where checkpoints go; ``None`` for a job without ``CheckpointConfig``."""
    body = _read(opt_ml.checkpoint_config_file)
    return None if body is None else parse_checkpoint_config(body, where=str(opt_ml.checkpoint_config_file))


def write_checkpoint_config(opt_ml: OptMl, value: CheckpointConfig) -> None:
    _write(opt_ml.checkpoint_config_file, render_checkpoint_config(value))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ContractError(
            "config-file-unreadable",
            "a configuration file cannot be read",
            where=str(path),
            found=error.strerror or str(error),
        ) from None


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def _json_text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _hyperparameter_problems(key: str, text: str) -> list[str]:
    problems = []
    if len(key) > limits.HYPERPARAMETER_KEY_MAX_CHARACTERS:
        problems.append(
            f"name {json_text.shorten(key)!r} has {len(key)} characters, "
            f"at most {limits.HYPERPARAMETER_KEY_MAX_CHARACTERS}"
        )
    if len(text) > limits.HYPERPARAMETER_VALUE_MAX_CHARACTERS:
        problems.append(
            f"value of {json_text.shorten(key)!r} has {len(text)} characters, "
            f"at most {limits.HYPERPARAMETER_VALUE_MAX_CHARACTERS}"
        )
    if "\n" in key or "\n" in text:
        problems.append(f"a line end in {json_text.shorten(key)!r}")
    return problems


def _parse_channel(entry: object, *, where: str) -> ChannelConfig:
    if not isinstance(entry, dict):
        raise json_text.wrong_value(where=where, found=entry, expected="a JSON object")
    mode = _one_of(InputMode, entry, "TrainingInputMode", default=InputMode.FILE, where=where)
    replicated = S3DistributionType.FULLY_REPLICATED
    distribution = _one_of(S3DistributionType, entry, "S3DistributionType", default=replicated, where=where)
    wrapper = _one_of(RecordWrapperType, entry, "RecordWrapperType", default=RecordWrapperType.NONE, where=where)
    return ChannelConfig(
        training_input_mode=InputMode(mode),
        s3_distribution_type=S3DistributionType(distribution),
        record_wrapper_type=RecordWrapperType(wrapper),
        content_type=json_text.optional_text(entry, "ContentType", where=where),
    )


def _one_of(
    allowed: type[enum.Enum], entry: Mapping[str, object], key: str, *, default: enum.Enum, where: str
) -> object:
    value = entry.get(key, default.value)
    if value is None:
        return default.value
    values = [member.value for member in allowed]
    if value in values:
        return value
    raise json_text.wrong_value(where=f"{where}, key {key!r}", found=value, expected=f"one of {', '.join(values)}")


def _channel_entry(channel: ChannelConfig) -> dict[str, str]:
    entry = {
        "TrainingInputMode": channel.training_input_mode.value,
        "S3DistributionType": channel.s3_distribution_type.value,
        "RecordWrapperType": channel.record_wrapper_type.value,
    }
    if channel.content_type is not None:
        entry["ContentType"] = channel.content_type
    return entry


def _parse_hosts(entry: Mapping[str, object], *, where: str) -> tuple[str, ...]:
    hosts = entry.get("hosts")
    if hosts is None:
        return ()
    if isinstance(hosts, list) and all(isinstance(host, str) for host in hosts):
        return tuple(hosts)
    raise json_text.wrong_value(where=f"{where}, key 'hosts'", found=hosts, expected="a list of host names")


def _parse_instance_groups(value: object, *, where: str) -> tuple[InstanceGroup, ...]:
    return tuple(
        InstanceGroup(
            instance_group_name=json_text.optional_text(group, "instance_group_name", where=where) or "",
            instance_type=json_text.optional_text(group, "instance_type", where=where) or "",
            hosts=_parse_hosts(group, where=where),
        )
        for group in _objects(value, where=f"{where}, key 'instance_groups'")
    )


def _parse_topology(value: object, *, where: str) -> tuple[Mapping[str, object], ...] | None:
    return None if value is None else tuple(_objects(value, where=f"{where}, key 'topology'"))


def _objects(value: object, *, where: str) -> list[dict[str, object]]:
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise json_text.wrong_value(where=where, found=value, expected="a list of JSON objects")

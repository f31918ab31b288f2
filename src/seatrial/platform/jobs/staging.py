"""Lay out ``/opt/ml`` before a training container starts, and collect what it left there.

A channel is copied, so that the container has the private writable directory that File mode gives and can never change
the user's data. Outputs are packed in the service's layout: ``model.tar.gz`` from the content of ``/opt/ml/model``,
``output.tar.gz`` from the content of ``/opt/ml/output/data``, no archive for an empty directory (contract.md §1.6).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.contract.layout import OptMl
from seatrial.contract.names import CHANNEL_NAME
from seatrial.contract.training import (
    ChannelConfig,
    ResourceConfig,
    write_hyperparameters,
    write_input_data_config,
    write_resource_config,
)
from seatrial.core.archives import pack_directory
from seatrial.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSource:
    """One input channel: what the container is told of it, and where its data is."""

    path: Path
    """A directory, whose content becomes the channel's, or one file."""
    config: ChannelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutputs:
    """What a training container left behind, packed; ``None`` for what it did not leave."""

    model_archive: Path | None
    output_archive: Path | None
    failure_text: str | None


def check_channels(channels: Mapping[str, ChannelSource]) -> None:
    """Refuse a channel that cannot be staged.

    Raises:
        ConfigError: a bad name, a missing path, or an empty directory.
    """
    for name, channel in channels.items():
        where = f"channel '{name}'"
        if not CHANNEL_NAME.is_met_by(name):
            raise ConfigError(
                "channel-name-invalid",
                f"'{name}' is no channel name",
                expected=f"1 to {CHANNEL_NAME.max_characters} characters of {CHANNEL_NAME.pattern}",
                fix="rename the channel",
            )
        if not channel.path.exists():
            raise ConfigError(
                "channel-path-missing",
                f"the data of {where} is not there",
                where=str(channel.path),
                found="no such file or directory",
                fix=f"pass --channel {name}=PATH with a directory or file that exists",
            )
        if channel.path.is_dir() and not any(channel.path.iterdir()):
            raise ConfigError(
                "channel-path-empty",
                f"the data of {where} is an empty directory",
                where=str(channel.path),
                expected="at least one file, as SageMaker refuses a prefix without objects",
                fix="put the data there, or leave the channel out",
            )


def lay_out_training(
    opt_ml: OptMl,
    *,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, ChannelSource],
    resource_config: ResourceConfig,
) -> None:
    """Make the tree that ``train`` finds, below ``opt_ml.root``.

    Raises:
        ConfigError: as ``check_channels``.
    """
    check_channels(channels)
    for directory in (opt_ml.input_config_dir, opt_ml.input_data_dir, opt_ml.model_dir, opt_ml.output_data_dir):
        directory.mkdir(parents=True, exist_ok=True)
    write_hyperparameters(opt_ml, hyperparameters)
    write_input_data_config(opt_ml, {name: channel.config for name, channel in channels.items()})
    write_resource_config(opt_ml, resource_config)
    for name, channel in channels.items():
        _copy(channel.path, opt_ml.channel_dir(name))


def _copy(source: Path, channel_dir: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, channel_dir, copy_function=shutil.copyfile)
    else:
        channel_dir.mkdir(parents=True)
        shutil.copyfile(source, channel_dir / source.name)


def collect_outputs(opt_ml: OptMl, destination: Path) -> TrainingOutputs:
    """Pack what the container left into ``destination``.

    Raises:
        ContractError: the model or output directory holds a dangling link or a special file.
    """
    model_archive = destination / "model.tar.gz"
    output_archive = destination / "output.tar.gz"
    has_model = opt_ml.model_dir.is_dir() and pack_directory(opt_ml.model_dir, model_archive)
    has_output = opt_ml.output_data_dir.is_dir() and pack_directory(opt_ml.output_data_dir, output_archive)
    return TrainingOutputs(
        model_archive=model_archive if has_model else None,
        output_archive=output_archive if has_output else None,
        failure_text=read_failure(opt_ml),
    )


def read_failure(opt_ml: OptMl) -> str | None:
    """The text of the ``failure`` file, undecodable bytes replaced; ``None`` when there is none."""
    try:
        with opt_ml.failure_file.open("rb") as file:
            return file.read(65_536).decode("utf-8", errors="replace")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None

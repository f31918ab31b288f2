"""Lay out ``/opt/ml`` before a training container starts, and collect what it left there.

A local channel is copied, so that the container has the private writable directory that File mode gives and can never
change the user's data; one in the object store is laid out by the room ``input``. Outputs are packed in the service's
layout: ``model.tar.gz`` from the content of ``/opt/ml/model``, ``output.tar.gz`` from the content of
``/opt/ml/output/data``, no archive for an empty directory (contract.md §1.6). A job may ask for its model uncompressed
(``OutputDataConfig.CompressionType``); the output is an archive in any case.
"""

from __future__ import annotations

import errno
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seatrial.contract.layout import OPT_ML, OptMl
from seatrial.contract.limits import CHANNELS_MAX_COUNT
from seatrial.contract.names import CHANNEL_NAME
from seatrial.contract.training import (
    ChannelConfig,
    CheckpointConfig,
    ResourceConfig,
    write_checkpoint_config,
    write_hyperparameters,
    write_input_data_config,
    write_resource_config,
)
from seatrial.core.archives import pack_directory
from seatrial.core.errors import ConfigError, SeatrialError, TreeError
from seatrial.core.trees import Checkpoint, Entry, MountView, OutsideError, copy_file, copy_tree, open_regular, walk
from seatrial.engines.base import Mount
from seatrial.engines.overlays import written_layers

SHARED_DIRECTORIES = ("input", "model", "output")
"""What of ``/opt/ml`` is the job's. The rest is the image's: ``/opt/ml/code`` stays visible (contract.md §1.1)."""

MODEL_ARCHIVE = "model.tar.gz"
OUTPUT_ARCHIVE = "output.tar.gz"

_ASIDE_DIRECTORY = "channels"
"""Beside the container's tree."""

_FAILURE_READ_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlace:
    """Where one channel of one host is laid out."""

    channel_dir: Path
    """In the container's tree."""
    aside_dir: Path
    """Out of the container's sight, on the same file system: for what the container gets through a mount only."""
    target: PurePosixPath
    """Where the container finds it."""
    can_overlay: Callable[[Path], bool] = lambda _: False
    """As ``Engine.can_overlay``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSource(ABC):
    """One input channel: what the container is told of it, and where its data comes from."""

    config: ChannelConfig

    @abstractmethod
    def check(self, name: str) -> None:
        """Refuse data that cannot be staged.

        Raises:
            ConfigError: there is none.
        """

    @abstractmethod
    def lay_out(self, place: ChannelPlace, checkpoint: Checkpoint) -> str | None:
        """Make the channel's files; the container can never change the data through them.

        Returns:
            A sentence for the job's log; ``None`` when there is nothing to say.

        Raises:
            ConfigError: the data cannot be had.
            TreeError: the data holds a link that leads nowhere, a FIFO, socket or device, or what may not be read.
            OSError: the files cannot be written.
        """

    def mount(self, place: ChannelPlace) -> Mount | None:
        """How the container gets what was laid out beside its tree, by this process or an earlier one."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalChannel(ChannelSource):
    """A channel whose data is on this machine."""

    path: Path
    """A directory, whose content becomes the channel's, or one file."""

    def check(self, name: str) -> None:
        if not self.path.exists():
            raise ConfigError(
                "channel-path-missing",
                f"the data of channel '{name}' is not there",
                where=str(self.path),
                found="no such file or directory",
                fix=f"pass --channel {name}=PATH with a directory or file that exists",
            )
        if self.path.is_dir() and not any(not entry.is_directory for entry in walk(self.path)):
            raise ConfigError(
                "channel-path-empty",
                f"the data of channel '{name}' is a directory without files",
                where=str(self.path),
                expected="at least one file, as SageMaker refuses a prefix without objects",
                fix="put the data there, or leave the channel out",
            )

    def lay_out(self, place: ChannelPlace, checkpoint: Checkpoint) -> None:
        if self.path.is_dir():
            copy_tree(self.path, place.channel_dir, checkpoint=checkpoint)
            return
        place.channel_dir.mkdir(parents=True)
        name = PurePosixPath(self.path.name)
        copy_file(self.path.resolve(), place.channel_dir / name, top=self.path.parent, name=name, checkpoint=checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutputs:
    """What a training container left behind, packed; ``None`` for what it did not leave."""

    model_archive: Path | None
    output_archive: Path | None
    problems: tuple[str, ...]
    """One sentence for each directory that could not be packed."""
    model_dir: Path
    model_files: tuple[Entry, ...] = ()
    """The files below ``model_dir`` of a model that was to stay uncompressed."""


def check_channels(channels: Mapping[str, ChannelSource]) -> None:
    """Refuse what cannot be staged, before anything is.

    Raises:
        ConfigError: too many channels, a bad name, a missing path, or a directory without a file.
    """
    if len(channels) > CHANNELS_MAX_COUNT:
        raise ConfigError(
            "channels-over-limit",
            "a training job has too many channels",
            found=f"{len(channels)} channels",
            expected=f"at most {CHANNELS_MAX_COUNT}",
            fix="put several files into one channel",
        )
    for name, channel in channels.items():
        # '.' and '..' meet the pattern, but no directory can have such a name.
        if not CHANNEL_NAME.is_met_by(name) or name in {".", ".."}:
            raise ConfigError(
                "channel-name-invalid",
                f"'{name}' is no channel name",
                expected=f"1 to {CHANNEL_NAME.max_characters} characters of {CHANNEL_NAME.pattern}",
                fix="rename the channel",
            )
        channel.check(name)


def lay_out_training(
    opt_ml: OptMl,
    *,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, ChannelSource],
    resource_config: ResourceConfig,
    checkpoint_config: CheckpointConfig | None = None,
    can_overlay: Callable[[Path], bool] = lambda _: False,
    checkpoint: Checkpoint = lambda: None,
) -> tuple[str, ...]:
    """Make the tree that ``train`` finds, below ``opt_ml.root``.

    Args:
        opt_ml: Where; it does not exist yet.
        hyperparameters: Written to ``hyperparameters.json``.
        channels: Laid out in the order of the mapping; see ``check_channels``.
        resource_config: Written to ``resourceconfig.json``.
        checkpoint_config: Written to ``checkpointconfig.json``; ``None`` makes no such file.
        can_overlay: As ``Engine.can_overlay``.
        checkpoint: Called every few megabytes; what it raises ends the copying.

    Returns:
        Sentences for the job's log.

    Raises:
        ConfigError: the data of a channel cannot be had.
        TreeError: a channel holds a link that leads nowhere, a FIFO, socket or device, or what may not be read.
        OSError: the copy cannot be written.
    """
    for directory in (opt_ml.input_config_dir, opt_ml.input_data_dir, opt_ml.model_dir, opt_ml.output_data_dir):
        directory.mkdir(parents=True, exist_ok=True)
    write_hyperparameters(opt_ml, hyperparameters)
    write_input_data_config(opt_ml, {name: channel.config for name, channel in channels.items()})
    write_resource_config(opt_ml, resource_config)
    if checkpoint_config is not None:
        write_checkpoint_config(opt_ml, checkpoint_config)
    notes = [
        channel.lay_out(channel_place(opt_ml, name, can_overlay), checkpoint) for name, channel in channels.items()
    ]
    return tuple(filter(None, notes))


def channel_place(opt_ml: OptMl, name: str, can_overlay: Callable[[Path], bool] = lambda _: False) -> ChannelPlace:
    """Where a channel of the host with this tree is laid out."""
    return ChannelPlace(
        channel_dir=opt_ml.channel_dir(name),
        aside_dir=opt_ml.root.parent / _ASIDE_DIRECTORY / name,
        target=PurePosixPath(OptMl().channel_dir(name)),
        can_overlay=can_overlay,
    )


def prepare_output_directory(directory: Path) -> None:
    """Make sure that outputs can be written before hours are spent on making them.

    Raises:
        ConfigError: the directory cannot be made, or no file can be made in it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in (MODEL_ARCHIVE, OUTPUT_ARCHIVE):
            if (directory / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{name} is a directory", str(directory / name))
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(b"\0")
            probe.flush()
    except OSError as error:
        raise ConfigError(
            "output-unusable",
            "the directory for the outputs cannot be written",
            where=str(directory),
            found=(error.strerror or str(error)).lower(),
            expected="a directory in which files can be made",
            fix="name another one with --output",
        ) from error


def mounted_tree(opt_ml: OptMl, input_mounts: Sequence[Mount] = ()) -> MountView:
    """The job's directories as its container sees them, to follow the links it left."""
    found: dict[PurePosixPath, Sequence[Path]] = {OPT_ML / name: (opt_ml.root / name,) for name in SHARED_DIRECTORIES}
    return MountView(found | {mount.target: written_layers(mount) for mount in input_mounts})


def pack_outputs(
    opt_ml: OptMl,
    destination: Path,
    *,
    compresses_model: bool = True,
    input_mounts: Sequence[Mount] = (),
    checkpoint: Checkpoint = lambda: None,
) -> TrainingOutputs:
    """Pack what the container left into ``destination``; what cannot be packed does not keep the rest from it.

    Args:
        opt_ml: The container's tree.
        destination: Receives ``model.tar.gz`` and ``output.tar.gz``.
        compresses_model: Otherwise the model's files stay where they are and are told.
        input_mounts: The channels that the container got through mounts.
        checkpoint: Called every few files and megabytes.
    """
    view = mounted_tree(opt_ml, input_mounts)
    problems: list[str] = []

    @contextmanager
    def noting_problems(archive: Path) -> Iterator[None]:
        try:
            yield
        except SeatrialError as error:
            problems.append(error.sentence())
        except OSError as error:
            problems.append(f"{archive} cannot be written: {(error.strerror or str(error)).lower()}")

    def pack(directory: Path, archive: Path) -> Path | None:
        with noting_problems(archive):
            if _exists(directory) and pack_directory(directory, archive, resolve=view.resolve, checkpoint=checkpoint):
                return archive
        return None

    model_files: tuple[Entry, ...] = ()
    if not compresses_model and _exists(opt_ml.model_dir):
        with noting_problems(opt_ml.model_dir):
            entries = walk(opt_ml.model_dir, resolve=view.resolve)
            model_files = tuple(entry for entry in entries if not entry.is_directory)
    return TrainingOutputs(
        model_archive=pack(opt_ml.model_dir, destination / MODEL_ARCHIVE) if compresses_model else None,
        output_archive=pack(opt_ml.output_data_dir, destination / OUTPUT_ARCHIVE),
        problems=tuple(problems),
        model_dir=opt_ml.model_dir,
        model_files=model_files,
    )


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def read_failure(opt_ml: OptMl) -> str | None:
    """The text of the ``failure`` file, undecodable bytes replaced.

    Returns:
        ``None`` when there is none.

    Raises:
        TreeError: it is no regular file of the job's: a FIFO would be waited for, and a link may lead to a file of this
            machine.
    """
    path = opt_ml.failure_file
    if not os.path.lexists(path):
        return None
    name = PurePosixPath(path.name)
    try:
        found = mounted_tree(opt_ml).resolve(path)
    except (OSError, OutsideError) as error:
        raise TreeError(
            "failure-file-unusable",
            "the failure file is a link that leads nowhere or out of the container's output",
            where=str(path),
            fix="write a file",
        ) from error
    with open_regular(found, top=path.parent, name=name) as file:
        return file.read(_FAILURE_READ_MAX_BYTES).decode("utf-8", errors="replace")

"""A job's input channels as an algorithm sees them. Source: contract.md §1.5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path

from seatrial.contract.layout import OptMl
from seatrial.contract.training import ChannelConfig, InputMode
from seatrial.core.errors import ContractError
from seatrial.runtime.training.stopping import Stopping


class Channel:
    """One input channel."""

    def __init__(self, name: str, config: ChannelConfig, opt_ml: OptMl, stopping: Stopping) -> None:
        self.name = name
        self.config = config
        self._opt_ml = opt_ml
        self._stopping = stopping
        self._next_epoch = 0

    def __repr__(self) -> str:
        return f"<channel {self.name!r}, {self.input_mode.value} mode>"

    @property
    def input_mode(self) -> InputMode:
        return self.config.training_input_mode

    @property
    def content_type(self) -> str | None:
        return self.config.content_type

    @property
    def path(self) -> Path:
        """The channel's directory; in Pipe mode there is none, only FIFOs beside it."""
        return self._opt_ml.channel_dir(self.name)

    def files(self, pattern: str = "**/*") -> list[Path]:
        """The channel's files whose path below it matches a glob pattern, sorted; by default all of them.

        Raises:
            ContractError: a channel in Pipe mode has no files.
        """
        if self.input_mode is InputMode.PIPE:
            raise ContractError(
                "channel-is-a-pipe",
                f"channel {self.name!r} comes as a stream, not as files",
                where=str(self._opt_ml.input_data_config_file),
                found="TrainingInputMode 'Pipe'",
                fix="read channel.open_epoch() or channel.records(), or ask for File mode",
            )
        return sorted(path for path in self.path.glob(pattern) if path.is_file())

    def open_epoch(self, epoch: int | None = None) -> BufferedReader:
        """Open the stream of an epoch in Pipe mode, waiting for its FIFO and its writer.

        Args:
            epoch: Counted from 0; by default the one after the last that was opened. Close an epoch before the next.

        Raises:
            ContractError: the channel is not in Pipe mode.
            JobStopping: the job is being stopped; also raised by reads that no data ends.
        """
        if self.input_mode is not InputMode.PIPE:
            raise ContractError(
                "channel-is-no-pipe",
                f"channel {self.name!r} comes as files, not as a stream",
                where=str(self._opt_ml.input_data_config_file),
                found=f"TrainingInputMode '{self.input_mode.value}'",
                fix="read channel.files() or channel.records(), or ask for Pipe mode",
            )
        number = self._next_epoch if epoch is None else epoch
        from seatrial.runtime.training.pipes import open_fifo  # noqa: PLC0415 (most jobs have no pipe)

        stream = open_fifo(self._opt_ml.channel_fifo(self.name, number), self._stopping)
        self._next_epoch = number + 1
        return stream

    def records(self) -> Iterator[bytes]:
        """The channel's RecordIO records: of all files in order, or of the next epoch in Pipe mode.

        Raises:
            ContractError: the data is no RecordIO, or is cut short.
            JobStopping: as ``open_epoch``.
        """
        from seatrial.runtime.training.records import records_of  # noqa: PLC0415 (most jobs have no RecordIO)

        if self.input_mode is InputMode.PIPE:
            with self.open_epoch() as stream:
                yield from records_of(stream, str(self._opt_ml.channel_fifo(self.name, self._next_epoch - 1)))
            return
        for path in self.files():
            with path.open("rb", buffering=0) as stream:
                yield from records_of(stream, str(path))


class ChannelNotFoundError(ContractError, KeyError):
    """There is no channel of that name; a ``KeyError`` too, so that ``get`` and ``in`` work as in any mapping."""

    def __str__(self) -> str:
        return self.what


class Channels(Mapping[str, Channel]):
    """The job's channels by name."""

    def __init__(self, channels: Mapping[str, Channel], *, where: Path) -> None:
        self._channels = dict(channels)
        self._where = where

    def __getitem__(self, name: str) -> Channel:
        if name in self._channels:
            return self._channels[name]
        raise ChannelNotFoundError(
            "channel-not-found",
            f"no channel named '{name}'",
            where=str(self._where),
            found=", ".join(f"'{known}'" for known in sorted(self._channels)) or "no channel at all",
            fix=f"pass --channel {name}=PATH, or read job.channels.get('{name}')",
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def __repr__(self) -> str:
        return f"<channels {', '.join(map(repr, self._channels))}>"


def make_channels(configs: Mapping[str, ChannelConfig], opt_ml: OptMl, stopping: Stopping) -> Channels:
    channels = {name: Channel(name, config, opt_ml, stopping) for name, config in configs.items()}
    return Channels(channels, where=opt_ml.input_data_config_file)

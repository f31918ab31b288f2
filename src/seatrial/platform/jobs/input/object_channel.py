"""A channel whose data is in the object store, in any input mode, as one host of a job gets it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from seatrial.contract.s3_channel import S3Channel
from seatrial.contract.training import InputMode
from seatrial.core.trees import Checkpoint
from seatrial.engines.base import Mount
from seatrial.platform.jobs.input.content import read_content
from seatrial.platform.jobs.input.feed_plan import FedChannel
from seatrial.platform.jobs.input.file_mode import stage_channel
from seatrial.platform.jobs.input.source import ObjectSource
from seatrial.platform.jobs.staging import ChannelPlace, ChannelSource

_FILES = "files"
_CHANGES = "changes"
"""In a channel's place beside the tree: its files, and what the container writes over them when they are linked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChannel(ChannelSource):
    """One channel; its data is read when it is laid out."""

    channel: S3Channel
    source: ObjectSource
    host_index: int = 0
    """As ``contract.channel_order.epoch_items``."""
    host_count: int = 1

    @property
    def fed(self) -> FedChannel | None:
        """What its feeder is told; ``None`` when it is not in Pipe mode."""
        if self.channel.input_mode is not InputMode.PIPE:
            return None
        return FedChannel(channel=self.channel, host_index=self.host_index, host_count=self.host_count)

    def check(self, name: str) -> None:
        """Nothing: CreateTrainingJob has refused what has no objects."""

    def lay_out(self, place: ChannelPlace, checkpoint: Checkpoint) -> str | None:
        if self.channel.input_mode is InputMode.PIPE:
            return None
        content = read_content(self.channel, self.source)
        place.aside_dir.mkdir(parents=True)
        staged = stage_channel(
            content,
            self.source,
            place.aside_dir / _FILES,
            mounts_overlays=place.can_overlay(place.aside_dir),
            host_index=self.host_index,
            host_count=self.host_count,
            checkpoint=checkpoint,
        )
        if staged.needs_overlay:
            (place.aside_dir / _CHANGES).mkdir()
        if staged.needs_overlay or staged.is_read_only:
            place.channel_dir.mkdir()  # where it will be mounted
        else:
            os.rename(staged.directory, place.channel_dir)
        return staged.note

    def mount(self, place: ChannelPlace) -> Mount | None:
        files, changes = place.aside_dir / _FILES, place.aside_dir / _CHANGES
        if not files.is_dir():
            return None
        return Mount(
            source=files,
            target=place.target,
            is_read_only=self.channel.input_mode is InputMode.FAST_FILE,
            changes_dir=changes if changes.is_dir() else None,
        )

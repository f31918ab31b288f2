"""The input of one job's host: what is mounted beside its tree, and the feeders of its channels in Pipe mode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seatrial.contract.layout import OptMl
from seatrial.engines.base import Mount
from seatrial.platform.jobs.input.feed import Feed
from seatrial.platform.jobs.input.feed_plan import FeedPlan
from seatrial.platform.jobs.input.object_channel import ObjectChannel
from seatrial.platform.jobs.staging import ChannelSource, channel_place

FEED_DIRECTORY = "feeder"
"""Below a job's directory: where its feeder process is found again."""


class JobInput:
    """See the module.

    Args:
        channels: Of the job.
        opt_ml: The host's tree.
        image: What its container runs.
        keep_dir: Where the container is found again, if it is.
    """

    def __init__(self, channels: Mapping[str, ChannelSource], opt_ml: OptMl, image: str, keep_dir: Path | None) -> None:
        self._channels = channels
        self._opt_ml = opt_ml
        self._image = image
        self._keep_dir = keep_dir
        self._feed = Feed(opt_ml.root.parent / FEED_DIRECTORY)

    def mounts(self) -> tuple[Mount, ...]:
        """What the container gets beside its tree, once that was laid out."""
        found = (channel.mount(channel_place(self._opt_ml, name)) for name, channel in self._channels.items())
        return tuple(mount for mount in found if mount is not None)

    def start_feeders(self) -> None:
        """Make the FIFOs; before the container is started.

        Raises:
            ConfigError: ``data-download-failed``.
            EngineError: the feeder process cannot be started.
        """
        piped = [one for one in self._channels.values() if isinstance(one, ObjectChannel) and one.fed is not None]
        if piped:
            self._feed.start(
                FeedPlan(
                    source=piped[0].source.place,
                    channels=tuple(one.fed for one in piped if one.fed is not None),
                    data_dir=str(self._opt_ml.input_data_dir),
                    image=self._image,
                    keep_dir=None if self._keep_dir is None else str(self._keep_dir),
                )
            )

    def failure_reason(self) -> str | None:
        """Why the job has failed, however its container ends; ``None`` when the input is well."""
        return self._feed.failure_reason()

    def stop_feeders(self) -> None:
        """When the container has ended."""
        self._feed.stop()

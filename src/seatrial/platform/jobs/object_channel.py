"""A channel whose data is in the object store: File mode, ``S3Prefix``, each host gets all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.core.errors import ConfigError
from seatrial.core.trees import Checkpoint
from seatrial.objects.errors import ObjectStoreError
from seatrial.objects.transfer import ObjectTransfer
from seatrial.platform.jobs.staging import ChannelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChannel(ChannelSource):
    """Objects of one bucket, each with its path below the channel's directory (``contract.channel_paths``)."""

    objects: ObjectTransfer
    bucket: str
    files: Mapping[str, str]
    """Relative path → key."""

    def check(self, name: str) -> None:
        """Nothing: CreateTrainingJob has refused a prefix without objects."""

    def lay_out(self, channel_dir: Path, checkpoint: Checkpoint) -> None:
        channel_dir.mkdir(parents=True)
        for path, key in self.files.items():
            target = channel_dir / path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.objects.download(self.bucket, key, target, checkpoint)
            except ObjectStoreError as error:
                raise ConfigError(
                    "data-download-failed",
                    f"Data download failed:Unable to download object s3://{self.bucket}/{key} ({error.sentence()})",
                ) from error

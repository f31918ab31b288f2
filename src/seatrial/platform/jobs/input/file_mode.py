"""How the files of a channel in File or FastFile mode come to a container. Source: contract.md §1.5.

File mode gives each host a private directory that it may write to, FastFile a read-only one; neither can ever change
the object store. Objects that are files of this machine need not be copied for that:

- *linked*: a directory of second names (hard links) for the objects' files, in the channel's layout. A container never
  gets it as it is. In File mode it is the lower layer of an overlay, whose upper layer is the host's own; in FastFile
  mode it is one of two lower layers of an overlay without an upper one, which nobody can write to, not even root. A
  later put or delete in the store touches no name here, so the layers never change under a mounted overlay.
- *cloned*: a file of its own that shares the object's blocks.
- *copied*, *downloaded*: what is left. The job's log says so.

This module decides and makes directories; mounting is the engine's.
"""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from seatrial.contract.training import InputMode
from seatrial.core.trees import Checkpoint
from seatrial.platform.jobs.input.clone import can_clone, can_link
from seatrial.platform.jobs.input.content import ChannelContent, download_errors
from seatrial.platform.jobs.input.source import ObjectSource

DOWNLOADS_MAX_COUNT = 8
"""Objects that are fetched at the same time for one channel."""


class Staging(enum.Enum):
    """How a channel's files are made."""

    LINKED = "linked"
    CLONED = "cloned"
    COPIED = "copied"
    DOWNLOADED = "downloaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What ``choose_staging`` decides upon."""

    is_local: bool
    """The objects are files of this machine."""
    can_link: bool
    can_clone: bool
    mounts_overlays: bool
    """The engine can mount an overlay into its containers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedChannel:
    """A channel that an engine can mount."""

    staging: Staging
    directory: Path
    """The files: the channel's directory itself, or the lower layer of an overlay when they are linked."""
    is_read_only: bool
    """FastFile mode."""
    note: str | None
    """One sentence for the job's log; ``None`` when no byte was moved."""

    @property
    def needs_overlay(self) -> bool:
        """The container must not get ``directory`` itself: its files are the objects'."""
        return self.staging is Staging.LINKED


def choose_staging(facts: Facts) -> Staging:
    """The cheapest way that the machine and the engine allow."""
    for staging, is_possible in (
        (Staging.DOWNLOADED, not facts.is_local),
        (Staging.LINKED, facts.can_link and facts.mounts_overlays),
        (Staging.CLONED, facts.can_clone),
    ):
        if is_possible:
            return staging
    return Staging.COPIED


def staging_note(name: str, mode: InputMode, staging: Staging, facts: Facts) -> str | None:
    """What the job's log says of a channel that could not be given as the service would; ``None`` for nothing."""
    if staging in (Staging.LINKED, Staging.CLONED):
        return None
    if staging is Staging.DOWNLOADED:
        if mode is InputMode.FAST_FILE:
            return (
                f"Channel {name} is in FastFile mode, but its objects are not on this machine: all of them are "
                "downloaded before the container starts, and the directory is read-only as in FastFile mode."
            )
        return None  # as the service does it
    why = (
        "the engine mounts no overlays"
        if facts.can_link
        else "the objects and the job are on different file systems, or the files belong to somebody else"
    )
    return f"Channel {name} is copied before the container starts, because {why}."


def stage_channel(
    content: ChannelContent,
    source: ObjectSource,
    directory: Path,
    *,
    mounts_overlays: bool,
    host_index: int = 0,
    host_count: int = 1,
    checkpoint: Checkpoint = lambda: None,
) -> StagedChannel:
    """Make a channel's files for one host.

    Args:
        content: What the channel holds.
        source: Where the objects are.
        directory: A new directory, on the file system of the objects if that can be.
        mounts_overlays: Whether the engine can mount an overlay into its containers.
        host_index: As ``contract.channel_order.epoch_items``.
        host_count: As there.
        checkpoint: Called again and again, from any thread; what it raises ends the work.

    Raises:
        ConfigError: ``data-download-failed``.
        OSError: the files cannot be made.
    """
    files = content.files(host_index=host_index, host_count=host_count)
    directory.mkdir(parents=True)
    for parent in sorted({os.path.dirname(path) for path in files} - {""}):
        (directory / parent).mkdir(parents=True, exist_ok=True)
    work = _Work(files, content.root.bucket, source, directory, checkpoint)
    with download_errors():
        facts = work.find_facts(mounts_overlays=mounts_overlays)
        staging = choose_staging(facts)
        if staging is Staging.LINKED:
            work.link_all()
        else:
            work.download_all(DOWNLOADS_MAX_COUNT if staging is Staging.DOWNLOADED else 1)
    mode = content.channel.input_mode
    return StagedChannel(
        staging=staging,
        directory=directory,
        is_read_only=mode is InputMode.FAST_FILE,
        note=staging_note(content.channel.name, mode, staging, facts),
    )


@dataclass(frozen=True, slots=True)
class _Work:
    files: Mapping[str, str]
    """Relative path → key."""
    bucket: str
    source: ObjectSource
    directory: Path
    checkpoint: Checkpoint

    def find_facts(self, *, mounts_overlays: bool) -> Facts:
        """Look what is possible, at one file of the channel."""
        key = next(iter(self.files.values()), None)
        first = None if key is None else self.source.local_path(self.bucket, key)
        return Facts(
            is_local=key is None or first is not None,
            can_link=first is None or can_link(first, self.directory),
            can_clone=first is not None and can_clone(first, self.directory),
            mounts_overlays=mounts_overlays,
        )

    def link_all(self) -> None:
        """Second names for the objects' files; copies of those that cannot have one or that others may not read."""
        for path, key in self.files.items():
            self.checkpoint()
            target = self.directory / path
            if not self._link(key, target):
                self.source.download(self.bucket, key, target, self.checkpoint)

    def _link(self, key: str, target: Path) -> bool:
        path = self.source.local_path(self.bucket, key)
        try:
            if path is None:
                return False
            os.link(path, target, follow_symlinks=False)
        except OSError:
            return False
        mode = target.lstat().st_mode
        if stat.S_ISREG(mode) and mode & stat.S_IROTH:
            return True
        target.unlink()
        return False

    def download_all(self, workers: int) -> None:
        """Files of the job's own. The first failure ends the rest, also downloads that are under way."""
        ended = Event()

        def check() -> None:
            if ended.is_set():
                raise _EndedError
            self.checkpoint()

        def download(path: str, key: str) -> None:
            check()
            self.source.download(self.bucket, key, self.directory / path, check)

        with ThreadPoolExecutor(workers, thread_name_prefix="download") as pool:
            downloads = [pool.submit(download, path, key) for path, key in self.files.items()]
            try:
                done, _ = wait(downloads, return_when=FIRST_EXCEPTION)
            finally:
                ended.set()
                pool.shutdown(cancel_futures=True)
            for one in done:
                one.result()


class _EndedError(Exception):
    """Another download failed."""

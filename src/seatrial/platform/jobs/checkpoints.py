"""Checkpoints of one host: restored before its container starts, kept in step with S3 while it runs, and at its end.

What is in S3 by our doing is written down before it is: a platform that is killed at any moment leaves a file by which
the next one uploads what is missing there and deletes what is missing here, and nothing else. The file is there from
the end of the restoring to the end of the last sync only, so that a directory that is half restored or half removed
never counts as one from which the program has deleted something.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from seatrial.contract.checkpoints import (
    UPLOADED_SUFFIX,
    UPLOADING_SUFFIX,
    FileStamp,
    checkpoint_names,
    checkpoint_prefix,
    plan_sync,
)
from seatrial.contract.s3_uris import S3Uri
from seatrial.core.errors import ConfigError, SeatrialError
from seatrial.core.trees import Checkpoint, OutsideError
from seatrial.objects.errors import ObjectStoreError
from seatrial.objects.transfer import ObjectTransfer
from seatrial.platform.jobs.checkpoint_directory import CheckpointDirectory

LOG = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
"""Between the end of a look at the directory and the next one (§1.8 has no figure: UNVERIFIED)."""

_LOOKING_SHARE = 0.1
"""Of the time: a directory that takes long to look at is looked at less often."""


class CheckpointSync:
    """See the module; all methods are called from the job's thread.

    Args:
        objects: Where they are kept.
        uri: ``CheckpointConfig.S3Uri``.
        local_path: Where the container has them.
        directory: Where they are on this machine; mounted at ``local_path``.
        state_file: What is known to be in S3.
    """

    def __init__(
        self, objects: ObjectTransfer, uri: S3Uri, local_path: PurePosixPath, directory: Path, state_file: Path
    ) -> None:
        self.uri = uri
        self.local_path = local_path
        self.directory = directory
        self._objects = objects
        self._prefix = checkpoint_prefix(uri.key)
        self._checkpoints = CheckpointDirectory(directory, local_path)
        self._state_file = state_file
        self._known: dict[str, FileStamp | None] = {}
        self._said: set[str] = set()
        self._is_ending = threading.Event()
        self._thread: threading.Thread | None = None

    def restore(self, checkpoint: Checkpoint) -> None:
        """Fill the new directory with what is in S3.

        Args:
            checkpoint: Called again and again meanwhile; what it raises ends it.

        Raises:
            ConfigError: S3 does not give an object.
            ContractError: an object has no place in a directory.
            OSError: a file cannot be written.
        """
        self.directory.mkdir(parents=True)
        key = self._prefix
        try:
            names = checkpoint_names(self._objects.list_keys(self.uri.bucket, self._prefix), self._prefix)
            for name, key in names.items():
                checkpoint()
                target = self.directory / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._objects.download(self.uri.bucket, key, target, checkpoint)
        except ObjectStoreError as error:
            raise ConfigError(
                "data-download-failed",
                f"Data download failed:Unable to download object s3://{self.uri.bucket}/{key} ({error.sentence()})",
            ) from error
        self._known = dict(self._checkpoints.scan().files)
        self._write_state()

    def start(self) -> None:
        """Sync from now on; also what an earlier process has left, which may be nothing."""
        if not self._state_file.exists():
            return
        self._known = self._read_state()
        self._thread = threading.Thread(target=self._keep_syncing, name=f"checkpoints of {self.uri}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sync no more; what is written down stays for ``finish`` or another process."""
        self._is_ending.set()
        if self._thread is not None:
            self._thread.join()

    def finish(self) -> tuple[str, ...]:
        """Sync for the last time, once the container has ended; also when ``start`` was not called.

        Returns:
            One sentence for each checkpoint that S3 does not have.
        """
        self.close()
        if not self._state_file.exists():
            return ()
        if self._thread is None:
            self._known = self._read_state()
        problems = self._sync_once()
        if not problems:
            self._state_file.unlink(missing_ok=True)
        return problems

    def passed_over(self) -> tuple[str, ...]:
        """One sentence for each thing in the directory that is no checkpoint: a link that leads out, a FIFO."""
        return tuple(sorted(self._said))

    def _keep_syncing(self) -> None:
        pause_seconds = 0.0
        was_said: tuple[str, ...] = ()
        while not self._is_ending.wait(pause_seconds):
            began = time.monotonic()
            problems = self._sync_once()
            if problems and problems != was_said:
                LOG.warning("checkpoints are not in %s yet: %s", self.uri, "; ".join(problems))
            was_said = problems
            pause_seconds = max(SYNC_SECONDS, (time.monotonic() - began) / _LOOKING_SHARE)

    def _sync_once(self) -> tuple[str, ...]:
        try:
            return tuple(self._sync())
        except OSError as error:
            return (f"the directory of the checkpoints cannot be synced: {(error.strerror or str(error)).lower()}",)

    def _sync(self) -> list[str]:
        scan = self._checkpoints.scan()
        self._said.update(f"the checkpoint {name!r} is passed over: {why}" for name, why in scan.unread.items())
        for marker in scan.markers:
            if marker.removesuffix(UPLOADING_SUFFIX).removesuffix(UPLOADED_SUFFIX) not in scan.files:
                self._checkpoints.remove_marker(marker)
        plan = plan_sync(scan.files, self._known, scan.unread)
        if not plan.uploads and not plan.deletes:
            return []
        self._known.update(dict.fromkeys(plan.uploads))
        self._write_state()
        problems: list[str] = []
        for name in plan.uploads:
            with self._noting(problems, name):
                self._upload(name, scan.files[name])
        for name in plan.deletes:
            with self._noting(problems, name):
                self._objects.delete(self.uri.bucket, f"{self._prefix}{name}")
                del self._known[name]
        self._write_state()
        return problems

    def _upload(self, name: str, stamp: FileStamp) -> None:
        try:
            file = self._checkpoints.open(name)
        except FileNotFoundError:
            return  # the next look finds it gone
        with file:
            self._checkpoints.mark_uploading(name)
            self._objects.upload(
                file, self.uri.bucket, f"{self._prefix}{name}", content_type="application/octet-stream"
            )
        self._known[name] = stamp
        self._checkpoints.mark_uploaded(name)

    @contextlib.contextmanager
    def _noting(self, problems: list[str], name: str) -> Iterator[None]:
        try:
            yield
        except (SeatrialError, OutsideError, OSError) as error:
            said = error.sentence() if isinstance(error, SeatrialError) else str(error)
            problems.append(f"s3://{self.uri.bucket}/{self._prefix}{name} is not in step: {said}")

    def _read_state(self) -> dict[str, FileStamp | None]:
        entries = json.loads(self._state_file.read_text(encoding="ascii"))
        return {name: None if stamp is None else FileStamp(*stamp) for name, stamp in entries.items()}

    def _write_state(self) -> None:
        entries = {
            name: None if stamp is None else (stamp.size_bytes, stamp.modified_ns, stamp.inode)
            for name, stamp in self._known.items()
        }
        partial = self._state_file.with_name(f"{self._state_file.name}.partial")
        partial.write_text(json.dumps(entries), encoding="ascii")
        partial.replace(self._state_file)

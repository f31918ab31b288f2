"""The directory a command works in: locked while it lives, swept by the next one when it was killed.

``kill -9`` leaves a work directory behind, and with the Docker engine a running container. Each work directory holds a
``lease`` file that its process keeps locked; the kernel drops the lock with the process. A lease that can be locked is
over, and what carries its token is an orphan.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seatrial.core.errors import ConfigError
from seatrial.core.trees import remove_tree
from seatrial.engines.base import Engine

LEASE_LABEL = "seatrial.lease"
"""Label of a container: the token of the work directory it belongs to."""

_PREFIX = "seatrial-work-"
_FRESH_PREFIX = "seatrial-new-"
_FRESH_MAX_SECONDS = 3600.0
_LEASE = "lease"
_WORK = "work"
_TOKEN_BYTES = 8


@dataclass(slots=True)
class WorkDirectory:
    """A directory of this process, for one command."""

    path: Path
    token: str
    is_kept: bool = False
    """True leaves it where it is when the command ends."""

    @property
    def labels(self) -> dict[str, str]:
        """What the containers of this command must carry."""
        return {LEASE_LABEL: self.token}


@contextlib.contextmanager
def work_directory(engine: Engine) -> Iterator[WorkDirectory]:
    """A new, empty directory that is gone at the end; sweeps what killed processes left.

    Args:
        engine: Runs the containers of this command, and removes the orphans of earlier ones of the same site.

    Raises:
        ConfigError: the directory that ``TMPDIR`` names cannot be written.
        OSError: no directory for temporary files can be written.
    """
    parent = _check_temporary_directory()
    sweep(parent, engine)
    token = secrets.token_hex(_TOKEN_BYTES)
    # Locked under another name first: a directory with the prefix whose lease is free is always an orphan's.
    fresh = Path(tempfile.mkdtemp(prefix=_FRESH_PREFIX, dir=parent))
    lease = os.open(fresh / _LEASE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lease, fcntl.LOCK_EX)
        os.write(lease, f"{engine.site} {token}\n".encode())
        root = parent / f"{_PREFIX}{token}"
        fresh.rename(root)
        work = WorkDirectory(root / _WORK, token)
        work.path.mkdir()
        try:
            yield work
        finally:
            if work.is_kept:
                (root / _LEASE).unlink()  # without a lease it is never swept
            else:
                _remove(root)
    finally:
        os.close(lease)


def sweep(parent: Path, engine: Engine) -> None:
    """Remove the containers and directories of this user's killed commands; never fails, never touches living ones.

    Directories of another site's commands stay for the engine of that site, which alone can find their containers.
    """
    for fresh in parent.glob(f"{_FRESH_PREFIX}*"):  # killed before it had its lease
        with contextlib.suppress(OSError):
            status = fresh.lstat()
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _FRESH_MAX_SECONDS:
                remove_tree(fresh)
    over: dict[str, Path] = {}
    with contextlib.ExitStack() as locks:
        for root in parent.glob(f"{_PREFIX}*"):
            token = _token_of_ended(root, engine.site, locks)
            if token is not None:
                over[token] = root
        if not over:
            return
        with contextlib.suppress(Exception):  # an engine that cannot answer will say so when it is to start something
            engine.remove_orphans(lambda labels: labels.get(LEASE_LABEL) in over)
            for root in over.values():
                _remove(root)


def _remove(root: Path) -> None:
    """Remove a work directory; the lease goes last, so that what is left of it is swept later."""
    remove_tree(root / _WORK)
    if not (root / _WORK).exists():
        remove_tree(root)


def _check_temporary_directory() -> Path:
    """The directory for temporary files; ``tempfile`` passes over one that it cannot write to."""
    used = Path(tempfile.gettempdir())
    wanted = os.environ.get("TMPDIR")
    if wanted and Path(wanted).absolute() != used:
        raise ConfigError(
            "temporary-directory-unusable",
            "no file can be made in the directory for temporary files",
            where=f"TMPDIR={wanted}",
            found="no such directory, a full disk, or no permission",
            fix="set TMPDIR to a directory with room for the channels and the model, or unset it",
        )
    return used


def _token_of_ended(root: Path, site: str, locks: contextlib.ExitStack) -> str | None:
    """The token of a lease whose process is gone; it stays locked until ``locks`` is closed."""
    try:
        status = root.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            return None
        lease = os.open(root / _LEASE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        locks.callback(os.close, lease)
        fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        leased_site, token = os.read(lease, 256).decode().split()
    except (OSError, ValueError):
        return None
    return token if leased_site == site and root.name == f"{_PREFIX}{token}" else None

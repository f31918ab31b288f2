"""What the directory of a Docker container that outlives its starter holds: which container it is.

The file is written before the container is started, so that every container that ever ran has one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from seatrial.core.trees import remove_tree

if TYPE_CHECKING:
    from seatrial.engines.docker_handle import Container

_FILE = "container.json"


class Kept(msgspec.Struct, frozen=True):
    """A container as the process that starts it knows it."""

    id: str
    name: str
    network_id: str | None
    image: str
    foreign_paths: list[str]
    """Files of other users that lay in its mounts before it ran."""


def write(keep_dir: Path, container: Container, image: str, foreign: set[Path]) -> None:
    """Note a container that is about to be started."""
    keep_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = Kept(container.id, container.name, container.network_id, image, sorted(map(str, foreign)))
    partial = keep_dir / f"{_FILE}.partial"
    partial.write_bytes(msgspec.json.encode(kept))
    os.replace(partial, keep_dir / _FILE)


def read(keep_dir: Path) -> Kept | None:
    """The container of a directory; ``None`` when none was about to be started."""
    try:
        return msgspec.json.decode((keep_dir / _FILE).read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None


def remove(keep_dir: Path) -> None:
    """Forget the container."""
    remove_tree(keep_dir)

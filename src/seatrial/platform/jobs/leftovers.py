"""What a killed platform left of jobs that had ended: removed before the next one takes the others on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from seatrial.core.errors import SeatrialError
from seatrial.core.trees import remove_tree
from seatrial.engines.base import ContainerSpec, Engine
from seatrial.platform.jobs.input.feed import Feed
from seatrial.platform.jobs.job_input import FEED_DIRECTORY
from seatrial.platform.jobs.stored_training import IMAGE_FILE, JOB_LABEL, UNSAVED_FILE
from seatrial.platform.jobs.training import KEEP_DIRECTORY

LOG = logging.getLogger(__name__)


def remove_leftovers(
    work_root: Path,
    unfinished: Collection[str],
    engine_for: Callable[[str], Engine],
    is_ours: Callable[[Mapping[str, str]], bool],
) -> None:
    """Remove containers and directories that no unfinished job owns; an engine that is gone keeps its own.

    Args:
        work_root: Holds the jobs' directories.
        unfinished: Jobs that will be taken on.
        engine_for: The engine of an image.
        is_ours: Whether a container with these labels is one of this platform.
    """
    directories = [path for path in work_root.iterdir() if path.is_dir()] if work_root.is_dir() else []
    engines: dict[str, Engine] = {}
    for directory in directories:
        try:
            engine = engine_for((directory / IMAGE_FILE).read_text(encoding="utf-8"))
            engines[engine.name] = engine
            if directory.name not in unfinished and not (directory / UNSAVED_FILE).exists():
                _remove(engine, directory)
        except FileNotFoundError:  # killed before it held anything
            if directory.name not in unfinished:
                remove_tree(directory)
        except SeatrialError as error:
            LOG.warning("what training job %s left is not removed: %s", directory.name, error.sentence())

    def is_orphan(labels: Mapping[str, str]) -> bool:
        """Created, and its starter was killed before it could note it."""
        return is_ours(labels) and not (work_root / labels.get(JOB_LABEL, "") / KEEP_DIRECTORY).is_dir()

    for engine in engines.values():
        try:
            engine.remove_orphans(is_orphan)
        except SeatrialError as error:
            LOG.warning("containers of an earlier platform may still be there: %s", error.sentence())


def _remove(engine: Engine, directory: Path) -> None:
    handle = engine.find(ContainerSpec(image=""), lambda _: None, directory / KEEP_DIRECTORY)
    if handle is not None:
        handle.remove()
    Feed(directory / FEED_DIRECTORY).stop()
    remove_tree(directory)

"""What the directory of a job on several hosts holds, for a later process to find.

network      the job's network, as its engine keeps it
algo-N       the container of each host, as its engine keeps it
failed-host  the name of the host that failed first
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

NETWORK_DIRECTORY = "network"
_FAILED_FILE = "failed-host"


def below(keep_dir: Path | None, name: str) -> Path | None:
    return None if keep_dir is None else keep_dir / name


def write_failed_host(keep_dir: Path | None, name: str) -> None:
    if keep_dir is not None:
        with contextlib.suppress(OSError):  # a full disk: the next process may take another host for the first
            partial = keep_dir / f"{_FAILED_FILE}.partial"
            partial.write_text(name, encoding="utf-8")
            partial.replace(keep_dir / _FAILED_FILE)


def read_failed_host(keep_dir: Path | None, known: Mapping[str, object]) -> str | None:
    """The host that failed first as an earlier process saw it, when its container is there."""
    with contextlib.suppress(OSError):
        name = None if keep_dir is None else (keep_dir / _FAILED_FILE).read_text(encoding="utf-8")
        return name if name is not None and known.get(name) is not None else None
    return None


def forget_failed_host(keep_dir: Path | None) -> None:
    if keep_dir is not None:
        (keep_dir / _FAILED_FILE).unlink(missing_ok=True)

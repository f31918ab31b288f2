"""How far a program can be set apart on this machine, found out by trying it once."""

from __future__ import annotations

import enum
import functools
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.contract.layout import OPT_ML
from seatrial.core.errors import EngineError
from seatrial.engines.launch import LaunchFailedError, launch

if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import Instructions


class Isolation(enum.Enum):
    """What stands between a program and the host."""

    ROOT = "root"
    """Namespaces made with root's rights; the program is root, as in most images."""
    USER = "user"
    """Namespaces inside a user namespace; the program runs as the caller."""
    NONE = "none"
    """Nothing: a plain process."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The best isolation of this machine."""

    isolation: Isolation
    reason: str = ""
    """Why it is no better; empty when it is ``ROOT`` or ``USER``."""


@functools.cache
def find_isolation() -> Finding:
    """Try the kinds of isolation, best first."""
    if sys.platform != "linux":
        return Finding(Isolation.NONE, f"{sys.platform} has no namespaces")
    kinds = (Isolation.ROOT, Isolation.USER) if os.geteuid() == 0 else (Isolation.USER,)
    reason = ""
    for kind in kinds:
        try:
            _try(kind)
        except (LaunchFailedError, EngineError) as error:
            reason = error.text() if isinstance(error, LaunchFailedError) else error.sentence()
        else:
            return Finding(kind)
    return Finding(Isolation.NONE, reason)


def find_outbound_program() -> str | None:
    """slirp4netns, which gives a private network its way out."""
    return shutil.which("slirp4netns")


def _try(isolation: Isolation) -> None:
    launcher = launch(trial_instructions(isolation), (), lambda _line: None)
    launcher.wait(None)
    launcher.close()


def trial_instructions(isolation: Isolation) -> Instructions:
    """The smallest container: it does nothing."""
    return {
        "has_namespaces": True,
        "needs_user_namespace": isolation is Isolation.USER,
        "has_private_network": True,
        "peers": None,
        "host_name": None,
        "hosts_file": None,
        "name_server": None,
        "outbound_program": None,
        "listeners": [],
        "host_ports": [],
        "keep": None,
        "cgroup_dirs": [],
        "oom_kill_file": None,
        "mounts": [],
        "writable_views": namespace_views((str(OPT_ML),)) if isolation is Isolation.USER else [],
        "empty_dirs": [],
        "empty_dir": str(OPT_ML),
        "shm_bytes": None,
        "executable": "/bin/sh",
        "argv": ["sh", "-c", ":"],
        "environment": {"HOME": PRIVATE_HOME},
        "working_dir": "/",
        "cleanup_paths": [],
        "scratch_dir": None,
    }


_SERVER_DIRS = ("/var/lib/nginx", "/var/log/nginx")
"""Where Debian's nginx, part of every classic container, writes unless told otherwise, and only root may."""

PRIVATE_HOME = "/run/seatrial-home"
"""HOME of a program in namespaces: empty, writable, gone with the container."""


def namespace_views(targets: tuple[str, ...]) -> list[str]:
    """Directories in which a user namespace needs views of its own to be able to write.

    In a view of the whole root it may not write below directories that belong to root; in a view that starts at the
    directory itself it may.

    Args:
        targets: Paths that must become possible to make.
    """
    return sorted({"/tmp", "/var/tmp", "/run", *(_existing(target) for target in targets)})  # noqa: S108


def server_dirs() -> list[str]:
    """Directories to empty and open in a user namespace."""
    return [path for path in _SERVER_DIRS if os.path.isdir(path)]


def _existing(path: str) -> str:
    """The deepest directory on the way to ``path`` that exists on the host."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path

"""Find and end what a program has started, where no process namespace does it for us."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

_ATTEMPTS_MAX = 1000
_GROUP_REMOVAL_SECONDS = 2.0


def kill_group(leader: int) -> None:
    """SIGKILL to the process group that ``leader`` led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_all(leader: int) -> None:
    """End every process the program left behind.

    On Linux the launcher has adopted even those that detached themselves, as long as it is a subreaper; elsewhere only
    the program's own group is reached.
    """
    kill_group(leader)
    if sys.platform != "linux":
        return
    for _ in range(_ATTEMPTS_MAX):  # a process may fork while the list is read
        left = _below(os.getpid())
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.001)


def _below(ancestor: int) -> list[int]:
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
                # The name, in parentheses, may hold anything; the state and the parent follow it.
                parents[int(entry)] = int(file.read().rpartition(b")")[2].split()[1])
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {ancestor})


def remove_control_group(path: str) -> None:
    """Remove an empty control group; the kernel may need a moment after its last process."""
    deadline = time.monotonic() + _GROUP_REMOVAL_SECONDS
    while True:
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return

"""May a model that was loaded in one process be used in processes forked from it?

Not when threads run (a fork copies their locks, but not them), and not when a GPU is in use (CUDA does not survive a
fork). Threads of libraries that end them at a fork and start them again, such as OpenBLAS, do no harm; a trial fork
tells them from the others.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from pathlib import Path

from seatrial.runtime.serving.hooks import Hooks

_TASKS = Path("/proc/self/task")
_OPEN_FILES = Path("/proc/self/fd")


def why_not_shared(hooks: Hooks) -> str | None:
    """The reason, as the end of a sentence; ``None`` when the model may be shared."""
    asynchronous = [hook.name for hook in hooks.loading if hook.is_async]
    if asynchronous:
        return f"{asynchronous[0]} is async and belongs to each worker's own event loop"
    names = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    if names:
        return f"loading it started the thread {names[0]!r}"
    if sys.platform != "linux":
        return "only Linux tells which threads a process has"
    if uses_gpu():
        return "loading it opened a GPU"
    if native_thread_count() > 1:
        fork_nothing()
        if native_thread_count() > 1:
            return "loading it started threads of a native library"
    return None


def native_thread_count() -> int:
    """Threads of this process, those Python does not know included."""
    return len(list(_TASKS.iterdir()))


def uses_gpu() -> bool:
    """Whether this process has a GPU device open."""
    return any(_link(entry).startswith("/dev/nvidia") for entry in _OPEN_FILES.iterdir())


def _link(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:  # the directory's own descriptor, closed by now
        return ""


def fork_nothing() -> None:
    """Fork a process that ends at once, so that libraries run what they registered for a fork."""
    pid = fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def fork() -> int:
    """``os.fork``, without Python's warning about threads: they have been looked at here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()

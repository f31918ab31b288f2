"""What a container that outlives its starter leaves in its directory, so that a later process finds it.

    lease        locked by the launcher, and by its starter until then: a free lease means that nothing runs any more
    control      a FIFO: commands to the launcher, from whoever is there
    output       everything the container has printed
    traces.json  what was made on the host, to be taken back when the launcher was killed
    started      made right before the program runs
    end.json     the launcher's last report

The launcher writes the last three lines' files itself (``launcher/main.py``); everything here is for the process
outside.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seatrial.core.errors import EngineError
from seatrial.core.subprocesses import LineSplitter, OnLine
from seatrial.core.trees import remove_tree
from seatrial.engines.launcher.instructions import (
    CONTROL_FILE,
    END_FILE,
    KILL,
    LEASE_FILE,
    OUTPUT_FILE,
    STARTED_FILE,
    TERMINATE,
)

if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import Report

_TRACES_FILE = "traces.json"
_READ_BYTES = 1 << 16
_IDLE_SECONDS = 0.05
"""How long new output may wait to be seen; the end of the container is seen at once."""


@dataclass(frozen=True, slots=True)
class Keep:
    """A directory of the caller's for one container."""

    path: Path

    def make(self, traces: Mapping[str, Any]) -> int:
        """Fill the directory for a container that is about to be started.

        Args:
            traces: What ``read_traces`` shall give.

        Returns:
            The lease, locked; the launcher inherits it.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.path / _TRACES_FILE).write_text(json.dumps(traces), encoding="utf-8")
        os.mkfifo(self.path / CONTROL_FILE, 0o600)
        lease = os.open(self.path / LEASE_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lease, fcntl.LOCK_EX)
        return lease

    def read_traces(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.path / _TRACES_FILE).read_text(encoding="utf-8"))
            return found
        return {}

    def open_output(self) -> BinaryIO:
        """For the container to append to."""
        return (self.path / OUTPUT_FILE).open("ab")

    @property
    def was_used(self) -> bool:
        return (self.path / LEASE_FILE).exists()

    @property
    def has_started(self) -> bool:
        return (self.path / STARTED_FILE).exists()

    @property
    def is_running(self) -> bool:
        """Whether a launcher, or somebody who is about to start one, holds the lease."""
        try:
            with _lease(self.path) as lease:
                fcntl.flock(lease, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def wait_for_end(self) -> None:
        """Return when nothing of the container runs any more."""
        with contextlib.suppress(FileNotFoundError), _lease(self.path) as lease:  # removed: it had ended
            fcntl.flock(lease, fcntl.LOCK_SH)

    def read_end(self) -> Report | None:
        """The launcher's last report; ``None`` when it was killed before."""
        with contextlib.suppress(OSError, ValueError):
            report: Report = json.loads((self.path / END_FILE).read_bytes())
            return report
        return None

    def send(self, command: bytes) -> None:
        """Tell the launcher; nobody hears it when it has ended."""
        try:
            control = os.open(self.path / CONTROL_FILE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return
            raise
        try:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(control, command)
        finally:
            os.close(control)

    def remove(self) -> None:
        remove_tree(self.path)


@contextlib.contextmanager
def _lease(path: Path) -> Iterator[int]:
    descriptor = os.open(path / LEASE_FILE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class KeptLauncher:
    """The launcher of a kept container, whoever started it; as ``launch.Launcher`` otherwise.

    Args:
        keep: The container's directory.
        on_line: Receives its output from the first line on.
        process: The launcher when it is our child.
    """

    def __init__(self, keep: Keep, on_line: OnLine, process: subprocess.Popen[bytes] | None = None) -> None:
        self._keep = keep
        self._process = process
        self._has_ended = threading.Event()
        self._end: Report | None = None
        threading.Thread(target=self._await_end, name=f"end of {keep.path}", daemon=True).start()
        self._follower = threading.Thread(
            target=self._follow, args=(on_line,), name=f"output of {keep.path}", daemon=True
        )
        self._follower.start()

    def wait(self, timeout_seconds: float | None) -> int | None:
        """The program's exit code after its last line; ``None`` when the time is up first.

        Raises:
            EngineError: the launcher was killed, and nobody knows how the program ended.
        """
        if not self._has_ended.wait(timeout_seconds):
            return None
        self._follower.join()
        if self._end is None:
            raise lost(self._keep)
        return self._end["exit_code"]

    def terminate(self) -> None:
        self._keep.send(TERMINATE)

    def kill(self) -> None:
        self._keep.send(KILL)

    def close(self) -> None:
        """Remove the container's directory, after its end."""
        self._keep.remove()

    def oom_kill_count(self) -> int:
        return self._end.get("oom_kill_count", 0) if self._end is not None else 0

    def _await_end(self) -> None:
        self._keep.wait_for_end()
        if self._process is not None:
            self._process.wait()
        self._end = self._keep.read_end()
        self._has_ended.set()

    def _follow(self, on_line: OnLine) -> None:
        splitter = LineSplitter()
        with (self._keep.path / OUTPUT_FILE).open("rb", buffering=0) as output:
            is_last_look = False
            while True:
                while chunk := output.read(_READ_BYTES):
                    for line in splitter.feed(chunk):
                        on_line(line)
                if is_last_look:
                    break
                is_last_look = self._has_ended.wait(_IDLE_SECONDS)
        for line in splitter.flush():
            on_line(line)


def lost(keep: Keep) -> EngineError:
    """Nobody knows how the container ended."""
    return EngineError(
        "container-lost",
        "the process that held the container was killed",
        where=str(keep.path),
        fix="look whether the machine was restarted or ran out of memory",
    )

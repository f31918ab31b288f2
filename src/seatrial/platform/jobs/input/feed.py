"""The feeder process of one host, seen from the platform: start it, learn what went wrong, end it.

Whoever finds a feeder that was killed while its container ran has to fail the job, however well the container ends:
its reader cannot tell the cut from the end of the data.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import msgspec

from seatrial.contract.failure import client_failure_reason, internal_failure_reason
from seatrial.core.errors import ConfigError, EngineError
from seatrial.core.trees import remove_tree
from seatrial.platform.jobs.input.feed_plan import (
    CONTROL_FILE,
    LEASE_FILE,
    OUTPUT_FILE,
    PLAN_FILE,
    PROBLEM_FILE,
    SPOOL_DIRECTORY,
    Answer,
    FeedPlan,
    FeedState,
    feed_state,
)

_PACKAGE_PARENT = str(Path(__file__).resolve().parents[4])
_CODE = "import sys; sys.path.append(sys.argv[1]); from seatrial.platform.jobs.input.feeder_process import main; main()"
_LAST_WORDS_BYTES = 500


class Feed:
    """The feeder process of a directory, whoever has started it.

    Args:
        directory: Of the caller's, for this process alone; see ``feed_plan``.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, plan: FeedPlan) -> None:
        """Start a process in the place of an earlier one; returns when the first FIFO of every channel is there.

        No container of the job runs.

        Raises:
            ConfigError: ``data-download-failed``; a channel cannot be read.
            EngineError: the process cannot be started.
        """
        self.stop()
        remove_tree(self._directory)
        _remove_fifos(plan)
        (self._directory / SPOOL_DIRECTORY).mkdir(parents=True)
        (self._directory / PLAN_FILE).write_bytes(msgspec.json.encode(plan))
        os.mkfifo(self._directory / CONTROL_FILE, 0o600)
        lease = os.open(self._directory / LEASE_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lease, fcntl.LOCK_EX)
            self._process = self._spawn(lease)
        except OSError as error:
            raise EngineError("launch-failed", "cannot start the feeder of Pipe mode", found=str(error)) from error
        finally:
            os.close(lease)
        self._await_answer(self._process)

    def _spawn(self, lease: int) -> subprocess.Popen[bytes]:
        with (self._directory / OUTPUT_FILE).open("ab") as output:
            return subprocess.Popen(
                (sys.executable, "-I", "-c", _CODE, _PACKAGE_PARENT, str(self._directory)),
                cwd="/",
                stdin=subprocess.PIPE,  # its end says that this process is gone
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                pass_fds=(lease,),
            )

    def _await_answer(self, process: subprocess.Popen[bytes]) -> None:
        with cast("IO[bytes]", process.stdout) as stdout:
            line = stdout.readline()
        if line:
            problem = msgspec.json.decode(line, type=Answer).problem
            if problem is None:
                return
            self.stop()
            raise ConfigError("data-download-failed", problem)
        self._reap()
        last_words = (self._directory / OUTPUT_FILE).read_bytes()[-_LAST_WORDS_BYTES:]
        raise EngineError(
            "launch-failed",
            "the feeder of Pipe mode ended without a word",
            where=str(self._directory),
            found=" ".join(last_words.decode(errors="replace").split()) or "nothing",
            fix="please report this",
        )

    def failure_reason(self) -> str | None:
        """``FailureReason`` of the job when its container has not got, or may not get, all of the data."""
        with contextlib.suppress(FileNotFoundError):
            return client_failure_reason((self._directory / PROBLEM_FILE).read_text(encoding="utf-8"))
        if feed_state(self._directory) is FeedState.KILLED:
            return internal_failure_reason(
                "the process that feeds the channels in Pipe mode was killed: the container may have taken what it had "
                "got for all of the data"
            )
        return None

    def stop(self) -> None:
        """End the process and wait for that, when the container has ended; also again, and when there is none."""
        with contextlib.suppress(OSError):  # it has ended, or there is none
            control = os.open(self._directory / CONTROL_FILE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(control, b"S")
            finally:
                os.close(control)
        with contextlib.suppress(FileNotFoundError):
            lease = os.open(self._directory / LEASE_FILE, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(lease, fcntl.LOCK_SH)
            finally:
                os.close(lease)
        self._reap()

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            cast("IO[bytes]", process.stdin).close()
            process.wait()


def _remove_fifos(plan: FeedPlan) -> None:
    """What a feeder that was killed has left."""
    for fed in plan.channels:
        for path in Path(plan.data_dir).glob(f"{fed.channel.name}_*"):
            if path.is_fifo() and path.name.rpartition("_")[2].isdecimal():
                path.unlink()

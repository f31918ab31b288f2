"""Start the launcher of one container and talk to it over its control socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.core import subprocesses
from seatrial.core.errors import EngineError
from seatrial.core.subprocesses import OnLine, Running
from seatrial.engines.keep import Keep, KeptLauncher
from seatrial.engines.launcher.instructions import KILL, TERMINATE

if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import Failure, Instructions, Report, Switch
    from seatrial.engines.plan import Traces

_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
_CODE = "import sys; sys.path.append(sys.argv[1]); from seatrial.engines.launcher.{module} import main; main()"


class LaunchFailedError(Exception):
    """The launcher could not start the program."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure["step"])
        self.step = failure["step"]
        self.errno = failure["errno"]
        self.detail = failure["detail"]

    def text(self) -> str:
        reason = os.strerror(self.errno).lower() if self.errno else ""
        return ": ".join(part for part in (self.step, reason, self.detail) if part)


class Launcher:
    """A running launcher; its process ends with the container and has the program's exit code."""

    def __init__(self, running: Running, control: socket.socket, unread: bytes) -> None:
        self._running = running
        self._control = control
        self._unread = unread
        self._lock = threading.Lock()
        self._final: Report = {}

    def wait(self, timeout_seconds: float | None) -> int | None:
        """The program's exit code after its last line; ``None`` when the time is up first."""
        outcome = self._running.wait(timeout_seconds)
        return None if outcome is None else outcome.exit_code

    def terminate(self) -> None:
        """SIGTERM to the program."""
        self._send(TERMINATE)

    def kill(self) -> None:
        """SIGKILL to every process of the container."""
        self._send(KILL)

    def close(self) -> None:
        """Let go of the launcher; it kills what still runs."""
        with self._lock:
            self._read_final()
            self._control.close()

    def oom_kill_count(self) -> int:
        """Processes the kernel killed for the memory limit; known after the end."""
        with self._lock:
            self._read_final()
        return self._final.get("oom_kill_count", 0)

    def _send(self, command: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):  # it has ended
            self._control.send(command, socket.MSG_DONTWAIT)

    def _read_final(self) -> None:
        if self._final or self._control.fileno() < 0:
            return
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            self._unread += self._control.recv(1 << 16, socket.MSG_DONTWAIT)
        if self._unread.endswith(b"\n"):
            self._final = json.loads(self._unread)


def launch_kept(
    instructions: Instructions, fds: Sequence[int], on_line: OnLine, keep: Keep, traces: Traces
) -> KeptLauncher:
    """As ``launch``, for a container that goes on when this process ends.

    Raises:
        LaunchFailedError, EngineError: as ``launch``.
    """
    ours, theirs = socket.socketpair()
    process: subprocess.Popen[bytes] | None = None
    lease = keep.make(traces.to_json())
    try:
        instructions["keep"] = {"path": str(keep.path), "lease_fd": lease}
        with theirs, keep.open_output() as output:
            process = subprocess.Popen(
                _argv(theirs),
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(theirs.fileno(), lease, *fds),
            )
        report, _ = _converse(ours, instructions)
        if "failure" in report:
            raise LaunchFailedError(report["failure"])
    except BaseException as error:
        with contextlib.suppress(OSError):
            ours.send(KILL)  # its end alone tells a kept container nothing
        ours.close()
        if process is not None:
            process.wait()
        keep.remove()
        if isinstance(error, OSError):
            raise EngineError("launch-failed", "cannot start a process", found=str(error)) from error
        raise
    finally:
        os.close(lease)
    ours.close()
    return KeptLauncher(keep, on_line, process)


def launch(instructions: Instructions, fds: Sequence[int], on_line: OnLine) -> Launcher:
    """Start a container; returns when its program runs.

    Args:
        instructions: The container.
        fds: The descriptors that they name.
        on_line: Receives its output.

    Raises:
        LaunchFailedError: a step failed; nothing is left behind.
        EngineError: the launcher ended without a word.
    """
    ours, theirs = socket.socketpair()
    request = subprocesses.Request(
        argv=_argv(theirs),
        environment={},
        cwd=Path("/"),
        pass_fds=(theirs.fileno(), *fds),
    )
    running: Running | None = None
    try:
        with theirs:
            running = subprocesses.start(request, on_line)
        report, unread = _converse(ours, instructions)
        if "failure" in report:
            raise LaunchFailedError(report["failure"])
    except BaseException as error:
        ours.close()  # ends the launcher
        if running is not None:
            running.wait(None)
        if isinstance(error, OSError):
            raise EngineError("launch-failed", "cannot start a process", found=str(error)) from error
        raise
    return Launcher(running, ours, unread)


def launch_switch(switch: Switch) -> tuple[subprocess.Popen[bytes], socket.socket, int]:
    """Start the process that holds a network; returns it, its control socket and its number, when the network is there.

    Raises:
        LaunchFailedError: a step failed; nothing is left behind.
        EngineError: the process ended without a word.
    """
    ours, theirs = socket.socketpair()
    lease = () if switch["keep"] is None else (switch["keep"]["lease_fd"],)
    process: subprocess.Popen[bytes] | None = None
    try:
        with theirs:
            process = subprocess.Popen(
                _argv(theirs, "switch"),
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(theirs.fileno(), *lease),
            )
        report, _ = _converse(ours, switch)
        if "failure" in report:
            raise LaunchFailedError(report["failure"])
    except BaseException as error:
        with contextlib.suppress(OSError):
            ours.send(KILL)
        ours.close()
        if process is not None:
            process.wait()
        if isinstance(error, OSError):
            raise EngineError("launch-failed", "cannot start a process", found=str(error)) from error
        raise
    return process, ours, report["pid"]


def _argv(control: socket.socket, module: str = "main") -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", _CODE.format(module=module), _PACKAGE_PARENT, str(control.fileno()))


def _converse(control: socket.socket, instructions: Instructions | Switch) -> tuple[Report, bytes]:
    """Send the instructions and read the first report; the bytes are what was read of the next."""
    answer = b""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        control.sendall(json.dumps(instructions).encode() + b"\n")
        while b"\n" not in answer and (chunk := control.recv(1 << 16)):
            answer += chunk
    if not answer:
        raise EngineError(
            "launch-failed",
            "the process that starts the container ended without a word",
            fix="look at the container's output for its last words, and report this",
        )
    line, _, unread = answer.partition(b"\n")
    report: Report = json.loads(line)
    return report, unread

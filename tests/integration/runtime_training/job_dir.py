"""A container's view of one training job, run as a real process on a tree of its own."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.contract.layout import OptMl
from seatrial.contract.training import (
    ChannelConfig,
    ResourceConfig,
    write_hyperparameters,
    write_input_data_config,
    write_resource_config,
)

TRAIN = Path(sys.executable).with_name("train")
DEADLINE_SECONDS = 30.0

_IN_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class TrainProcess:
    """``train`` started and followed line by line, stdout and stderr merged as in a job's log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_line(self, text: str) -> str:
        """Return the first new line that holds ``text``."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (line := self._queue.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r} in {self.lines}")

    def wait(self, timeout_seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for the end; all lines are in ``lines`` afterwards."""
        code = self.process.wait(timeout_seconds)
        self._reader.join(DEADLINE_SECONDS)
        with contextlib.suppress(queue.Empty):  # read to the end before
            while (line := self._queue.get_nowait()) is not None:
                self.lines.append(line)
        return code

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as stream:
            for line in stream:
                self._queue.put(line.rstrip("\n"))
        self._queue.put(None)


@dataclass
class JobDir:
    """``/opt/ml`` and the working directory of one job."""

    root: Path
    opt_ml: OptMl = field(init=False)
    work_dir: Path = field(init=False)
    processes: list[TrainProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.opt_ml = OptMl(self.root / "opt" / "ml")
        self.work_dir = self.root / "work"
        self.work_dir.mkdir()
        self.configure()

    def configure(self, channels: Mapping[str, ChannelConfig] | None = None, **hyperparameters: str) -> None:
        channels = channels if channels is not None else {"training": ChannelConfig()}
        write_hyperparameters(self.opt_ml, hyperparameters)
        write_input_data_config(self.opt_ml, channels)
        write_resource_config(self.opt_ml, ResourceConfig(current_host="algo-1", hosts=("algo-1",)))
        for name in channels:
            self.opt_ml.channel_dir(name).mkdir(parents=True, exist_ok=True)

    def write(self, directory: Path, name: str, text: str) -> Path:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def algorithm(self, source: str) -> None:
        self.write(self.work_dir, "algorithm.py", source)

    def code(self, name: str, source: str) -> Path:
        return self.write(self.opt_ml.code_dir, name, source)

    def start(self, *argv: str, **environment: str) -> TrainProcess:
        return self._start(argv or (str(TRAIN),), environment, subprocess.DEVNULL)

    def start_in_terminal(self) -> TrainProcess:
        """``train`` in a terminal of its own; what is written to ``process.stdin`` is typed there."""
        return self._start((sys.executable, "-c", _IN_TERMINAL, str(TRAIN)), {}, subprocess.PIPE)

    def _start(self, argv: tuple[str, ...], environment: Mapping[str, str], stdin: int) -> TrainProcess:
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_START") if name in os.environ
        }
        process = subprocess.Popen(
            argv,
            cwd=self.work_dir,
            env={**inherited, "SAGEMAKER_BASE_DIR": str(self.opt_ml.root), **environment},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = TrainProcess(process)
        self.processes.append(running)
        return running

    def run(self, *argv: str, **environment: str) -> TrainProcess:
        running = self.start(*argv, **environment)
        running.wait()
        return running

    @property
    def failure(self) -> str | None:
        return self.opt_ml.failure_file.read_text() if self.opt_ml.failure_file.exists() else None


def processes_of(job: JobDir) -> list[int]:
    """Processes that a failed test left behind, known by the job's own directory in their environment."""
    mark = f"SAGEMAKER_BASE_DIR={job.opt_ml.root}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
    return found

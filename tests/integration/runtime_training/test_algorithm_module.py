"""``train`` with an algorithm module, as a real process."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seatrial.contract.metrics import metric_regex
from seatrial.contract.recordio import encode_record
from seatrial.contract.training import ChannelConfig, InputMode, RecordWrapperType

if TYPE_CHECKING:
    from job_dir import JobDir

pytestmark = pytest.mark.slow

TRAIN = Path(sys.executable).with_name("train")

PIPE = {"stream": ChannelConfig(training_input_mode=InputMode.PIPE, record_wrapper_type=RecordWrapperType.RECORD_IO)}


def test_train_with_a_dataclass_trains_and_exits_0(job_dir: JobDir) -> None:
    job_dir.algorithm(
        """
from dataclasses import dataclass
from seatrial.runtime.training import Job

@dataclass
class Settings:
    epochs: int
    rate: float = 0.5

def train(job: Job, settings: Settings) -> None:
    rows = [line for file in job.channels["training"].files("*.csv") for line in file.read_text().splitlines()]
    for epoch in range(settings.epochs):
        job.log_metric("loss", settings.rate / (epoch + 1))
    (job.model_dir / "model.txt").write_text(f"{len(rows)} rows")
"""
    )
    job_dir.configure(epochs='"2"', _tuning_objective_metric="loss")
    job_dir.write(job_dir.opt_ml.channel_dir("training"), "iris.csv", "1,2\n3,4\n")

    run = job_dir.run()

    assert run.process.returncode == 0
    assert (job_dir.opt_ml.model_dir / "model.txt").read_text() == "2 rows"
    assert re.findall(metric_regex("loss"), "\n".join(run.lines)) == ["0.5", "0.25"]
    assert job_dir.failure is None


def test_train_that_raises_exits_1_with_summary_first_and_traceback_on_stderr(job_dir: JobDir) -> None:
    job_dir.algorithm("def train(job):\n    raise ValueError('the data is bad')\n")

    run = job_dir.run()

    assert run.process.returncode == 1
    assert str(job_dir.failure).splitlines()[0] == "ValueError: the data is bad"
    assert "Traceback (most recent call last):" in run.lines
    assert not any("seatrial/runtime" in line for line in run.lines)


def test_train_with_a_syntax_error_shows_the_line_and_no_frame_of_ours(job_dir: JobDir) -> None:
    job_dir.algorithm("def train(job:\n    pass\n")

    run = job_dir.run()

    assert run.process.returncode == 1
    assert re.fullmatch(r"SyntaxError: .* \(algorithm.py, line 1\)", str(job_dir.failure).splitlines()[0])
    assert "    def train(job:" in run.lines
    assert not any(mark in line for mark in ("seatrial/runtime", "<frozen") for line in run.lines)


def test_train_with_a_file_that_is_no_python_says_so_in_one_line(job_dir: JobDir) -> None:
    job_dir.write(job_dir.work_dir, "algorithm.txt", "def train(job): ...")

    run = job_dir.run(SEATRIAL_ALGORITHM="./algorithm.txt")

    assert run.process.returncode == 1
    assert "algorithm.txt' is no Python file" in str(job_dir.failure)
    assert not any("Traceback" in line for line in run.lines)


@pytest.mark.parametrize("streams", [">&- 2>&-", "2>/dev/full"])
def test_train_whose_output_goes_nowhere_leaves_the_failure_file(job_dir: JobDir, streams: str) -> None:
    job_dir.algorithm("def train(job):\n    raise ValueError('the data is bad')\n")

    run = job_dir.run("/bin/sh", "-c", f"exec {TRAIN} {streams}")

    assert run.process.returncode != 0  # 120 where Python itself cannot flush at its end
    assert str(job_dir.failure).startswith("ValueError: the data is bad")


def test_train_keeps_the_failure_file_that_the_program_wrote(job_dir: JobDir) -> None:
    job_dir.algorithm(
        """
def train(job):
    (job.output_dir.parent / "failure").write_text("mine")
    raise SystemExit(7)
"""
    )

    assert job_dir.run().process.returncode == 7
    assert job_dir.failure == "mine"


@pytest.mark.parametrize(
    ("death", "exit_code", "failure"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", 139, "the training process ended with exit code 139 (SIGSEGV)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "the training process ended with exit code 137 (SIGKILL); "),
        ("os._exit(3)", 3, "the training process ended with exit code 3 without an exception (os._exit?)"),
        ("os._exit(0)", 0, None),
    ],
)
def test_train_whose_process_dies_leaves_a_failure_file_all_the_same(
    job_dir: JobDir, death: str, exit_code: int, failure: str | None
) -> None:
    job_dir.algorithm(f"import os, signal\ndef train(job):\n    {death}\n")

    run = job_dir.run()

    assert run.process.returncode == exit_code
    assert (job_dir.failure or "").startswith(failure or "")
    assert (job_dir.failure is None) == (failure is None)
    assert ("Fatal Python error: Segmentation fault" in run.lines) == ("SIGSEGV" in death)
    assert any('algorithm.py", line 3 in train' in line for line in run.lines) == ("SIGSEGV" in death)


def test_train_that_wrote_its_failure_file_and_dies_keeps_it(job_dir: JobDir) -> None:
    job_dir.algorithm(
        """
import os
def train(job):
    (job.output_dir.parent / "failure").write_text("mine")
    os._exit(7)
"""
    )

    assert job_dir.run().process.returncode == 7
    assert job_dir.failure == "mine"


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGHUP", "SIGQUIT", "SIGINT", "SIGTERM"])
def test_a_signal_sent_to_train_reaches_the_handler_that_the_program_set(job_dir: JobDir, name: str) -> None:
    job_dir.algorithm(
        f"""
import signal, sys
def train(job):
    signal.signal(signal.{name}, lambda *_: sys.exit(9))
    print("ready")
    while True:
        signal.pause()
"""
    )
    run = job_dir.start()
    run.wait_for_line("ready")

    run.process.send_signal(getattr(signal, name))

    assert run.wait() == 9


def test_a_ctrl_c_of_the_terminal_reaches_the_program_once(job_dir: JobDir) -> None:
    job_dir.algorithm(
        """
import os, signal, sys
def train(job):
    interrupts = []
    def interrupted(*_):
        interrupts.append("x")
        print("interrupted", len(interrupts))
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(len(interrupts)))
    print(f"first process {os.getppid()}")
    while True:
        signal.pause()
"""
    )
    run = job_dir.start_in_terminal()
    first = int(run.wait_for_line("first process").rpartition(" ")[2])

    assert run.process.stdin
    with run.process.stdin as keyboard:
        keyboard.write("\x03")
        keyboard.flush()
        run.wait_for_line("interrupted 1")
        os.kill(first, signal.SIGTERM)  # comes after a SIGINT that was passed on, if there was one
        code = run.wait()

    assert code == 1


def test_a_program_ends_when_the_first_process_is_killed(job_dir: JobDir) -> None:
    job_dir.algorithm("import os, signal\ndef train(job):\n    print('program', os.getpid())\n    signal.pause()\n")
    run = job_dir.start()
    program = int(run.wait_for_line("program").rpartition(" ")[2])

    run.process.kill()

    assert run.wait() == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while _is_running(program):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_train_without_a_program_says_where_it_looked(job_dir: JobDir) -> None:
    run = job_dir.run()

    assert run.process.returncode == 1
    assert len(run.lines) == 1
    assert run.lines[0].startswith("seatrial: error[training-program-not-found]: there is nothing to train with")
    assert str(job_dir.failure).startswith("there is nothing to train with")


def test_train_with_broken_configuration_says_which_file_and_where(job_dir: JobDir) -> None:
    job_dir.algorithm("def train(job): ...\n")
    job_dir.opt_ml.hyperparameters_file.write_text('{"a": 1,\n oops}')

    run = job_dir.run()

    assert run.process.returncode == 1
    assert "hyperparameters.json, line 2, column 2" in run.lines[0]
    assert len(run.lines) == 1


@pytest.mark.parametrize("prefix", ["", "async "])
def test_sigterm_is_seen_as_job_stopping_and_a_normal_return_exits_0(job_dir: JobDir, prefix: str) -> None:
    job_dir.algorithm(
        f"""
import time
{prefix}def train(job):
    print("ready")  # no flush: the line must come by itself
    while not job.stopping:
        time.sleep(0.01)
    (job.model_dir / "saved").touch()
"""
    )
    run = job_dir.start()
    run.wait_for_line("ready")

    run.process.send_signal(signal.SIGTERM)

    assert run.wait() == 0
    assert (job_dir.opt_ml.model_dir / "saved").exists()
    assert "seatrial: the job is being stopped: 120 s to finish" in run.lines
    assert job_dir.failure is None


def test_pipe_mode_reads_one_fifo_an_epoch_and_waits_for_the_next(job_dir: JobDir) -> None:
    job_dir.configure(PIPE)
    job_dir.algorithm(
        """
def train(job):
    channel = job.channels["stream"]
    for epoch in range(3):
        print("records", [record.decode() for record in channel.records()])
"""
    )
    epochs = [[b"one", b"two"], [], [b"x" * 300_000]]

    def feed() -> None:
        for number, records in enumerate(epochs):
            fifo = job_dir.opt_ml.channel_fifo("stream", number)
            os.mkfifo(fifo)
            with fifo.open("wb") as stream:
                stream.writelines(encode_record(record) for record in records)
            fifo.unlink()

    run = job_dir.start()
    writer = threading.Thread(target=feed)
    writer.start()

    assert run.wait() == 0
    writer.join(10)
    assert not writer.is_alive()
    assert run.lines == ["records ['one', 'two']", "records []", f"records ['{'x' * 300_000}']"]


@pytest.mark.parametrize("has_writer", [False, True])
def test_sigterm_ends_a_wait_for_a_pipe(job_dir: JobDir, tmp_path: Path, has_writer: bool) -> None:
    job_dir.configure(PIPE)
    job_dir.algorithm(
        """
def train(job):
    print("waiting")
    with job.channels["stream"].open_epoch() as stream:
        print("first", stream.read(4))
        stream.read(1)
"""
    )
    if has_writer:
        os.mkfifo(job_dir.opt_ml.channel_fifo("stream", 0))
    run = job_dir.start()
    run.wait_for_line("waiting")

    if has_writer:
        with job_dir.opt_ml.channel_fifo("stream", 0).open("wb", buffering=0) as stream:
            stream.write(b"data")
            run.process.send_signal(signal.SIGTERM)
            assert run.wait() == 0
    else:
        run.process.send_signal(signal.SIGTERM)
        assert run.wait() == 0

    assert job_dir.failure is None

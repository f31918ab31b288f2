"""``train`` with an algorithm module, as a real process."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seatrial.contract.metrics import metric_regex
from seatrial.contract.recordio import encode_record
from seatrial.contract.training import ChannelConfig, InputMode, RecordWrapperType

if TYPE_CHECKING:
    from conftest import JobDir

pytestmark = pytest.mark.slow

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

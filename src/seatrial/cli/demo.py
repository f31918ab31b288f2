"""``seatrial demo``: both example containers trained, served and invoked on the iris data."""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import urllib3

from seatrial.cli import _demo_images
from seatrial.cli._output import Output
from seatrial.contract.statuses import TrainingJobStatus
from seatrial.contract.training import ChannelConfig
from seatrial.core.errors import EngineError, SeatrialError, UserCodeError
from seatrial.engines.base import Engine
from seatrial.platform.endpoints.replica import ReplicaRequest, start_replica
from seatrial.platform.jobs.staging import ChannelSource
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest, TrainingResult

HYPERPARAMETERS: Mapping[str, str] = {"max_leaf_nodes": "5"}
INVOCATION_COUNT = 200
"""Invocations of one row each, one after the other, of which the table shows the median."""

_SHOWN_PREDICTIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example container, and what it needs where no image brings it along."""

    name: str
    directory: str
    program: str
    """The program directory, relative to ``directory``."""
    programs_needed: tuple[str, ...]
    modules_needed: tuple[str, ...]


EXAMPLES = (
    Example(
        name="decision-trees",
        directory="decision-trees",
        program="decision_trees",
        programs_needed=("nginx", "gunicorn"),
        modules_needed=("sklearn", "pandas", "flask", "gunicorn"),
    ),
    Example(
        name="decision-trees-seatrial",
        directory="decision-trees-seatrial",
        program=".",
        programs_needed=(),
        modules_needed=("sklearn", "numpy", "uvicorn"),
    ),
)
"""The classic container (nginx, gunicorn, Flask) and the same algorithm on Seatrial's runtime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one example gave."""

    name: str
    predictions: tuple[str, ...]
    accuracy: float
    train_seconds: float
    ready_seconds: float
    invoke_seconds: float


@click.command("demo")
@click.option(
    "--engine", "engine_name", type=click.Choice(["process", "docker"]), default="process", show_default=True,
    help="Run the containers as processes, no Docker needed, or as Docker images, which are built first.",
)  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Do not show the containers' log.")
def command(*, engine_name: str, quiet: bool) -> int:
    """Train and serve a scikit-learn tree in both example containers and compare them.

    Each container is trained on the iris data, served, and asked for predictions, all through SageMaker's container
    contract. The exit code is 1 when a container failed or the two disagree.
    """
    runs: list[Run] = []
    has_failed = False
    with Output(is_quiet=quiet) as out:
        for example in EXAMPLES:
            out.say(f"── {example.name}")
            missing = _missing(example) if engine_name == "process" else []
            if missing:
                out.say(f"skipped: {example.name} needs {', '.join(missing)}, not installed here")
                continue
            try:
                runs.append(_run(example, engine_name, out))
            except EngineError as error:
                out.error(error)
                out.say(f"skipped: {example.name} cannot run here")
                has_failed |= engine_name == "docker"
            except SeatrialError as error:
                out.error(error)
                has_failed = True
        agree = len({run.predictions for run in runs}) <= 1
        _report(out, runs, agree=agree)
    return 0 if runs and agree and not has_failed else 1


def _missing(example: Example) -> list[str]:
    programs = [name for name in example.programs_needed if shutil.which(name) is None and name != "gunicorn"]
    modules = [name for name in example.modules_needed if importlib.util.find_spec(name) is None]
    return [f"the program {name}" for name in programs] + [f"the Python package {name}" for name in modules]


class _Voyage:
    """One example from its data to its predictions, through one engine."""

    def __init__(self, example: Example, engine_name: str, work_dir: Path, out: Output) -> None:
        self._example = example
        self._work_dir = work_dir
        self._out = out
        self._is_measuring = False
        self._engine, self._image = self._prepare(engine_name)

    def run(self) -> Run:
        result = self._train()
        if result.model_archive is None or result.status is not TrainingJobStatus.COMPLETED:
            self._out.last_lines(result.last_lines)
            raise UserCodeError(
                "training-failed",
                f"the training of {self._example.name} failed",
                found=result.failure_reason or "no model",
            )
        return self._serve_and_invoke(result.model_archive, result.training_seconds)

    def _prepare(self, engine_name: str) -> tuple[Engine, str]:
        directory = _demo_images.examples_directory() / self._example.directory
        if engine_name == "docker":
            from seatrial.engines.docker import DockerEngine

            engine = DockerEngine()
            engine.check_ready()
            self._out.phase("Building the image")
            return engine, _demo_images.build_example_image(directory, self._work_dir / "context", self._out.log_line)
        from seatrial.engines.process import ProcessEngine

        return ProcessEngine(), (directory / self._example.program).resolve().as_uri()

    def _train(self) -> TrainingResult:
        request = TrainingRequest(
            training_job_name=f"demo-{self._example.name}",
            image=self._image,
            output_dir=self._work_dir / "output",
            hyperparameters=HYPERPARAMETERS,
            channels={"training": ChannelSource(path=iris_file(), config=ChannelConfig(content_type="text/csv"))},
        )
        job = TrainingJob(
            self._engine,
            request,
            on_phase=lambda phase: self._out.phase(phase.value),
            on_line=self._out.log_line,
        )
        return job.run(self._directory("train"))

    def _serve_and_invoke(self, model_archive: Path, train_seconds: float) -> Run:
        self._out.phase("Starting the server")
        started = time.monotonic()
        request = ReplicaRequest(image=self._image, model=model_archive)
        with start_replica(self._engine, request, self._directory("serve"), self._server_line) as replica:
            try:
                replica.wait_until_healthy()
            except SeatrialError:
                self._out.last_lines(replica.last_lines)
                raise
            ready_seconds = time.monotonic() - started
            self._out.phase(f"Invoking {INVOCATION_COUNT} times, the server's log left out")
            self._is_measuring = True
            predictions, accuracy, invoke_seconds = _measure(f"{replica.url}/invocations")
            self._out.phase("Stopping the server")
            replica.stop()
        shown = ", ".join(predictions[:_SHOWN_PREDICTIONS])
        self._out.say(f"predictions: {shown}, … ({len(predictions)} in all)")
        return Run(
            name=self._example.name,
            predictions=tuple(predictions),
            accuracy=accuracy,
            train_seconds=train_seconds,
            ready_seconds=ready_seconds,
            invoke_seconds=invoke_seconds,
        )

    def _server_line(self, line: str) -> None:
        if not self._is_measuring:
            self._out.log_line(line)

    def _directory(self, name: str) -> Path:
        directory = self._work_dir / name
        directory.mkdir()
        return directory


def _run(example: Example, engine_name: str, out: Output) -> Run:
    with tempfile.TemporaryDirectory(prefix="seatrial-demo-") as work_dir:
        return _Voyage(example, engine_name, Path(work_dir), out).run()


def _measure(url: str) -> tuple[list[str], float, float]:
    """Predictions of the payload, accuracy over all of iris, median seconds of one row."""
    labels, rows = _labels_and_rows()
    with urllib3.PoolManager(retries=False) as pool:
        predictions = _invoke(pool, url, payload_file().read_bytes())
        predicted_labels = _invoke(pool, url, "\n".join(rows).encode())
        if len(predicted_labels) != len(labels):
            raise UserCodeError(
                "invocation-failed",
                "the server did not answer one prediction a record",
                where=url,
                found=f"{len(predicted_labels)} predictions",
                expected=f"{len(labels)}",
            )
        accuracy = statistics.fmean(map(str.__eq__, predicted_labels, labels))
        return predictions, accuracy, _median_seconds(pool, url, rows[0].encode())


def iris_file() -> Path:
    """The training data: the species, then four measurements."""
    return _demo_images.examples_directory() / "decision-trees/local_test/test_dir/input/data/training/iris.csv"


def payload_file() -> Path:
    """Rows of four measurements."""
    return _demo_images.examples_directory() / "decision-trees/local_test/payload.csv"


def _labels_and_rows() -> tuple[list[str], list[str]]:
    pairs = [line.partition(",") for line in iris_file().read_text().splitlines() if line]
    return [label for label, _, _ in pairs], [row for _, _, row in pairs]


def _invoke(pool: urllib3.PoolManager, url: str, body: bytes) -> list[str]:
    response = pool.request("POST", url, body=body, headers={"Content-Type": "text/csv", "Accept": "text/csv"})
    if response.status != 200:
        raise UserCodeError(
            "invocation-failed",
            "the server did not answer 200",
            where=url,
            found=f"HTTP {response.status}: {response.data[:200].decode(errors='replace')}",
        )
    return response.data.decode().split()


def _median_seconds(pool: urllib3.PoolManager, url: str, body: bytes) -> float:
    seconds = []
    for _ in range(INVOCATION_COUNT):
        started = time.perf_counter()
        _invoke(pool, url, body)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _report(out: Output, runs: Sequence[Run], *, agree: bool) -> None:
    if not runs:
        out.say("nothing ran; see above for what is missing")
        return
    out.say("")
    out.table(
        "iris, one decision tree",
        ("container", "accuracy", "train", "ready", f"one row (median of {INVOCATION_COUNT})"),
        [
            (
                run.name,
                f"{run.accuracy:.1%}",
                f"{run.train_seconds:.2f} s",
                f"{run.ready_seconds:.2f} s",
                f"{run.invoke_seconds * 1000:.2f} ms",
            )
            for run in runs
        ],
    )
    if len(runs) > 1:
        out.say("the predictions are identical" if agree else "the predictions DIFFER")

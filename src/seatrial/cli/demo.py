"""``seatrial demo``: both example containers trained, served and invoked on the iris data."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from seatrial.cli import _demo_images
from seatrial.cli._demo_measuring import INVOCATION_COUNT, iris_file, measure
from seatrial.cli._interrupt import Interrupt
from seatrial.cli._output import Output
from seatrial.cli._signals import INTERRUPTED_EXIT_CODE
from seatrial.contract.statuses import TrainingJobStatus
from seatrial.contract.training import ChannelConfig
from seatrial.core.errors import EngineError, SeatrialError, UserCodeError
from seatrial.engines.base import Engine
from seatrial.platform.endpoints.replica import ReplicaRequest, start_replica
from seatrial.platform.jobs.staging import LocalChannel
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest, TrainingResult
from seatrial.platform.work_dirs import WorkDirectory, work_directory

HYPERPARAMETERS: Mapping[str, str] = {"max_leaf_nodes": "5"}

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
        programs_needed=("nginx",),
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


@dataclass(slots=True, kw_only=True)
class Logbook:
    """What has been done so far."""

    runs: list[Run] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    """Built; they stay in the Docker engine."""
    has_failed: bool = False


@click.command("demo")
@click.option(
    "--engine", "engine_name", type=click.Choice(["process", "docker"]), default="process", show_default=True,
    help="Run the containers as processes, no Docker needed, or as Docker images, which are built first.",
)  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Do not show the containers' log.")
def command(*, engine_name: str, quiet: bool) -> int:
    """Train and serve a scikit-learn tree in both example containers and compare them.

    Each container is trained on the iris data, served, and asked for predictions, all through SageMaker's container
    contract. The exit code is 1 when a container failed or the two disagree. Ctrl-C removes the containers and what
    they made.
    """
    log = Logbook()
    with Output(is_quiet=quiet) as out:
        try:
            with Interrupt() as interrupt:
                _run_all(engine_name, log, out, interrupt)
        except KeyboardInterrupt:
            out.say(_what_is_left(log))
            return INTERRUPTED_EXIT_CODE
        agree = len({run.predictions for run in log.runs}) <= 1
        _report(out, log.runs, agree=agree)
    return 0 if log.runs and agree and not log.has_failed else 1


def _what_is_left(log: Logbook) -> str:
    gone = "interrupted: the containers and what they made are gone"
    if not log.images:
        return gone
    images = " ".join(log.images)
    return f"{gone}; what was built stays for the next time, until you run 'docker image rm {images}'"


def _run_all(engine_name: str, log: Logbook, out: Output, interrupt: Interrupt) -> None:
    for example in EXAMPLES:
        out.say(f"── {example.name}")
        missing = _missing(example) if engine_name == "process" else []
        if missing:
            out.say(f"skipped: {example.name} needs {', '.join(missing)}, not installed here")
            continue
        try:
            engine = _engine(engine_name)
            with work_directory(engine) as work:
                voyage = _Voyage(example=example, engine=engine, work=work, log=log, out=out, interrupt=interrupt)
                log.runs.append(voyage.run())
        except EngineError as error:
            out.error(error)
            out.say(f"skipped: {example.name} cannot run here")
            log.has_failed |= engine_name == "docker"
        except SeatrialError as error:
            out.error(error)
            log.has_failed = True


def _engine(name: str) -> Engine:
    if name == "docker":
        from seatrial.engines.docker import DockerEngine

        return DockerEngine()
    from seatrial.engines.process import ProcessEngine

    return ProcessEngine()


def _missing(example: Example) -> list[str]:
    programs = [name for name in example.programs_needed if shutil.which(name) is None]
    modules = [name for name in example.modules_needed if importlib.util.find_spec(name) is None]
    return [f"the program {name}" for name in programs] + [f"the Python package {name}" for name in modules]


class _Voyage:
    """One example from its data to its predictions, through one engine."""

    def __init__(
        self,
        *,
        example: Example,
        engine: Engine,
        work: WorkDirectory,
        log: Logbook,
        out: Output,
        interrupt: Interrupt,
    ) -> None:
        self._example = example
        self._engine = engine
        self._work = work
        self._log = log
        self._out = out
        self._interrupt = interrupt
        self._is_measuring = False
        self._image = ""

    def run(self) -> Run:
        self._image = self._prepare()
        result = self._train()
        if result.model_archive is None or result.status is not TrainingJobStatus.COMPLETED:
            self._out.last_lines(result.last_lines)
            raise UserCodeError(
                "training-failed",
                f"the training of {self._example.name} failed",
                found=result.failure_reason or "no model",
            )
        return self._serve_and_invoke(result.model_archive, result.training_seconds)

    def _prepare(self) -> str:
        directory = _demo_images.examples_directory() / self._example.directory
        self._engine.check_ready()
        if self._engine.name == "process":
            return (directory / self._example.program).resolve().as_uri()
        self._enter("Building the image")
        image = _demo_images.build_example_image(directory, self._work.path / "context", self._build_line)
        self._log.images.append(image)
        return image

    def _train(self) -> TrainingResult:
        request = TrainingRequest(
            training_job_name=f"demo-{self._example.name}",
            image=self._image,
            output_dir=self._work.path / "output",
            hyperparameters=HYPERPARAMETERS,
            channels={"training": LocalChannel(path=iris_file(), config=ChannelConfig(content_type="text/csv"))},
            labels=self._work.labels,
        )
        job = TrainingJob(
            self._engine,
            request,
            on_phase=lambda phase: self._enter(phase.value),
            on_line=self._out.log_line,
        )
        return job.run(self._directory("train"))

    def _serve_and_invoke(self, model_archive: Path, train_seconds: float) -> Run:
        self._enter("Starting the server")
        started = time.monotonic()
        request = ReplicaRequest(image=self._image, model=model_archive, labels=self._work.labels)
        with start_replica(self._engine, request, self._directory("serve"), self._server_line) as replica:
            try:
                replica.wait_until_healthy()
            except SeatrialError:
                self._out.last_lines(replica.last_lines)
                raise
            ready_seconds = time.monotonic() - started
            self._enter(f"Invoking {INVOCATION_COUNT} times, the server's log left out")
            self._is_measuring = True
            predictions, accuracy, invoke_seconds = measure(f"{replica.url}/invocations")
            self._enter("Stopping the server")
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

    def _enter(self, phase: str) -> None:
        self._interrupt.check()
        self._out.phase(phase)

    def _build_line(self, line: str) -> None:
        self._interrupt.check()
        self._out.log_line(line)

    def _server_line(self, line: str) -> None:
        if not self._is_measuring:
            self._out.log_line(line)

    def _directory(self, name: str) -> Path:
        directory = self._work.path / name
        directory.mkdir()
        return directory


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

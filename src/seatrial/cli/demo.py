"""``seatrial demo``: both example containers on the iris data, trained through the API, then served and invoked."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from seatrial.cli import _demo_images, _demo_training
from seatrial.cli._clients import Clients
from seatrial.cli._demo_measuring import INVOCATION_COUNT, measure
from seatrial.cli._demo_platform import demo_platform
from seatrial.cli._interrupt import Interrupt
from seatrial.cli._job_log import JobLog
from seatrial.cli._jobs import follow_job
from seatrial.cli._output import Output
from seatrial.cli._signals import INTERRUPTED_EXIT_CODE
from seatrial.contract.statuses import TrainingJobStatus
from seatrial.core.errors import SeatrialError, UserCodeError
from seatrial.engines.base import Engine
from seatrial.engines.isolation import Isolation, find_isolation
from seatrial.platform.endpoints.replica import ReplicaRequest, start_replica
from seatrial.platform.last_lines import LAST_LINES_COUNT
from seatrial.platform.work_dirs import WorkDirectory, work_directory

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
    needs_namespaces: bool = False
    """Where it runs as a process: it works at ``/opt/ml`` itself, whatever ``SAGEMAKER_BASE_DIR`` says."""


EXAMPLES = (
    Example(
        name="decision-trees",
        directory="decision-trees",
        program="decision_trees",
        programs_needed=("nginx",),
        modules_needed=("sklearn", "pandas", "flask", "gunicorn"),
        needs_namespaces=True,
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

    A local SageMaker of the demo's own takes the iris data and trains each container, as for any client of the API:
    upload, CreateTrainingJob, wait, download. The model is then served and asked for predictions. The exit code is 1
    when a container failed or the two disagree. Ctrl-C removes the containers and what they made.
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
    engine = _engine(engine_name)
    engine.check_ready()
    with work_directory(engine) as work:
        out.phase("Starting a local SageMaker")
        with demo_platform(work.path / "platform") as clients:
            for example in EXAMPLES:
                out.say(f"── {example.name}")
                obstacle = _obstacle(example) if engine_name == "process" else None
                if obstacle:
                    out.say(f"skipped: {example.name} needs {obstacle}")
                    continue
                voyage = _Voyage(
                    example=example, engine=engine, work=work, clients=clients, log=log, out=out, interrupt=interrupt
                )
                try:
                    log.runs.append(voyage.run())
                except SeatrialError as error:
                    out.error(error)
                    log.has_failed = True


def _engine(name: str) -> Engine:
    if name == "docker":
        from seatrial.engines.docker import DockerEngine

        return DockerEngine()
    from seatrial.engines.process import ProcessEngine

    return ProcessEngine()


def _obstacle(example: Example) -> str | None:
    """What an example's program needs and this machine does not have."""
    programs = [name for name in example.programs_needed if shutil.which(name) is None]
    modules = [name for name in example.modules_needed if importlib.util.find_spec(name) is None]
    missing = [f"the program {name}" for name in programs] + [f"the Python package {name}" for name in modules]
    if missing:
        return f"{', '.join(missing)}, not installed here"
    if example.needs_namespaces and find_isolation().isolation is Isolation.NONE:
        return "an /opt/ml of its own, for which this machine has no namespaces"
    return None


class _Voyage:
    """One example from its data to its predictions, through one engine."""

    def __init__(
        self,
        *,
        example: Example,
        engine: Engine,
        work: WorkDirectory,
        clients: Clients,
        log: Logbook,
        out: Output,
        interrupt: Interrupt,
    ) -> None:
        self._example = example
        self._engine = engine
        self._work = work
        self._directory = work.path / example.name
        self._clients = clients
        self._log = log
        self._out = out
        self._interrupt = interrupt
        self._is_measuring = False
        self._image = ""

    def run(self) -> Run:
        self._directory.mkdir()
        self._image = self._prepare()
        with self._clients.asking():
            model_archive, train_seconds = self._train()
        return self._serve_and_invoke(model_archive, train_seconds)

    def _prepare(self) -> str:
        directory = _demo_images.examples_directory() / self._example.directory
        if self._engine.name == "process":
            return (directory / self._example.program).resolve().as_uri()
        self._enter("Building the image")
        image = _demo_images.build_example_image(directory, self._directory / "context", self._build_line)
        self._log.images.append(image)
        return image

    def _train(self) -> tuple[Path, float]:
        """The model that the job left, and the seconds of its phase *Training*."""
        name = f"demo-{self._example.name}"
        self._enter("Uploading the data")
        _demo_training.start(self._clients, name, self._image)
        log = JobLog(self._clients, name)
        job = follow_job(
            self._clients,
            name,
            log,
            on_transition=lambda transition: self._enter(transition["Status"]),
            on_event=lambda event: self._out.log_line(event.message),
        )
        if job["TrainingJobStatus"] != TrainingJobStatus.COMPLETED:
            self._out.last_lines([event.message for event in log.last_events(LAST_LINES_COUNT)])
            raise UserCodeError(
                "training-failed",
                f"the training of {self._example.name} failed",
                found=job.get("FailureReason") or job["TrainingJobStatus"],
            )
        self._enter("Downloading the model")
        model_archive = self._directory / "model.tar.gz"
        _demo_training.download_model(self._clients, job, model_archive)
        return model_archive, _demo_training.training_seconds(job)

    def _serve_and_invoke(self, model_archive: Path, train_seconds: float) -> Run:
        self._enter("Starting the server")
        started = time.monotonic()
        serve_dir = self._directory / "serve"
        serve_dir.mkdir()
        request = ReplicaRequest(image=self._image, model=model_archive, labels=self._work.labels)
        with start_replica(self._engine, request, serve_dir, self._server_line) as replica:
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

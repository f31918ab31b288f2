"""The runner: phases written, stops at every moment, places, what a death leaves."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatrial.contract.statuses import SecondaryStatus
from seatrial.core.errors import ContractError, EngineError
from seatrial.platform.jobs import training_record as record
from seatrial.platform.jobs import training_runner
from seatrial.platform.jobs.capacity import Capacity
from seatrial.platform.jobs.queue import JobQueue
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest, TrainingResult
from seatrial.platform.jobs.training_runner import PreparedJob, TrainingRunner
from seatrial.platform.store.database import Database
from seatrial.platform.store.resources import Kind, Resource, ResourceStore
from seatrial.testing.fakes import FakeContainer, FakeEngine, FakeHandle, Program

REQUEST = {"OutputDataConfig": {"S3OutputPath": "s3://bucket/out"}}


class Prepared(PreparedJob):
    """A job on the fake engine."""

    def __init__(self, engine: FakeEngine, directory: Path, on_phase: Callable[[SecondaryStatus], None]) -> None:
        self._directory = directory
        request = TrainingRequest(training_job_name="a", image="tree", output_dir=directory / "out")
        self.job = TrainingJob(engine, request, on_phase=on_phase, on_line=lambda _: None)

    def run(self) -> TrainingResult:
        work = self._directory / f"work-{time.monotonic_ns()}"
        work.mkdir()
        return self.job.run(work)

    def metrics(self) -> list[dict[str, object]]:
        return []

    def clean_up(self) -> None:
        pass


class Bench:
    """A store, a runner, and jobs that run one program."""

    def __init__(self, directory: Path, max_jobs: int = 1) -> None:
        self.store = ResourceStore(Database(directory / "state.db"))
        self.program: Program = lambda _: 0
        self.engine: FakeEngine | None = None
        self.failure: Exception | None = None
        self.prepared_class = Prepared
        self._directory = directory
        self._capacity = Capacity(max_jobs=max_jobs)
        self.restart()

    def restart(self) -> None:
        self.runner = TrainingRunner(self.store, self._prepare, JobQueue(self._capacity), restart_delay_seconds=0.001)

    def _prepare(self, stored: Resource, on_phase: Callable[[SecondaryStatus], None]) -> PreparedJob:
        if self.failure is not None:
            raise self.failure
        return self.prepared_class(self.engine or FakeEngine({"tree": self.program}), self._directory, on_phase)

    def create(self, name: str, **members: object) -> None:
        self.store.insert(record.new_training_job(name, f"arn:{name}", {**REQUEST, **members}, time.time()))
        self.runner.submit(name)

    def find(self, name: str) -> Resource:
        found = self.store.find(Kind.TRAINING_JOB, name)
        assert found is not None
        return found

    def wait_for(self, name: str, *phases: SecondaryStatus) -> Resource:
        deadline = time.monotonic() + 30
        while record.secondary_status(self.find(name)) not in phases:
            assert time.monotonic() < deadline, self.find(name)
            time.sleep(0.005)
        return self.find(name)

    def phases(self, name: str) -> list[str]:
        return [one["Status"] for one in self.find(name).document["transitions"]]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.runner.close()


def test_job_that_succeeds_passes_every_phase(bench: Bench) -> None:
    bench.create("a")
    bench.wait_for("a", SecondaryStatus.COMPLETED)

    assert bench.phases("a") == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_reason_comes_with_the_final_phase(bench: Bench) -> None:
    bench.program = lambda _: 7
    bench.create("a")
    job = bench.wait_for("a", SecondaryStatus.FAILED)

    assert job.document["failure_reason"] == "AlgorithmError: , exit code: 7"


def test_job_that_cannot_start_fails_with_the_sentence(bench: Bench) -> None:
    bench.failure = EngineError("engine-not-ready", "no engine answers", fix="start one")
    bench.create("a")
    job = bench.wait_for("a", SecondaryStatus.FAILED)

    assert job.document["failure_reason"].startswith("InternalServerError: We encountered an internal error.")
    assert "no engine answers; start one" in job.document["failure_reason"]


def test_stop_while_training_is_stopping_at_once_and_stopped_in_the_end(bench: Bench) -> None:
    entered = threading.Event()

    def program(container: FakeContainer) -> int:
        entered.set()
        container.terminated.wait(30)
        return 0

    bench.program = program
    bench.create("a")
    assert entered.wait(30)
    bench.runner.stop("a")

    assert bench.find("a").status in {"Stopping", "Stopped"}
    bench.wait_for("a", SecondaryStatus.STOPPED)
    assert bench.phases("a")[-3:] == ["Stopping", "Uploading", "Stopped"]


def test_job_beyond_the_places_waits_and_can_be_stopped_there(bench: Bench) -> None:
    release = threading.Event()

    def program(container: FakeContainer) -> int:
        release.wait(30)
        return 0

    bench.program = program
    bench.create("a")
    bench.create("b")
    bench.create("c")
    assert record.secondary_status(bench.find("b")) is SecondaryStatus.PENDING
    bench.runner.stop("b")
    assert bench.phases("b") == ["Starting", "Pending", "Stopping", "Stopped"]
    release.set()
    job = bench.wait_for("c", SecondaryStatus.COMPLETED)

    assert bench.phases("c")[:3] == ["Starting", "Pending", "Downloading"]
    assert job.document["transitions"][1]["StatusMessage"] == "Preparing the instances for training"


def test_job_that_waits_when_the_platform_ends_runs_under_the_next_one(bench: Bench, tmp_path: Path) -> None:
    entered = threading.Event()

    def program(container: FakeContainer) -> int:
        entered.set()
        container.terminated.wait(30)
        return 0

    bench.program = program
    bench.create("a")
    bench.create("b")
    assert entered.wait(30)
    bench.runner.close()
    assert [bench.find(name).document["transitions"][-1]["Status"] for name in "ab"] == ["Stopped", "Pending"]

    bench.program = lambda _: 0
    bench.restart()
    bench.runner.recover()
    bench.wait_for("b", SecondaryStatus.COMPLETED)
    assert bench.phases("b") == ["Starting", "Pending", "Downloading", "Training", "Uploading", "Completed"]


def test_stop_before_the_runner_knows_the_job_is_not_lost(bench: Bench) -> None:
    bench.store.insert(record.new_training_job("a", "arn:a", REQUEST, time.time()))
    bench.runner.stop("a")
    bench.runner.submit("a")
    bench.wait_for("a", SecondaryStatus.STOPPED)

    assert bench.phases("a") == ["Starting", "Stopping", "Stopped"]


def test_end_of_a_job_does_not_hide_the_next_one_of_its_name(bench: Bench) -> None:
    ended, release = threading.Event(), threading.Event()

    class Slow(Prepared):
        def clean_up(self) -> None:
            ended.set()
            assert release.wait(30)

    bench.prepared_class = Slow
    bench.create("a")
    assert ended.wait(30)
    bench.store.delete(Kind.TRAINING_JOB, "a")
    bench.prepared_class = Prepared
    entered = threading.Event()

    def program(container: FakeContainer) -> int:
        entered.set()
        container.terminated.wait(30)
        return 0

    bench.program = program
    bench.create("a")
    release.set()
    assert entered.wait(30)
    bench.runner.stop("a")

    bench.wait_for("a", SecondaryStatus.STOPPED)


def test_program_that_is_not_there_fails_as_on_the_service(bench: Bench) -> None:
    bench.failure = ContractError("program-not-found", "there is no program '/no/such'")
    bench.create("a")
    job = bench.wait_for("a", SecondaryStatus.FAILED)

    assert job.document["failure_reason"] == "AlgorithmError: , exit code: 127"


def test_end_is_written_when_the_disk_has_room_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_runner, "_END_RETRY_SECONDS", (0.01,) * 100)
    is_full = threading.Event()
    update = bench.store.update
    refused: list[str] = []

    def update_or_fail(kind: Kind, name: str, change: Callable[[Resource], Resource]) -> Resource:
        if is_full.is_set() and len(refused) < 3:
            refused.append(name)
            raise sqlite3.OperationalError("database or disk is full")
        return update(kind, name, change)

    def program(_container: FakeContainer) -> int:
        is_full.set()
        return 0

    class Ended(Prepared):
        def run(self) -> TrainingResult:
            try:
                return super().run()
            except sqlite3.OperationalError:
                raise EngineError("engine-refused", "the disk is full") from None

    monkeypatch.setattr(bench.store, "update", update_or_fail)
    bench.prepared_class = Ended
    bench.program = program
    bench.create("a")
    job = bench.wait_for("a", SecondaryStatus.FAILED, SecondaryStatus.COMPLETED)

    assert job.status == "Failed"
    assert len(refused) == 3


def test_fault_of_ours_is_tried_as_often_as_asked_for(bench: Bench) -> None:
    started: list[int] = []

    def program(container: FakeContainer) -> int:
        started.append(1)
        return 0

    class Broken(FakeEngine):
        def start(self, *arguments: object, **more: object) -> FakeHandle:
            if len(started) < 2:
                started.append(1)
                raise EngineError("engine-not-ready", "no engine answers", fix="start one")
            return super().start(*arguments, **more)  # type: ignore[arg-type]

    bench.engine = Broken({"tree": program})
    bench.create("a", RetryStrategy={"MaximumRetryAttempts": 2})
    job = bench.wait_for("a", SecondaryStatus.COMPLETED, SecondaryStatus.FAILED)

    attempt = ["Starting", "Downloading", "Training"]
    assert bench.phases("a") == [*attempt, "Restarting", *attempt, "Restarting", *attempt, "Uploading", "Completed"]
    assert job.document["restart_count"] == 2


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_fault_that_stays_fails_the_job_after_the_last_attempt(bench: Bench, attempts: int) -> None:
    bench.engine = FakeEngine({})
    bench.engine.check_ready = _no_engine  # type: ignore[method-assign]
    bench.create("a", **({"RetryStrategy": {"MaximumRetryAttempts": attempts}} if attempts else {}))
    job = bench.wait_for("a", SecondaryStatus.FAILED)

    assert bench.phases("a").count("Restarting") == attempts
    assert job.document["failure_reason"].startswith("InternalServerError: ")


def test_failure_of_the_algorithm_is_not_tried_again(bench: Bench) -> None:
    bench.program = lambda _: 7
    bench.create("a", RetryStrategy={"MaximumRetryAttempts": 3})
    bench.wait_for("a", SecondaryStatus.FAILED)

    assert "Restarting" not in bench.phases("a")


def test_wait_that_is_used_up_ends_a_job_that_has_no_place(bench: Bench) -> None:
    release = threading.Event()

    def program(container: FakeContainer) -> int:
        release.wait(30)
        return 0

    bench.program = program
    bench.create("a")
    bench.create("b", StoppingCondition={"MaxRuntimeInSeconds": 0, "MaxWaitTimeInSeconds": 0.05})
    job = bench.wait_for("b", SecondaryStatus.MAX_WAIT_TIME_EXCEEDED)
    release.set()

    assert job.status == "Stopped"
    assert bench.phases("b") == ["Starting", "Pending", "Stopping", "MaxWaitTimeExceeded"]


def test_machine_that_is_taken_away_before_a_job_has_it_is_missed_once(bench: Bench) -> None:
    release = threading.Event()

    def program(container: FakeContainer) -> int:
        release.wait(30)
        return 0

    bench.program = program
    bench.create("a")
    bench.create("b")
    bench.runner.interrupt("b", 0)
    release.set()
    bench.wait_for("b", SecondaryStatus.COMPLETED)

    again = ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert bench.phases("b") == ["Starting", "Pending", "Downloading", "Interrupted", *again]


def test_metrics_of_every_attempt_count() -> None:
    old = [{"MetricName": "a", "Value": 1.0}, {"MetricName": "b", "Value": 2.0}]
    assert record.merge_metrics(old, [{"MetricName": "b", "Value": 3.0}]) == [
        {"MetricName": "a", "Value": 1.0},
        {"MetricName": "b", "Value": 3.0},
    ]


def _no_engine() -> None:
    raise EngineError("engine-not-ready", "no engine answers", fix="start one")

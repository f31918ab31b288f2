"""Runs the platform's training jobs side by side, and writes what becomes of them into the store.

One thread a job; ``queue`` says when it starts. A job's thread reads its request (load), runs it (process), and writes
each phase in a short transaction of its own (apply): no transaction is open while a container runs. The final phase is
written together with the reason and the metrics.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from seatrial.contract.failure import internal_failure_reason
from seatrial.contract.statuses import (
    PREPARING_MESSAGE,
    TRAINING_TRANSITIONS,
    UNFINISHED_TRAINING_STATUSES,
    SecondaryStatus,
    is_final,
)
from seatrial.core.errors import SeatrialError
from seatrial.platform.jobs import training_record as record
from seatrial.platform.jobs.failure_reasons import failure_reason_of
from seatrial.platform.jobs.queue import JobQueue
from seatrial.platform.jobs.training import TrainingJob, TrainingResult
from seatrial.platform.store.resources import Kind, MissingError, Resource, ResourceStore

LOG = logging.getLogger(__name__)

_END_RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0, 30.0, 60.0)

_UNSTARTED = frozenset({SecondaryStatus.STARTING, SecondaryStatus.PENDING})


@dataclass(slots=True)
class _Running:
    """A job that this process has taken on."""

    stop_requested: threading.Event = field(default_factory=threading.Event)
    is_started: bool = False
    job: TrainingJob | None = None
    """``None`` while it waits."""


Prepare = Callable[[Resource, Callable[[SecondaryStatus], None]], "PreparedJob"]


class PreparedJob:
    """What ``TrainingRunner`` needs of one job: ``run`` it, and ask for its metrics."""

    job: TrainingJob

    def run(self) -> TrainingResult:
        """Run to the end.

        Raises:
            SeatrialError: the container could not be started.
        """
        raise NotImplementedError

    def metrics(self) -> list[dict[str, object]]:
        """``FinalMetricDataList`` so far."""
        raise NotImplementedError

    def clean_up(self) -> None:
        """Remove the container and what it worked in, after the result was written down.

        Raises:
            SeatrialError: the engine does not answer.
        """
        raise NotImplementedError


class TrainingRunner:
    """The training jobs of one platform.

    Args:
        store: Where jobs are.
        prepare: Makes a stored job ready to run; gets the function that writes its phases.
        queue: Starts them.
        remove_files: Removes what a job has left on this machine.
    """

    def __init__(
        self,
        store: ResourceStore,
        prepare: Prepare,
        queue: JobQueue,
        remove_files: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._remove_files = remove_files
        self._store = store
        self._prepare = prepare
        self._queue = queue
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()

    def unfinished(self) -> list[Resource]:
        """The jobs that an earlier platform process left, or that this one has."""
        statuses = sorted(status.value for status in UNFINISHED_TRAINING_STATUSES)
        return self._store.all_with_status(Kind.TRAINING_JOB, *statuses)

    def recover(self) -> None:
        """Take on what an earlier platform process left: containers are found again, what has none waits again."""
        for job in sorted(self.unfinished(), key=lambda job: record.secondary_status(job) in _UNSTARTED):
            self.submit(job.name, is_started=record.secondary_status(job) not in _UNSTARTED)

    def submit(self, name: str, *, is_started: bool = False) -> None:
        """Take on a job that is in the store; it is *Pending* while the machine has no room for it.

        Args:
            name: Which.
            is_started: It has its place on the machine already.
        """
        running = _Running()
        with self._lock:
            self._running[name] = running

        def pending(job: Resource, now: float) -> Resource:
            is_untouched = record.secondary_status(job) is SecondaryStatus.STARTING and not running.is_started
            return record.enter(job, SecondaryStatus.PENDING, now) if is_untouched else job

        if not self._queue.submit(name, lambda: self._run(name, running), is_started=is_started):
            with contextlib.suppress(MissingError):
                self._write(name, pending)

    def stop(self, name: str) -> None:
        """Ask for a job's end; the store says *Stopping* at once."""

        def stopping(job: Resource, now: float) -> Resource:
            if SecondaryStatus.STOPPING not in TRAINING_TRANSITIONS[record.secondary_status(job)]:
                return job
            return record.enter(record.with_details(job, now, is_stop_requested=True), SecondaryStatus.STOPPING, now)

        self._write(name, stopping)
        self._request_stop(name)

    def _request_stop(self, name: str) -> None:
        with self._lock:
            running = self._running.get(name)
        if running is None:
            return
        running.stop_requested.set()
        if self._queue.withdraw(name):
            self._end_unstarted(name)
        elif running.job is not None:
            running.job.stop()

    def forget(self, name: str) -> None:
        """A job that had ended was deleted: what it could not upload goes with it."""
        self._remove_files(name)

    def close(self) -> None:
        """Stop the jobs that run and wait for their ends; those that wait, or come now, are left to ``recover``.

        May be called from any thread, and again.
        """
        for name in self._queue.close():
            try:
                self.stop(name)
            except MissingError:  # it has ended and was deleted just now
                pass
            except (sqlite3.Error, OSError) as error:  # a full disk keeps no container running
                LOG.warning("the stop of training job %s cannot be written: %s", name, error)
                self._request_stop(name)
        self._queue.join()

    def _end_unstarted(self, name: str) -> None:
        self._write(name, lambda job, now: record.enter(job, SecondaryStatus.STOPPED, now))
        with self._lock:
            self._running.pop(name, None)

    def _run(self, name: str, running: _Running) -> None:
        running.is_started = True
        try:
            self._run_to_end(name, running)
        except MissingError:
            pass  # deleted meanwhile, which the service allows of ended jobs only
        except SeatrialError as error:  # the job has ended by now, or could not be prepared
            LOG.warning("training job %s: %s", name, error.sentence())
            self._fail(name, failure_reason_of(error))
        except BaseException as error:
            self._fail(name, internal_failure_reason(f"{type(error).__name__}: {error}"))
            raise
        finally:
            with self._lock:
                if self._running.get(name) is running:  # the name may be that of another job by now
                    del self._running[name]

    def _run_to_end(self, name: str, running: _Running) -> None:
        stored = self._store.find(Kind.TRAINING_JOB, name)
        if stored is None:
            return
        if running.stop_requested.is_set() or record.was_stopped_unstarted(stored):
            self._end_unstarted(name)
            return
        prepared = self._prepare(stored, lambda phase: self._enter(name, phase))
        running.job = prepared.job
        if running.stop_requested.is_set():
            prepared.job.stop()
        try:
            result = prepared.run()
        except SeatrialError as error:
            self._fail(name, failure_reason_of(error))
        else:
            self._finish(name, result, prepared.metrics())
        prepared.clean_up()

    def _enter(self, name: str, phase: SecondaryStatus) -> None:
        """A phase that is not the last; one that a stop has overtaken is passed over."""
        if is_final(phase):
            return

        def entered(job: Resource, now: float) -> Resource:
            last = record.secondary_status(job)
            if phase is last is not SecondaryStatus.STARTING:
                return job
            if phase is SecondaryStatus.STARTING and last in {SecondaryStatus.STARTING, SecondaryStatus.PENDING}:
                return record.enter(job, last, now, PREPARING_MESSAGE)
            if last is SecondaryStatus.STOPPING and phase not in TRAINING_TRANSITIONS[last]:
                return job
            return record.enter(job, phase, now)

        self._write(name, entered)

    def _finish(self, name: str, result: TrainingResult, metrics: list[dict[str, object]]) -> None:
        def finished(job: Resource, now: float) -> Resource:
            ending = result.secondary_status
            was_stopped = any(one["Status"] == SecondaryStatus.STOPPING.value for one in job.document["transitions"])
            if ending is SecondaryStatus.COMPLETED and was_stopped:
                ending = SecondaryStatus.STOPPED
            details = {"exit_code": result.exit_code, "failure_reason": result.failure_reason, "metrics": metrics}
            return record.enter(record.with_details(job, now, **details), ending, now)

        self._write_end(name, finished)

    def _fail(self, name: str, reason: str) -> None:
        def failed(job: Resource, now: float) -> Resource:
            if job.status not in UNFINISHED_TRAINING_STATUSES:
                return job
            return record.enter(record.with_details(job, now, failure_reason=reason), SecondaryStatus.FAILED, now)

        self._write_end(name, failed)

    def _write_end(self, name: str, change: Callable[[Resource, float], Resource]) -> None:
        """As ``_write``; whoever waits for the end would wait for ever when a full disk kept it from being written."""
        for pause_seconds in _END_RETRY_SECONDS:
            try:
                self._write(name, change)
            except (sqlite3.Error, OSError) as error:
                LOG.warning("the end of training job %s cannot be written, and is tried again: %s", name, error)
                time.sleep(pause_seconds)
            else:
                return
        self._write(name, change)

    def _write(self, name: str, change: Callable[[Resource, float], Resource]) -> None:
        now = time.time()
        self._store.update(Kind.TRAINING_JOB, name, lambda job: change(job, now))

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
from seatrial.platform.jobs.failure_reasons import failure_reason_of, is_internal
from seatrial.platform.jobs.queue import JobQueue
from seatrial.platform.jobs.training import ATTEMPT_ENDINGS, TrainingJob, TrainingResult
from seatrial.platform.store.resources import Kind, MissingError, Resource, ResourceStore

LOG = logging.getLogger(__name__)

RESTART_DELAY_SECONDS = 1.0
RESTART_DELAY_MAX_SECONDS = 60.0
"""An engine that is being restarted must not use up all attempts within a second (UNVERIFIED: AWS names no time)."""
_END_RETRY_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0, 30.0, 60.0)

_UNSTARTED = frozenset({SecondaryStatus.STARTING, SecondaryStatus.PENDING})


@dataclass(slots=True)
class _Running:
    """A job that this process has taken on."""

    stop_requested: threading.Event = field(default_factory=threading.Event)
    is_started: bool = False
    job: TrainingJob | None = None
    """``None`` while it waits."""
    wait_limit: threading.Timer | None = None
    """Stops it when ``MaxWaitTimeInSeconds`` is used up."""

    def cancel_wait_limit(self) -> None:
        if self.wait_limit is not None:
            self.wait_limit.cancel()


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
        restart_delay_seconds: Before the first attempt of ``RetryStrategy``; each further one waits twice as long.
    """

    def __init__(
        self,
        store: ResourceStore,
        prepare: Prepare,
        queue: JobQueue,
        remove_files: Callable[[str], None] = lambda _name: None,
        *,
        restart_delay_seconds: float = RESTART_DELAY_SECONDS,
    ) -> None:
        self._remove_files = remove_files
        self._restart_delay_seconds = restart_delay_seconds
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
        self._limit_wait(name, running)

        def pending(job: Resource, now: float) -> Resource:
            is_untouched = record.secondary_status(job) is SecondaryStatus.STARTING and not running.is_started
            return record.enter(job, SecondaryStatus.PENDING, now) if is_untouched else job

        if not self._queue.submit(name, lambda: self._run(name, running), is_started=is_started):
            with contextlib.suppress(MissingError):
                self._write(name, pending)

    def interrupt(self, name: str, after_seconds: float) -> None:
        """Take a job's machine away; the store has it first, so that it happens also when this process is killed.

        Args:
            name: Which.
            after_seconds: From now.
        """
        due = time.time() + after_seconds

        def planned(job: Resource, now: float) -> Resource:
            return record.with_details(job, now, interruption_due=due)

        self._write(name, planned)
        with self._lock:
            running = self._running.get(name)
        if running is not None and running.job is not None:
            running.job.interrupt(due - time.time())

    def stop(self, name: str, ending: SecondaryStatus = SecondaryStatus.STOPPED) -> None:
        """Ask for a job's end; the store says *Stopping* at once.

        Args:
            name: Which.
            ending: Its last secondary status.
        """

        def stopping(job: Resource, now: float) -> Resource:
            if SecondaryStatus.STOPPING not in TRAINING_TRANSITIONS[record.secondary_status(job)]:
                return job
            return record.enter(record.with_details(job, now, stop_ending=ending.value), SecondaryStatus.STOPPING, now)

        self._write(name, stopping)
        self._request_stop(name, ending)

    def _request_stop(self, name: str, ending: SecondaryStatus) -> None:
        with self._lock:
            running = self._running.get(name)
        if running is None:
            return
        running.stop_requested.set()
        if self._queue.withdraw(name):
            self._end_unstarted(name, running)
        elif running.job is not None:
            running.job.stop(ending)

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
                self._request_stop(name, SecondaryStatus.STOPPED)
        with self._lock:
            waiting = list(self._running.values())
        for running in waiting:
            running.cancel_wait_limit()
        self._queue.join()

    def _limit_wait(self, name: str, running: _Running) -> None:
        stored = self._store.find(Kind.TRAINING_JOB, name)
        deadline = None if stored is None else record.wait_deadline(stored)
        if deadline is None:
            return
        left_seconds = min(max(0.0, deadline - time.time()), threading.TIMEOUT_MAX)
        running.wait_limit = threading.Timer(
            left_seconds, self._stop_if_there, (name, SecondaryStatus.MAX_WAIT_TIME_EXCEEDED)
        )
        running.wait_limit.daemon = True
        running.wait_limit.start()

    def _stop_if_there(self, name: str, ending: SecondaryStatus) -> None:
        with contextlib.suppress(MissingError):
            self.stop(name, ending)

    def _forget(self, name: str, running: _Running) -> None:
        running.cancel_wait_limit()
        with self._lock:
            if self._running.get(name) is running:  # the name may be that of another job by now
                del self._running[name]

    def _end_unstarted(self, name: str, running: _Running) -> None:
        self._write(name, lambda job, now: record.enter(job, record.stop_ending(job) or SecondaryStatus.STOPPED, now))
        self._forget(name, running)

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
            self._forget(name, running)

    def _run_to_end(self, name: str, running: _Running) -> None:
        """One attempt after the other, until one ends the job."""
        while (stored := self._store.find(Kind.TRAINING_JOB, name)) is not None:
            is_stopped = record.secondary_status(stored) is SecondaryStatus.STOPPING
            if (is_stopped or running.stop_requested.is_set()) and not record.has_begun(stored):
                self._end_unstarted(name, running)
                return
            if self._attempt(stored, running):
                return

    def _attempt(self, stored: Resource, running: _Running) -> bool:
        """Run the job once; returns whether it has ended."""
        name = stored.name
        prepared = self._prepare(stored, lambda phase: self._enter(name, phase))
        running.job = prepared.job
        self._pass_on(name, running, prepared.job)
        try:
            result = prepared.run()
        except Exception as error:
            reason = failure_reason_of(error)
            if is_internal(reason) and self._begin_restart(name, reason):
                LOG.warning("training job %s is started again: %s", name, reason)
                return not self._begin_anew(name, running, prepared)
            if not isinstance(error, SeatrialError):
                raise
            self._fail(name, reason)
        else:
            if not is_final(result.secondary_status):
                self._note_metrics(name, prepared.metrics())
                return not self._begin_anew(name, running, prepared)
            self._finish(name, result, prepared.metrics())
        prepared.clean_up()
        return True

    def _pass_on(self, name: str, running: _Running, job: TrainingJob) -> None:
        """Tell a job what was asked for before it could be told."""
        stored = self._store.find(Kind.TRAINING_JOB, name)
        if stored is None:
            return
        if running.stop_requested.is_set():
            job.stop(record.stop_ending(stored) or SecondaryStatus.STOPPED)
        due = stored.document.get("interruption_due")
        if due is not None:
            job.interrupt(due - time.time())

    def _begin_restart(self, name: str, reason: str) -> bool:
        """*Restarting*, where the request allows another attempt."""
        is_allowed = False

        def restarting(job: Resource, now: float) -> Resource:
            nonlocal is_allowed
            last = record.secondary_status(job)
            is_allowed = record.may_restart(job, now) and SecondaryStatus.RESTARTING in {
                last,
                *TRAINING_TRANSITIONS[last],
            }
            return record.enter(job, SecondaryStatus.RESTARTING, now, reason) if is_allowed else job

        return self._is_written(name, restarting) and is_allowed

    def _begin_anew(self, name: str, running: _Running, prepared: PreparedJob) -> bool:
        """Remove all of an attempt, then *Starting*; returns whether there is another one.

        What cannot be removed, because its engine does not answer, uses up an attempt of ``RetryStrategy`` each time.
        """
        stored = self._store.find(Kind.TRAINING_JOB, name)
        if stored is not None and record.secondary_status(stored) is SecondaryStatus.RESTARTING:
            self._wait_before_restart(name, running)
        while True:
            try:
                prepared.clean_up()
            except SeatrialError as error:
                if not self._count_restart(name):
                    self._fail(name, internal_failure_reason(error.sentence()))
                    return False
                self._wait_before_restart(name, running)
                continue
            self._enter(name, SecondaryStatus.STARTING)
            return True

    def _wait_before_restart(self, name: str, running: _Running) -> None:
        stored = self._store.find(Kind.TRAINING_JOB, name)
        count = 1 if stored is None else stored.document.get("restart_count", 1)
        running.stop_requested.wait(min(RESTART_DELAY_MAX_SECONDS, self._restart_delay_seconds * 2 ** (count - 1)))

    def _count_restart(self, name: str) -> bool:
        is_allowed = False

        def counted(job: Resource, now: float) -> Resource:
            nonlocal is_allowed
            is_allowed = record.may_restart(job, now)
            return record.with_details(job, now, restart_count=job.document.get("restart_count", 0) + 1)

        return self._is_written(name, counted) and is_allowed

    def _is_written(self, name: str, change: Callable[[Resource, float], Resource]) -> bool:
        """What a full disk keeps from being written allows no further attempt: only the end is tried again."""
        try:
            self._write(name, change)
        except (sqlite3.Error, OSError) as error:
            LOG.warning("training job %s cannot be started again: %s", name, error)
            return False
        return True

    def _note_metrics(self, name: str, metrics: list[dict[str, object]]) -> None:
        self._write(name, lambda job, now: record.with_details(job, now, metrics=_all_metrics(job, metrics)))

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
            if phase is SecondaryStatus.STARTING and last in ATTEMPT_ENDINGS:
                return record.enter(job, phase, now, PREPARING_MESSAGE)
            if last is SecondaryStatus.STOPPING and phase not in TRAINING_TRANSITIONS[last]:
                return job
            return record.enter(job, phase, now)

        self._write(name, entered)

    def _finish(self, name: str, result: TrainingResult, metrics: list[dict[str, object]]) -> None:
        def finished(job: Resource, now: float) -> Resource:
            ending = result.secondary_status
            was_stopped = any(one["Status"] == SecondaryStatus.STOPPING.value for one in job.document["transitions"])
            if ending is SecondaryStatus.COMPLETED and was_stopped:
                ending = record.stop_ending(job) or SecondaryStatus.STOPPED
            details = {
                "exit_code": result.exit_code,
                "failure_reason": result.failure_reason,
                "metrics": _all_metrics(job, metrics),
            }
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


def _all_metrics(job: Resource, metrics: list[dict[str, object]]) -> list[dict[str, object]]:
    return record.merge_metrics(job.document.get("metrics") or [], metrics)

"""The first process: starts template and workers, replaces what dies or hangs, stops everything in order.

    supervisor ── template ──┬── worker 1      event loop + model
                             └── worker 2

It never runs the user's code, has one thread, and waits only in ``select``: for reports, for signals, and for the next
moment at which something is overdue. As process 1 of a container it also reaps the orphans that end up with it.

Rules:

1. Until a worker has been ready, the first failure ends ``serve`` with its reason: an error, a process that dies, a
   time-out. Nothing listens before that.
2. Later a worker that ends is replaced and said so; ``MAX_START_FAILURES`` in a row that never got ready end ``serve``.
3. A worker whose heartbeat stops is made to dump its stacks (SIGABRT), then killed, then replaced.
4. SIGTERM or SIGINT: no more connections, requests in flight finish, exit 0; what is left near the end of the grace
   period is killed. A second signal kills at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import time
from dataclasses import dataclass

from seatrial.contract.limits import HOSTING_STOP_GRACE_SECONDS
from seatrial.core.errors import SeatrialError, UserCodeError
from seatrial.core.exit_codes import describe_exit
from seatrial.runtime.serving import messages, sharing
from seatrial.runtime.serving.locate import HandlerFile
from seatrial.runtime.serving.settings import Settings
from seatrial.runtime.serving.template import TemplatePlan, run_template

logger = logging.getLogger("seatrial.serving")

MAX_START_FAILURES = 3
KILL_AFTER_SECONDS = HOSTING_STOP_GRACE_SECONDS - 2.0
"""After SIGTERM; the platform's own SIGKILL comes two seconds later (contract.md §2.1)."""
STACK_DUMP_SECONDS = 1.0
"""SIGABRT to SIGKILL for a worker that hangs."""
TEMPLATE_STOP_SECONDS = 2.0
"""SIGTERM to SIGKILL for a template that is still loading."""
HEARTBEAT_SLACK_SECONDS = 2.0
"""A heartbeat may be later than the time-out by this before its worker is taken for dead."""
_TICK_SECONDS = 0.25


@dataclass(slots=True)
class _Worker:
    pid: int
    forked_at: float
    is_ready: bool = False
    kill_at: float | None = None
    """When SIGKILL follows the SIGABRT already sent."""
    is_replaced_because: str | None = None


class Supervisor:
    """Runs ``serve``.

    Args:
        settings: What ``serve`` was told.
        handler: The file with the user's hooks.
        sock: Bound, not listening.
    """

    def __init__(self, settings: Settings, handler: HandlerFile, sock: socket.socket) -> None:
        self._settings = settings
        self._handler = handler
        self._sock = sock
        self._heartbeats = messages.Heartbeats(settings.worker_count)
        self._workers: dict[int, _Worker] = {}
        """By slot."""
        self._start_at: dict[int, float] = {}
        """When to start the worker of a slot that has none."""
        self._template_pid = 0
        self._template_started_at = 0.0
        self._template_is_ready = False
        self._template_is_retired = False
        # One worker shares with nobody: loading in it saves the copy in the template.
        self._preloads = settings.preload_model and settings.worker_count > 1
        self._installs = True
        self._was_ever_ready = False
        self._start_failures = 0
        self._stopped_at: float | None = None
        self._looked_at = time.monotonic()
        """When time was last looked at, some four times a second."""
        self._judges_from = 0.0
        """No heartbeat is too old before."""
        self._kills_now = False
        self._error: SeatrialError | None = None
        self._orders = -1

    def run(self) -> None:
        """Serve until told to stop.

        Raises:
            SeatrialError: the model cannot be loaded, or workers keep failing.
        """
        wake_reader, wake_writer = socket.socketpair()
        for end in (wake_reader, wake_writer):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: None)
        self._lifeline, self._lifeline_writer = os.pipe()
        reports, self._reports_writer = os.pipe()
        os.set_blocking(reports, False)
        self._only_here = [wake_reader.fileno(), wake_writer.fileno(), self._lifeline_writer, reports]
        self._reader = messages.LineReader(reports, messages.Report)
        with selectors.DefaultSelector() as selector:
            self._only_here.append(selector.fileno())
            selector.register(reports, selectors.EVENT_READ)
            selector.register(wake_reader, selectors.EVENT_READ)
            self._start_template()
            while not self._is_over:
                selector.select(_TICK_SECONDS)
                self._handle_signals(wake_reader)
                self._handle_reports()
                self._handle_time(time.monotonic())
        if self._error is not None:
            raise self._error

    @property
    def _is_over(self) -> bool:
        return self._stopped_at is not None and not self._template_pid

    # Starting

    def _start_template(self) -> None:
        orders, orders_writer = os.pipe()
        os.set_blocking(orders, False)
        self._template_started_at = time.monotonic()
        self._template_is_ready = self._template_is_retired = False
        plan = TemplatePlan(
            settings=self._settings,
            handler=self._handler,
            sock=self._sock,
            orders=orders,
            reports=self._reports_writer,
            lifeline=self._lifeline,
            heartbeats=self._heartbeats,
            preloads=self._preloads,
            installs=self._installs,
        )
        pid = sharing.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for file_descriptor in [*self._only_here, orders_writer]:
                os.close(file_descriptor)
            run_template(plan)
        os.close(orders)
        self._template_pid, self._orders = pid, orders_writer

    def _order(self, order: messages.Order) -> None:
        # A template that has just died cannot read; its end is handled when it is reaped.
        with contextlib.suppress(BrokenPipeError):
            messages.send(self._orders, order)

    # Reports

    def _handle_reports(self) -> None:
        for report in self._reader.read():
            self._handle(report)

    def _handle(self, report: messages.Report) -> None:
        if isinstance(report, messages.TemplateReady):
            self._on_template_ready(report.why_not_shared)
        elif isinstance(report, messages.Failed):
            self._on_failed(messages.restore_error(report))
        elif isinstance(report, messages.Forked):
            self._workers[report.slot] = _Worker(report.pid, time.monotonic())
        elif isinstance(report, messages.Ready):
            self._on_ready(report)
        elif isinstance(report, messages.Hung):
            self._on_hung(report)
        else:
            self._on_exited(report)

    def _on_template_ready(self, why_not_shared: str | None) -> None:
        self._installs = False
        if why_not_shared is not None:
            logger.info("each worker loads the model itself: %s", why_not_shared)
            self._preloads, self._template_is_retired = False, True
            os.kill(self._template_pid, signal.SIGKILL)  # a fresh one follows when it is reaped
            return
        self._template_is_ready = True
        for slot in range(self._settings.worker_count):
            self._start_at[slot] = 0.0

    def _on_failed(self, error: SeatrialError) -> None:
        if self._was_ever_ready:
            logger.error("a worker cannot start: [%s] %s", error.code, error.sentence())
        else:
            self._end_with(error)

    def _worker_of(self, report: messages.Ready | messages.Hung) -> _Worker | None:
        """Who reports; ``None`` when it was killed with its template after it had written that."""
        worker = self._workers.get(report.slot)
        return worker if worker is not None and worker.pid == report.pid else None

    def _on_ready(self, report: messages.Ready) -> None:
        worker = self._worker_of(report)
        if worker is None:
            return
        worker.is_ready = True
        self._start_failures = 0
        if not self._was_ever_ready:
            self._was_ever_ready = True
            logger.info(
                "serving %s on port %d, %d workers",
                self._handler.path,
                self._settings.port,
                self._settings.worker_count,
            )
        logger.info("worker %d is ready (pid %d)", report.slot + 1, report.pid)

    def _on_hung(self, report: messages.Hung) -> None:
        worker = self._worker_of(report)
        if worker is not None:
            worker.is_replaced_because = f"a hook took longer than {self._settings.timeout_seconds:g} s"

    def _on_exited(self, report: messages.Exited) -> None:
        worker = self._workers.pop(report.slot, None)
        if worker is None or self._stopped_at is not None:
            return
        if self._error is not None:
            self._stop()
            return
        reason = worker.is_replaced_because or _ending(report.status)
        self._on_lost(report.slot, worker, reason)

    def _on_lost(self, slot: int, worker: _Worker, reason: str) -> None:
        if not self._was_ever_ready:
            self._end_with(_load_crashed(reason))
            return
        now = time.monotonic()
        # One that dies as soon as it lives shall not make us fork without a pause.
        delay = 0.0 if now - worker.forked_at > 1.0 else 0.5
        if not worker.is_ready:
            self._start_failures += 1
            delay = 0.5 * 2 ** (self._start_failures - 1)
            if self._start_failures >= MAX_START_FAILURES:
                self._end_with(_crash_loop(reason))
                return
        logger.error("worker %d (pid %d) is replaced: %s", slot + 1, worker.pid, reason)
        self._start_at[slot] = now + delay

    # Signals

    def _handle_signals(self, wake_reader: socket.socket) -> None:
        try:
            numbers = wake_reader.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number == signal.SIGCHLD:
                self._reap()
            elif number in (signal.SIGTERM, signal.SIGINT):
                self._on_stop_signal(number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._template_pid:
                self._on_template_gone(status)

    def _on_template_gone(self, status: int) -> None:
        self._template_pid, self._template_is_ready = 0, False
        self._handle_reports()  # its last words
        os.close(self._orders)
        self._start_at.clear()
        for worker in self._workers.values():  # orphans now: nobody of ours would tell how they ended
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
        self._workers.clear()
        if self._stopped_at is None:
            self._replace_template(_ending(status))

    def _replace_template(self, reason: str) -> None:
        if not self._template_is_retired:
            if not self._was_ever_ready:
                self._end_with(_load_crashed(reason))
                return
            self._start_failures += 1
            if self._start_failures >= MAX_START_FAILURES:
                self._end_with(_crash_loop(reason))
                return
            logger.error("the process that workers are forked from is replaced: %s", reason)
        self._start_template()

    def _on_stop_signal(self, number: int) -> None:
        if self._stopped_at is not None:
            logger.info("%s again: stopping at once", signal.Signals(number).name)
            self._kills_now = True
            return
        logger.info("%s: finishing the requests in flight", signal.Signals(number).name)
        self._stop()

    def _stop(self) -> None:
        self._stopped_at = time.monotonic()
        # As long as any process holds the listening socket, the kernel takes connections for it.
        self._sock.close()
        if self._template_is_ready:
            self._order(messages.Stop())
        elif self._template_pid:
            os.kill(self._template_pid, signal.SIGTERM)

    def _end_with(self, error: SeatrialError) -> None:
        if self._stopped_at is None:  # what fails after that fails because of it
            self._error = error
            self._stop()

    # Time

    def _handle_time(self, now: float) -> None:
        if now - self._looked_at > HEARTBEAT_SLACK_SECONDS:
            # We were stopped ourselves, as by `docker pause`, and so were the workers: let their hearts beat first.
            self._judges_from = now + HEARTBEAT_SLACK_SECONDS
        self._looked_at = now
        if self._stopped_at is not None:
            self._check_stop(now - self._stopped_at)
            return
        if self._template_pid and not self._template_is_ready:
            self._check_template_start(now)
        if self._template_is_ready:
            for slot in [slot for slot, at in self._start_at.items() if at <= now]:
                del self._start_at[slot]
                self._order(messages.Fork(slot))
        for slot, worker in self._workers.items():
            self._check_worker(slot, worker, now)

    def _check_stop(self, seconds: float) -> None:
        if self._kills_now or seconds > KILL_AFTER_SECONDS:
            for worker in self._workers.values():
                self._order(messages.Signal(worker.pid, signal.SIGKILL))
        elif self._template_is_ready or seconds < TEMPLATE_STOP_SECONDS:
            return
        if self._template_pid and not self._workers:
            os.kill(self._template_pid, signal.SIGKILL)

    def _check_template_start(self, now: float) -> None:
        if now - self._template_started_at > self._settings.startup_timeout_seconds:
            os.kill(self._template_pid, signal.SIGABRT)  # dumps its stacks
            self._end_with(_load_too_slow(self._settings.startup_timeout_seconds))

    def _check_worker(self, slot: int, worker: _Worker, now: float) -> None:
        if worker.kill_at is not None:
            if now >= worker.kill_at:
                self._order(messages.Signal(worker.pid, signal.SIGKILL))
            return
        if worker.is_ready:
            allowed = self._settings.timeout_seconds + HEARTBEAT_SLACK_SECONDS
            if self._heartbeats.age_seconds(slot) <= allowed or now < self._judges_from:
                return
            worker.is_replaced_because = f"its event loop gave no sign of life for {allowed:g} s"
        else:
            allowed = self._settings.startup_timeout_seconds
            if now - worker.forked_at <= allowed:
                return
            worker.is_replaced_because = f"it was not ready after {allowed:g} s"
            if not self._was_ever_ready:
                self._error = _load_too_slow(allowed)  # told once the worker is gone
        logger.error("worker %d (pid %d) hangs; the stacks of its threads follow", slot + 1, worker.pid)
        self._order(messages.Signal(worker.pid, signal.SIGABRT))
        worker.kill_at = now + STACK_DUMP_SECONDS


def _ending(status: int) -> str:
    """A ``waitpid`` status in words."""
    ended_with = os.waitstatus_to_exitcode(status)
    hint = ", perhaps for lack of memory" if ended_with == -signal.SIGKILL else ""
    return f"it ended with {describe_exit(ended_with)}{hint}"


def _crash_loop(reason: str) -> UserCodeError:
    return UserCodeError(
        "worker-crash-loop",
        f"{MAX_START_FAILURES} workers in a row ended before they could take a request",
        found=f"the last one: {reason}",
        fix="read the log above: the model or a library of the handler fails while it is loaded",
    )


def _load_crashed(reason: str) -> UserCodeError:
    return UserCodeError(
        "model-load-crashed",
        f"the process died before it could take a request: {reason}",
        fix="read the log above: the model or a library of the handler fails while it is loaded; "
        "SIGKILL often means that the instance has too little memory",
    )


def _load_too_slow(seconds: float) -> UserCodeError:
    return UserCodeError(
        "model-load-timeout",
        f"the model was not loaded within {seconds:g} s; the stacks of its threads are in the log",
        fix="make model_fn faster, or set SAGEMAKER_STARTUP_TIMEOUT",
    )

"""One worker process: the event loop in a thread of its own, the model in the main thread.

Life of a worker: load the model unless the template did; listen; report ``Ready``; serve until SIGTERM; take no more
connections; finish what is in flight; exit 0. It exits at once when the supervisor is gone, and gives up when a
synchronous hook went past the time-out.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from seatrial.contract.limits import HOSTING_STOP_GRACE_SECONDS
from seatrial.core.errors import SeatrialError
from seatrial.runtime.http.server import HttpServer, run_in_loop
from seatrial.runtime.serving import messages
from seatrial.runtime.serving.app import ServingApp
from seatrial.runtime.serving.handler import Handler
from seatrial.runtime.serving.hooks import Hooks
from seatrial.runtime.serving.messages import Heartbeats
from seatrial.runtime.serving.model_thread import ModelThread
from seatrial.runtime.serving.port import port_unusable
from seatrial.runtime.serving.settings import Settings
from seatrial.runtime.serving.user_code import LoadedModel, load_model, load_model_in_loop

logger = logging.getLogger("seatrial.serving")

DRAIN_SECONDS = HOSTING_STOP_GRACE_SECONDS - 5.0
"""How long requests in flight get after SIGTERM; the rest of the grace period is the supervisor's."""

HUNG_EXIT_CODE = 70
START_FAILED_EXIT_CODE = 71

SWITCH_INTERVAL_SECONDS = 0.001
"""How long model thread and event loop keep the interpreter lock from each other (benchmarks/serving.py)."""

_ABANDON_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """What a worker has from the processes before it."""

    slot: int
    settings: Settings
    sock: socket.socket
    reports: int
    """Write end of the pipe of reports."""
    lifeline: int
    """Read end of a pipe whose write end only the supervisor holds."""
    heartbeats: Heartbeats
    read_hooks: Callable[[], Hooks]
    loaded: LoadedModel | None
    """``None`` lets the worker load the model."""


def run_worker(plan: WorkerPlan) -> NoReturn:
    """Be a worker; ends the process."""
    code = START_FAILED_EXIT_CODE
    try:
        code = _Worker(plan).run()
    except SeatrialError as error:
        messages.send(plan.reports, messages.describe_error(error))
    except BaseException:
        logger.exception("the worker failed")
    finally:
        _exit(code)


def _exit(code: int) -> NoReturn:
    # No atexit handlers: they belong to the process this one was forked from.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Worker:
    def __init__(self, plan: WorkerPlan) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._start_error: SeatrialError | None = None
        self._loop_is_running = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._model_thread: ModelThread
        self._stop: asyncio.Event
        self._loaded: asyncio.Future[LoadedModel]

    def run(self) -> int:
        """Serve until told to stop; returns the exit code."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        hooks = None if self._plan.loaded is not None else self._plan.read_hooks()
        loaded = self._plan.loaded
        if hooks is not None and not any(hook.is_async for hook in hooks.loading):
            loaded = load_model(hooks, self._settings)
        wake_reader, wake_writer = socket.socketpair()
        for end in (wake_reader, wake_writer):
            end.setblocking(False)
        # The C part of Python's signal handling writes to this descriptor even while a hook keeps the main thread busy.
        signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        threading.Thread(
            target=self._run_loop, args=(hooks, loaded, wake_reader), name="event loop", daemon=True
        ).start()
        self._loop_is_running.wait()
        self._model_thread.run()
        if self._start_error is not None:
            raise self._start_error
        return 0

    def _run_loop(self, hooks: Hooks | None, loaded: LoadedModel | None, wake_reader: socket.socket) -> None:
        try:
            run_in_loop(self._serve(hooks, loaded, wake_reader))
        except SeatrialError as error:
            self._start_error = error
        except BaseException:
            logger.exception("the event loop failed")
            _exit(START_FAILED_EXIT_CODE)
        finally:
            self._model_thread.stop()

    async def _serve(self, hooks: Hooks | None, loaded: LoadedModel | None, wake_reader: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        self._model_thread = ModelThread(loop, self._settings.timeout_seconds)
        self._loop_is_running.set()
        loop.add_reader(self._plan.lifeline, os._exit, 1)
        loop.add_reader(wake_reader, _on_signal, wake_reader, stop)
        if loaded is None:
            assert hooks is not None  # noqa: S101 (run read them)
            loaded = await load_model_in_loop(hooks, self._settings)
        handler = Handler(loaded, self._settings)
        app = ServingApp(handler, loaded.execution_parameters, self._settings, self._model_thread)
        server = HttpServer(app, self._plan.sock)
        await _listen(server, self._settings.port)
        beating = loop.create_task(self._beat(app, server))
        messages.send(self._plan.reports, messages.Ready(self._plan.slot, os.getpid()))
        await stop.wait()
        if not await server.drain(DRAIN_SECONDS):
            logger.warning("requests were still in flight after %g s and are cut off", DRAIN_SECONDS)
            _exit(0)
        beating.cancel()

    async def _beat(self, app: ServingApp, server: HttpServer) -> None:
        interval = beat_interval_seconds(self._settings.timeout_seconds)
        while True:
            self._plan.heartbeats.beat(self._plan.slot)
            if app.check_deadlines():
                await self._give_up(server)
            await asyncio.sleep(interval)

    async def _give_up(self, server: HttpServer) -> None:
        """Leave a stack dump, let the answers go out, end: only a new process gets rid of a stuck thread."""
        messages.send(self._plan.reports, messages.Hung(self._plan.slot, os.getpid()))
        faulthandler.dump_traceback(all_threads=True)
        await server.drain(_ABANDON_SECONDS)
        _exit(HUNG_EXIT_CODE)


def beat_interval_seconds(timeout_seconds: float) -> float:
    """How often a worker shows that its event loop lives and looks for requests past the time-out."""
    return min(1.0, timeout_seconds / 4)


def _on_signal(wake_reader: socket.socket, stop: asyncio.Event) -> None:
    try:
        numbers = wake_reader.recv(4096)
    except BlockingIOError:
        return
    if signal.SIGTERM in numbers:
        stop.set()


async def _listen(server: HttpServer, port: int) -> None:
    try:
        await server.start()
    except OSError as error:
        raise port_unusable(port, error) from error

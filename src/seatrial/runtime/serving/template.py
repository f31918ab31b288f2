"""The process from which workers are forked: it loads the model once, and every worker shares its memory.

Between supervisor and workers stands this third kind of process, so that the supervisor never runs a line of the
user's code: it stays small, answers signals at once while a model loads, and can start a fresh template when the
loaded model turns out not to be fit for sharing. In that case the template loads nothing and forks clean workers,
each of which loads the model itself.

It is the parent of the workers: it reaps them and reports how they ended. When the supervisor is gone (the pipe of
orders ends), it kills them and ends.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import selectors
import signal
import socket
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from seatrial.core.errors import ConfigError, SeatrialError
from seatrial.runtime.serving import messages, sharing
from seatrial.runtime.serving.locate import HandlerFile
from seatrial.runtime.serving.messages import Heartbeats
from seatrial.runtime.serving.requirements import install_requirements
from seatrial.runtime.serving.settings import Settings

logger = logging.getLogger("seatrial.serving")

SERVE_EXTRA = frozenset({"uvicorn", "uvloop", "httptools", "numpy"})
"""Modules that ``pip install 'seatrial[serve]'`` brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePlan:
    """What a template has from the supervisor."""

    settings: Settings
    handler: HandlerFile
    sock: socket.socket
    orders: int
    """Read end, non-blocking."""
    reports: int
    lifeline: int
    heartbeats: Heartbeats
    preloads: bool
    """Load the model here, before the fork."""
    installs: bool
    """Install the archive's requirements first."""


def run_template(plan: TemplatePlan) -> NoReturn:
    """Be a template; ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    signal.signal(signal.SIGTERM, _leave)
    code = 1
    try:
        _Template(plan).run()
        code = 0
    except SeatrialError as error:
        messages.send(plan.reports, messages.describe_error(error))
    except KeyboardInterrupt:
        code = 0
    except BaseException:
        logger.exception("the template process failed")
    finally:
        os._exit(code)


def _server_not_importable(error: ImportError) -> ConfigError:
    if isinstance(error, ModuleNotFoundError) and error.name in SERVE_EXTRA:
        return ConfigError(
            "serve-extra-missing",
            f"this environment lacks {error.name}, without which there is no serving",
            fix="pip install 'seatrial[serve]'",
        )
    logger.error("the HTTP server cannot be imported", exc_info=error)
    return ConfigError(
        "serve-extra-broken",
        "the packages that serving needs are installed and cannot be imported",
        found=f"{type(error).__name__}: {error}",
        fix="read the traceback above; pip install --force-reinstall 'seatrial[serve]'",
    )


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # Whatever else is raised in the user's code counts as a failure of it.
    raise KeyboardInterrupt


class _Template:
    def __init__(self, plan: TemplatePlan) -> None:
        self._plan = plan
        self._slot_of: dict[int, int] = {}
        """Slot by process id, for the workers that run."""
        self._is_stopping = False

    def run(self) -> None:
        plan = self._plan
        if plan.installs and plan.handler.requirements is not None:
            install_requirements(plan.handler.requirements, plan.settings.startup_timeout_seconds)
        # Imported here: the supervisor shares this module, and stays free of the server and of numpy.
        try:
            from seatrial.runtime.serving import user_code, worker  # noqa: PLC0415
        except ImportError as error:
            raise _server_not_importable(error) from error

        self._worker = worker
        self._user_code = user_code
        self._loaded = None
        why_not_shared = None
        if plan.preloads:
            hooks = user_code.import_hooks(plan.handler)
            why_not_shared = sharing.why_not_shared(hooks)
            if why_not_shared is None:
                self._loaded = user_code.load_model(hooks, plan.settings)
                why_not_shared = sharing.why_not_shared(hooks)
        gc.collect()
        gc.freeze()  # a collection in a worker would write to, and so copy, every shared page
        messages.send(plan.reports, messages.TemplateReady(why_not_shared))
        self._obey()

    def _obey(self) -> None:
        """Follow orders until told to stop and the last worker is gone."""
        wake_reader, wake_writer = socket.socketpair()
        for end in (wake_reader, wake_writer):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda number, frame: None)
        orders = messages.LineReader(self._plan.orders, messages.Order)
        with selectors.DefaultSelector() as selector:
            selector.register(self._plan.orders, selectors.EVENT_READ)
            selector.register(wake_reader, selectors.EVENT_READ)
            self._own = (wake_reader, wake_writer, selector)
            while not (self._is_stopping and not self._slot_of):
                selector.select()
                with contextlib.suppress(BlockingIOError):
                    wake_reader.recv(4096)
                self._reap()
                for order in orders.read():
                    self._follow(order)
                if orders.is_at_end:
                    self._signal_all(signal.SIGKILL)
                    return

    def _follow(self, order: messages.Order) -> None:
        if isinstance(order, messages.Fork):
            self._fork(order.slot)
        elif isinstance(order, messages.Signal):
            if order.pid in self._slot_of:
                os.kill(order.pid, order.number)
        else:
            self._is_stopping = True
            # As long as any process holds the listening socket, the kernel takes connections for it.
            self._plan.sock.close()
            self._signal_all(signal.SIGTERM)

    def _fork(self, slot: int) -> None:
        self._plan.heartbeats.beat(slot)
        gate, gate_writer = os.pipe()
        # Our handler swallows it: one that reaches the worker before that has its own would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = sharing.fork()
        if pid == 0:
            self._reset_signals()
            os.close(gate_writer)
            if not os.read(gate, 1):
                os._exit(1)  # the template is gone, and the supervisor has never heard of this worker
            os.close(gate)
            self._become_worker(slot)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        self._slot_of[pid] = slot
        # The worker reports through the same pipe: what it says before it is announced would be about nobody.
        messages.send(self._plan.reports, messages.Forked(slot, pid))
        os.write(gate_writer, b"!")
        os.close(gate)
        os.close(gate_writer)

    def _reset_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _become_worker(self, slot: int) -> NoReturn:
        plan = self._plan
        for resource in self._own:
            resource.close()
        os.close(plan.orders)
        self._worker.run_worker(
            self._worker.WorkerPlan(
                slot=slot,
                settings=plan.settings,
                sock=plan.sock,
                reports=plan.reports,
                lifeline=plan.lifeline,
                heartbeats=plan.heartbeats,
                read_hooks=lambda: self._user_code.import_hooks(plan.handler),
                loaded=self._loaded,
            )
        )

    def _reap(self) -> None:
        for pid, slot in list(self._slot_of.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._slot_of[pid]
                messages.send(self._plan.reports, messages.Exited(slot, pid, status))

    def _signal_all(self, number: int) -> None:
        for pid in self._slot_of:
            os.kill(pid, number)

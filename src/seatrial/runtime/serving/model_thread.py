"""The one thread in which synchronous hooks run, so that the event loop stays free to answer ``/ping``.

Rules:

- In a worker it is the main thread, the one that loaded the model: what libraries keep by thread (current CUDA device,
  gradient mode, SQLite connections, signal handlers) is there when the hooks run. The event loop has the other thread.
- Only the event loop calls ``submit``; only the model thread runs jobs, one at a time, in order.
- A finished job goes into a shared deque; the first one after the loop last looked wakes the loop. While the loop waits
  for the interpreter lock more jobs may finish, and all are handed over by that one wake-up. No finished job waits for
  a running one.
- A job that waited longer than the time-out is answered without being run: its client has gone.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from seatrial.core.errors import RequestError

_Job = tuple["asyncio.Future[Any]", float, Callable[..., Any], tuple[object, ...]]


class ModelThread:
    """Runs functions one after the other, in the thread that calls ``run``.

    Args:
        loop: The event loop whose code submits jobs.
        timeout_seconds: After so long in the queue a job is not run any more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_seconds: float) -> None:
        self._loop = loop
        self._timeout_seconds = timeout_seconds
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._loop_is_woken = False
        self._running: asyncio.Future[Any] | None = None
        self._started_at = 0.0

    def submit(self, function: Callable[..., Any], *arguments: object) -> asyncio.Future[Any]:
        """Queue ``function(*arguments)``; the future gets its result or exception."""
        future = self._loop.create_future()
        self._jobs.put((future, time.monotonic(), function, arguments))
        return future

    def overdue(self, now: float) -> asyncio.Future[Any] | None:
        """The future of the job that has been running longer than the time-out, if any."""
        running, started_at = self._running, self._started_at
        return running if running is not None and now - started_at > self._timeout_seconds else None

    def abandon(self, error_for: Callable[[bool], BaseException]) -> None:
        """Fail the running job and all waiting ones; the thread may go on, nobody listens.

        Args:
            error_for: Called with whether the job is the running one.
        """
        if self._running is not None and not self._running.done():
            self._running.set_exception(error_for(True))
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None and not job[0].done():
                job[0].set_exception(error_for(False))

    def stop(self) -> None:
        """Let ``run`` return after the jobs already queued."""
        self._jobs.put(None)

    def run(self) -> None:
        """Run jobs until ``stop``."""
        get = self._jobs.get
        while (job := get()) is not None:
            future, submitted_at, function, arguments = job
            now = time.monotonic()
            result: Any = None
            error: BaseException | None = None
            if now - submitted_at > self._timeout_seconds:
                error = _waited_too_long(self._timeout_seconds)
            else:
                self._started_at, self._running = now, future
                try:
                    result = function(*arguments)
                except StopIteration as raised:  # which no future takes
                    error = RuntimeError("StopIteration was raised")
                    error.__cause__ = raised
                except BaseException as raised:  # SystemExit in a hook must not end the thread
                    error = raised
                self._running = None
            self._done.append((future, result, error))
            # Nothing of a request may live on while the thread waits for the next.
            del job, future, function, arguments, result
            if not self._loop_is_woken:
                self._loop_is_woken = True
                self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._loop_is_woken = False
        done = self._done
        while done:
            future, result, error = done.popleft()
            if future.done():  # the client went away, or the job was abandoned
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _waited_too_long(timeout_seconds: float) -> RequestError:
    return RequestError(
        "server-busy", f"the request waited longer than {timeout_seconds:g} s for the model", fix="try again later"
    )

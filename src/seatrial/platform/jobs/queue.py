"""Jobs in the order they came: each runs in a thread of its own once the machine has room for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from seatrial.platform.jobs.capacity import Capacity, available_memory_bytes

MEMORY_POLL_SECONDS = 1.0
"""How often a job that waits for memory is looked at again: nobody tells when another program frees some."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    name: str
    run: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Started:
    name: str
    at: float
    """On the monotonic clock."""


class JobQueue:
    """Starts jobs; every method may be called from any thread.

    Args:
        capacity: How many at once.
        available_bytes: Measures the machine's free memory.
    """

    def __init__(self, capacity: Capacity, available_bytes: Callable[[], int] = available_memory_bytes) -> None:
        self._capacity = capacity
        self._available_bytes = available_bytes
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._started: dict[threading.Thread, _Started] = {}
        self._next_look: threading.Timer | None = None
        self._is_open = True

    def submit(self, name: str, run: Callable[[], None], *, is_started: bool = False) -> bool:
        """Take a job on.

        Args:
            name: Of the job.
            run: Runs it to its end.
            is_started: It has a place already, and needs no other.

        Returns:
            Whether it started at once.
        """
        waiting = _Waiting(name, run)
        with self._lock:
            if is_started:
                self._start(waiting)
                return True
            self._waiting.append(waiting)
            self._start_what_fits()
            return waiting not in self._waiting

    def withdraw(self, name: str) -> bool:
        """Take a waiting job back.

        Returns:
            Whether it was waiting: it will never start then.
        """
        with self._lock:
            left = [one for one in self._waiting if one.name != name]
            was_waiting = len(left) < len(self._waiting)
            self._waiting = left
            self._start_what_fits()
        return was_waiting

    def close(self) -> frozenset[str]:
        """Forget every waiting job, and start nothing more.

        Returns:
            The names of the jobs that run.
        """
        with self._lock:
            self._waiting = []
            self._is_open = False
            if self._next_look is not None:
                self._next_look.cancel()
            return frozenset(one.name for one in self._started.values())

    def join(self) -> None:
        """Wait for the jobs that run."""
        with self._lock:
            running = list(self._started)
        for thread in running:
            thread.join()

    def _start_what_fits(self) -> None:
        while self._is_open and self._waiting and self._capacity.has_place(len(self._started)):
            if not self._has_memory():
                self._look_again_later()
                return
            if not self._start(self._waiting.pop(0)):
                return

    def _start(self, waiting: _Waiting) -> bool:
        thread = threading.Thread(target=self._run, args=(waiting,), name=f"job-{waiting.name}")
        self._started[thread] = _Started(waiting.name, time.monotonic())
        try:
            thread.start()
        except RuntimeError:  # the system has no thread to give
            del self._started[thread]
            self._waiting.insert(0, waiting)
            self._look_again_later()
            return False
        return True

    def _has_memory(self) -> bool:
        now = time.monotonic()
        ages = [now - one.at for one in self._started.values()]
        return self._capacity.has_memory(ages, self._available_bytes() if ages else 0)

    def _look_again_later(self) -> None:
        if self._next_look is None:
            self._next_look = threading.Timer(MEMORY_POLL_SECONDS, self._look_again)
            self._next_look.daemon = True
            self._next_look.start()

    def _look_again(self) -> None:
        with self._lock:
            self._next_look = None
            self._start_what_fits()

    def _run(self, waiting: _Waiting) -> None:
        try:
            waiting.run()
        finally:
            with self._lock:
                del self._started[threading.current_thread()]
                self._start_what_fits()

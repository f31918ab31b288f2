"""Places and memory: who starts when."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.jobs import queue as queue_module
from seatrial.platform.jobs.capacity import Capacity, available_memory_bytes
from seatrial.platform.jobs.queue import JobQueue

GIB = 1 << 30


class Jobs:
    """Jobs that run until they are told to end."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._ends: dict[str, threading.Event] = {}
        self.started: list[str] = []
        self._change = threading.Condition()

    def submit(self, name: str) -> bool:
        end = self._ends[name] = threading.Event()

        def run() -> None:
            with self._change:
                self.started.append(name)
                self._change.notify_all()
            assert end.wait(30)

        return self._queue.submit(name, run)

    def end(self, name: str) -> None:
        self._ends[name].set()

    def wait_until(self, is_so: Callable[[list[str]], bool]) -> None:
        with self._change:
            assert self._change.wait_for(lambda: is_so(self.started), 30), self.started

    def end_all(self) -> None:
        for end in self._ends.values():
            end.set()


def test_jobs_start_in_order_as_places_become_free() -> None:
    queue = JobQueue(Capacity(max_jobs=2))
    jobs = Jobs(queue)

    assert [jobs.submit(name) for name in "abcd"] == [True, True, False, False]
    jobs.end("b")
    jobs.wait_until(lambda started: "c" in started)
    assert "d" not in jobs.started
    jobs.end("a")
    jobs.wait_until(lambda started: "d" in started)
    jobs.end_all()
    queue.join()


def test_withdrawn_job_never_starts_and_holds_nobody_up() -> None:
    queue = JobQueue(Capacity(max_jobs=1))
    jobs = Jobs(queue)
    for name in "abc":
        jobs.submit(name)

    assert queue.withdraw("b")
    assert not queue.withdraw("a")
    jobs.end("a")
    jobs.wait_until(lambda started: "c" in started)
    assert jobs.started == ["a", "c"]
    jobs.end_all()
    queue.join()


def test_job_waits_for_memory_that_another_program_frees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MEMORY_POLL_SECONDS", 0.01)
    available = [0]
    queue = JobQueue(Capacity(max_jobs=4), lambda: available[0])
    jobs = Jobs(queue)

    assert jobs.submit("a"), "the only job needs no proof"
    assert not jobs.submit("b")
    assert not jobs.submit("c"), "nobody overtakes"
    available[0] = 64 * GIB
    jobs.wait_until(lambda started: len(started) == 3)
    assert jobs.started[0] == "a"
    jobs.end_all()
    queue.join()


def test_closed_queue_starts_nothing_more() -> None:
    queue = JobQueue(Capacity(max_jobs=1))
    jobs = Jobs(queue)
    for name in "abc":
        jobs.submit(name)

    assert queue.close() == {"a"}
    assert not jobs.submit("d")
    jobs.end_all()
    queue.join()
    assert jobs.started == ["a"]


@given(
    ages=st.lists(st.floats(0, 100), max_size=8),
    available_bytes=st.integers(0, 16 * GIB),
    more_bytes=st.integers(0, GIB),
    more_age=st.floats(0, 100),
)
def test_more_memory_and_older_jobs_never_keep_a_job_out(
    ages: list[float], available_bytes: int, more_bytes: int, more_age: float
) -> None:
    capacity = Capacity(max_jobs=100)
    if capacity.has_memory(ages, available_bytes):
        assert capacity.has_memory([age + more_age for age in ages], available_bytes + more_bytes)


def test_young_jobs_are_counted_as_if_their_memory_were_still_to_be_taken() -> None:
    capacity = Capacity(max_jobs=9, job_memory_bytes=GIB, settle_seconds=10)

    assert capacity.has_memory([], 0)
    assert capacity.has_memory([11.0, 12.0], GIB)
    assert not capacity.has_memory([11.0, 9.0], GIB)
    assert capacity.has_memory([11.0, 9.0], 2 * GIB)


def test_memory_of_this_machine_is_measured() -> None:
    assert 1 << 20 < available_memory_bytes() < 1 << 50

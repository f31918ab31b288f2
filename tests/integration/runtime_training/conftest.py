"""One training job as real processes: on one host with a tree of its own, or on hosts with a network of theirs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # modules beside the tests can be imported by name

from hosts import Hosts, open_hosts, why_no_hosts
from job_dir import JobDir, processes_of


@pytest.fixture
def job_dir(tmp_path: Path) -> Iterator[JobDir]:
    """A job with one empty channel ``training`` and no program; whatever it started is gone afterwards."""
    job = JobDir(tmp_path)
    yield job
    for running in job.processes:
        if running.process.poll() is None:
            running.process.kill()
    for pid in processes_of(job):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for running in job.processes:
        running.wait()


@pytest.fixture
def open_job(tmp_path: Path) -> Iterator[Callable[[int], Hosts]]:
    """A function that makes the hosts of one job; all of them are gone afterwards."""
    if problem := why_no_hosts():
        pytest.skip(f"no hosts of their own: {problem}")
    with contextlib.ExitStack() as stack:
        yield lambda count: stack.enter_context(open_hosts(tmp_path, count))

"""What the feeder process of one host's Pipe channels is told, and where it and the platform meet.

A feeder process outlives the platform, as the container does whose channels it feeds: an end of the data that only the
platform's death has brought about would look like a good one to the reader. Its directory holds

    plan.json     what it was told
    lease         locked by the process as long as it lives
    control       a FIFO: any byte asks it to end
    problem       one sentence: what keeps the data from the container
    end           made as its last act: a free lease without it means that the process was killed
"""

from __future__ import annotations

import enum
import fcntl
import os
from pathlib import Path

import msgspec

from seatrial.contract.s3_channel import S3Channel
from seatrial.platform.jobs.input.source import SourcePlace

PLAN_FILE = "plan.json"
LEASE_FILE = "lease"
CONTROL_FILE = "control"
PROBLEM_FILE = "problem"
END_FILE = "end"
SPOOL_DIRECTORY = "spool"
OUTPUT_FILE = "output"


class FedChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One channel, as ``PipeFeeder`` takes it."""

    channel: S3Channel
    host_index: int
    host_count: int


class FeedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All channels of one host."""

    source: SourcePlace
    channels: tuple[FedChannel, ...]
    data_dir: str
    """The host's ``/opt/ml/input/data``."""
    image: str
    """What the container runs: it says which engine knows of its end."""
    keep_dir: str | None
    """As given to ``Engine.start``; ``None``: the container ends with the platform."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The feeder's only line: every FIFO is there, or why not."""

    problem: str | None = None


class FeedState(enum.Enum):
    """What becomes of a feeder process, as its directory tells it."""

    NONE = "none"
    RUNNING = "running"
    ENDED = "ended"
    KILLED = "killed"


_STATES = {
    # has a lease, is locked, has said its end
    (False, False, False): FeedState.NONE,
    (True, True, False): FeedState.RUNNING,
    (True, True, True): FeedState.RUNNING,
    (True, False, True): FeedState.ENDED,
    (True, False, False): FeedState.KILLED,
}


def feed_state(directory: Path) -> FeedState:
    """Look at the directory of a feeder process."""
    try:
        lease = os.open(directory / LEASE_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return FeedState.NONE
    try:
        fcntl.flock(lease, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        is_locked = True
    else:
        is_locked = False
    finally:
        os.close(lease)
    return _STATES[(True, is_locked, (directory / END_FILE).exists())]

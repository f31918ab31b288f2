"""A worker host's wait for the leader, while the programs that it lends to the job run."""

from __future__ import annotations

import time

from seatrial.contract.limits import TRAINING_STOP_GRACE_SECONDS
from seatrial.core.errors import UserCodeError
from seatrial.runtime.training.launchers.crew import Crew
from seatrial.runtime.training.launchers.link import Ending, WorkerLink, host_failure
from seatrial.runtime.training.log_lines import announce
from seatrial.runtime.training.stopping import POLL_SECONDS, JobStopping, Stopping

_STOP_GRACE_SECONDS = TRAINING_STOP_GRACE_SECONDS - 10.0
"""A stopped leader may save results until SIGKILL, and needs its workers for that; the rest is for our own end."""


def serve_leader(leader: str, link: WorkerLink, crew: Crew, stopping: Stopping) -> None:
    """Wait until the leader has ended.

    A leader that tells of a failure has reported it; this host then ends well, with a line in its log.

    Raises:
        UserCodeError: the leader has ended without a word, or one of this host's programs has ended.
        JobStopping: the job is being stopped; only once the leader has finished, or has had its time to.
    """
    stop_by: float | None = None
    while (ended := link.ended()) is None:
        if stopping and stop_by is None:
            stop_by = time.monotonic() + _STOP_GRACE_SECONDS
        if stop_by is None:
            try:
                crew.check()
            except UserCodeError:
                if (ended := link.ended()) is not None:
                    break  # the programs end with the leader's, a moment before this host has heard of it
                raise
            stopping.wait(POLL_SECONDS)
        elif time.monotonic() > stop_by:
            raise JobStopping
        else:
            time.sleep(POLL_SECONDS)
    if stopping:
        raise JobStopping
    if ended.ending is Ending.LOST:
        raise host_failure(leader, ended)
    if ended.ending is Ending.FAILED:
        announce(f"the host {leader} has failed, and so the job: {ended.reason}")

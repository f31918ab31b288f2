"""Whether SageMaker is stopping the job: SIGTERM, then 120 seconds. Source: contract.md §1.9."""

from __future__ import annotations

import signal
import time
from types import FrameType

from seatrial.contract.limits import TRAINING_STOP_GRACE_SECONDS
from seatrial.runtime.training.log_lines import announce_in_signal_handler

POLL_SECONDS = 0.05


class JobStopping(Exception):
    """Raised out of a wait when the job is being stopped; a ``train`` that lets it through has ended well."""

    def __init__(self) -> None:
        super().__init__("the job is being stopped")


class Stopping:
    """True once the job is being stopped; used as ``threading.Event`` is, and as ``if job.stopping:``.

    Not an ``Event``: its lock may be held by the very code that the signal interrupts, and ``set`` would then wait for
    ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def __bool__(self) -> bool:
        return self._is_set

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job is being stopped, at most ``timeout`` seconds; returns whether it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._is_set:
            left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
        return self._is_set

    def raise_if_set(self) -> None:
        """Raises ``JobStopping`` once the job is being stopped."""
        if self._is_set:
            raise JobStopping

    def set_on_sigterm(self) -> None:
        """Handle SIGTERM; to be called from the main thread."""
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, signal_number: int, frame: FrameType | None) -> None:
        del signal_number, frame
        if not self._is_set:
            announce_in_signal_handler(f"the job is being stopped: {TRAINING_STOP_GRACE_SECONDS:.0f} s to finish")
        self.set()

"""How many jobs this machine can carry: pure rules, and the one measurement they need.

AWS gives every job machines of its own; here all jobs share one. A job waits in ``Pending`` ("Training job waiting for
capacity") until a processor and memory are free, and jobs start in the order they were created: a job that waits for
memory is not overtaken, or it would wait for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

JOB_MEMORY_BYTES = 512 << 20
"""What must be free for one more job. No promise: a job may take all the machine has."""

SETTLE_SECONDS = 10.0
"""So long after its start a job may not have taken its memory yet, and is counted as if it had none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the jobs of one platform may take."""

    max_jobs: int
    """Jobs that run at once: one for each processor unless the user says otherwise."""
    job_memory_bytes: int = JOB_MEMORY_BYTES
    settle_seconds: float = SETTLE_SECONDS

    def has_place(self, running_count: int) -> bool:
        return running_count < self.max_jobs

    def has_memory(self, running_ages_seconds: Sequence[float], available_bytes: int) -> bool:
        """Whether one more job has memory; the only job always has, as nothing would ever free more.

        Args:
            running_ages_seconds: How long each running job has run.
            available_bytes: What the machine has free now.
        """
        if not running_ages_seconds:
            return True
        unsettled_count = sum(age < self.settle_seconds for age in running_ages_seconds)
        return available_bytes >= (unsettled_count + 1) * self.job_memory_bytes


def available_memory_bytes() -> int:
    """What can be had on this machine without swapping."""
    import psutil  # noqa: PLC0415 (only a platform with several jobs asks)

    return int(psutil.virtual_memory().available)

"""How many CPUs this container may use: affinity and control-group quota, not the host's count."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")
"""Control groups version 2: ``<quota|max> <period>``, both in microseconds."""

THREAD_COUNT_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by numerical libraries once, when they are loaded."""


def available_cpu_count(quota_file: Path = CGROUP_QUOTA_FILE) -> int:
    """At least 1; a fraction of a CPU counts as a whole one."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        count = os.cpu_count() or 1
    quota = _quota(quota_file)
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def _quota(quota_file: Path) -> float | None:
    try:
        quota, period = quota_file.read_text().split()
        return float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return None


def default_thread_counts(cpu_count: int, worker_count: int) -> dict[str, str]:
    """Environment variables with which ``worker_count`` workers share the CPUs instead of fighting over them."""
    return dict.fromkeys(THREAD_COUNT_VARIABLES, str(max(1, cpu_count // worker_count)))

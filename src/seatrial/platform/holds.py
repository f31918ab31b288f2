"""Answers that are held back until what a waiter asks about has ended (design.md, "Waiters")."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from seatrial.contract.statuses import UNFINISHED_TRAINING_STATUSES
from seatrial.platform.store.resources import Kind, ResourceStore
from seatrial.platform.wire.waiters import HOLD_LIMIT_SECONDS


class Holds:
    """What ``Services.hold`` is made of.

    Args:
        store: Tells of changes.
    """

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._is_released = False

    async def training_job(self, parameters: Mapping[str, Any]) -> None:
        """Wait until the job has ended: a waiter asks for nothing else."""
        loop = asyncio.get_running_loop()
        until = loop.time() + HOLD_LIMIT_SECONDS
        while not self._is_released and (left := until - loop.time()) > 0:
            job = self._store.find(Kind.TRAINING_JOB, parameters["TrainingJobName"])
            if job is None or job.status not in UNFINISHED_TRAINING_STATUSES:
                return
            await self._store.wait_for_change(job, left)

    def release(self) -> None:
        """Hold nothing any more: the platform ends. In the event loop that serves."""
        self._is_released = True
        self._store.wake_all()

"""The containers of one job on several hosts, as if they were one: ``HostGroup`` is a ``Handle``.

The first host that fails ends the job: the others are stopped, SIGTERM first, and its exit status is the group's
(contract.md §1.7). It is written down before they are, so that a later process does not take one of them for it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from seatrial.core.errors import EngineError
from seatrial.core.trees import remove_tree
from seatrial.engines.base import ExitStatus, Handle
from seatrial.engines.cluster_network import ClusterNetwork
from seatrial.platform.jobs import host_keep

_THREADS_MAX_COUNT = 16


class HostGroup(Handle):
    """The started containers of one job.

    Args:
        handles: By host name; a container that was lost is the error that says so.
        network: Removed after them.
        stop_grace_seconds: What the others get when one fails.
        keep_dir: Where a later process finds them.
    """

    def __init__(
        self,
        handles: Mapping[str, Handle | EngineError],
        network: ClusterNetwork | None,
        *,
        stop_grace_seconds: float,
        keep_dir: Path | None,
    ) -> None:
        self.name = next(iter(handles))
        self._handles = {name: one for name, one in handles.items() if isinstance(one, Handle)}
        self._network = network
        self._stop_grace_seconds = stop_grace_seconds
        self._keep_dir = keep_dir
        self._changed = threading.Condition()
        self._ends: dict[str, ExitStatus | EngineError] = {}
        self._running_count = len(handles)
        self._failed_host = host_keep.read_failed_host(keep_dir, handles)
        for name, one in handles.items():
            if isinstance(one, EngineError):
                self._note_end(name, one)
        self._watchers = [
            threading.Thread(target=self._watch, args=item, name=f"end of {item[0]}", daemon=True)
            for item in self._handles.items()
        ]
        for watcher in self._watchers:
            watcher.start()
        if self._failed_host is not None:
            self._stop_others()

    @property
    def failed_host(self) -> str | None:
        """The host that failed first; ``None`` as long as none has."""
        with self._changed:
            return self._failed_host

    def wait(self, timeout_seconds: float | None = None) -> ExitStatus | None:
        """Wait for the end of all; the status is that of the host that failed first.

        Raises:
            EngineError: that host's container was lost.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._running_count == 0, timeout_seconds):
                return None
            decisive = self._ends[self._failed_host or self.name]
        if isinstance(decisive, EngineError):
            raise decisive
        return decisive

    def stop(self, grace_seconds: float) -> ExitStatus:
        """As ``Handle.stop``, for all hosts at once."""
        self._for_each(lambda handle: handle.stop(grace_seconds), self._handles.values())
        status = None
        while status is None:
            status = self.wait(None)
        return status

    def kill(self) -> None:
        self._for_each(lambda handle: handle.kill(), self._handles.values())

    def remove(self) -> None:
        self._for_each(lambda handle: handle.remove(), self._handles.values())
        for watcher in self._watchers:
            watcher.join()
        if self._network is not None:
            self._network.remove()
        if self._keep_dir is not None:
            remove_tree(self._keep_dir)

    def addresses(self) -> Mapping[int, tuple[str, int]]:
        """Hosts of a job publish no ports."""
        return {}

    def _watch(self, name: str, handle: Handle) -> None:
        try:
            end: ExitStatus | EngineError | None = None
            while end is None:
                end = handle.wait(None)
        except EngineError as error:
            end = error
        self._note_end(name, end)

    def _note_end(self, name: str, end: ExitStatus | EngineError) -> None:
        has_failed = isinstance(end, EngineError) or not end.is_success
        with self._changed:
            is_first = has_failed and self._failed_host is None
            if is_first:
                self._failed_host = name
                host_keep.write_failed_host(self._keep_dir, name)
            self._ends[name] = end
        if is_first:
            self._stop_others()
        with self._changed:
            self._running_count -= 1
            self._changed.notify_all()

    def _stop_others(self) -> None:
        """Their own watchers see them end."""
        for name, handle in self._handles.items():
            if name not in self._ends:
                threading.Thread(
                    target=_stop, args=(handle, self._stop_grace_seconds), name=f"stop of {name}", daemon=True
                ).start()

    @staticmethod
    def _for_each(act: Callable[[Handle], object], handles: Iterable[Handle]) -> None:
        """For all of them at once, and for each whatever becomes of the others; the first error is raised then."""
        with ThreadPoolExecutor(_THREADS_MAX_COUNT) as pool:
            acts = [pool.submit(act, handle) for handle in handles]
        for one in acts:
            one.result()


def _stop(handle: Handle, grace_seconds: float) -> None:
    with contextlib.suppress(EngineError):  # its watcher has the same one
        handle.stop(grace_seconds)

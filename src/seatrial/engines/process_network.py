"""The process engine's network for the containers of one job, held by ``launcher/switch.py``.

Each container is a network namespace of its own, connected to the bridge of the job; one slirp4netns at that bridge is
the way out of all of them, so that a container has one interface and one address, by which its peers know it and by
which it reaches the outside. Without root's rights the containers of a job share one user namespace, which owns the
bridge and them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.core.errors import EngineError
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec, network_gone
from seatrial.engines.isolation import Finding, Isolation, find_outbound_program
from seatrial.engines.keep import Keep
from seatrial.engines.launch import LaunchFailedError, launch_switch
from seatrial.engines.launcher.instructions import KILL, STARTED_FILE

if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import Peers

NAME_SERVER = "10.0.2.3"
_GATEWAY = "10.0.2.2"
"""Both are slirp4netns's own, in its default network."""

_ADDRESS = "10.0.2.{}"
_FIRST_HOST = 11
_PREFIX_BITS = 24
_ALONE = "127.0.1.1"
"""Of a host name without peers, as Debian does it."""

_USERS_FILE = "users"
_STARTING_POLL_SECONDS = 0.01


class ProcessNetwork(ClusterNetwork):
    """A network whose namespaces this process holds open.

    Args:
        spec: What it is.
        pid: The process that holds it.
        keep: Its directory when it outlives its starter.
        process: The process when it is our child.
        control: Its control socket when it is our child.
        users: The lock that keeps a kept network; ours from here on.
    """

    def __init__(
        self,
        spec: ClusterNetworkSpec,
        pid: int,
        *,
        keep: Keep | None,
        process: subprocess.Popen[bytes] | None = None,
        control: socket.socket | None = None,
        users: int | None = None,
    ) -> None:
        self.spec = spec
        self._keep = keep
        self._process = process
        self._control = control
        self._descriptors = [] if users is None else [users]
        self.network_fd = self._open(f"/proc/{pid}/ns/net")
        self.user_fd: int | None = None
        if os.stat(f"/proc/{pid}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino:
            self.user_fd = self._open(f"/proc/{pid}/ns/user")

    def _open(self, path: str) -> int:
        self._descriptors.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self._descriptors[-1]

    @property
    def is_open(self) -> bool:
        return bool(self._descriptors)

    def close(self) -> None:
        """Let go of the network, which a kept one outlives."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        if self._control is not None:
            self._control.close()

    def remove(self) -> None:
        if not self.is_open:
            return
        if self._control is not None:
            with contextlib.suppress(OSError):  # it has ended
                self._control.send(KILL)
        if self._process is not None:
            self._process.wait()
        if self._keep is not None:
            self._keep.send(KILL)
            self._keep.wait_for_end()
        self.close()
        if self._keep is not None:
            self._keep.remove()


def create(spec: ClusterNetworkSpec, finding: Finding, keep_dir: Path | None) -> ProcessNetwork:
    """Make a network.

    Raises:
        EngineError: this machine does not let us.
    """
    spec.check()
    if finding.isolation is Isolation.NONE:
        raise EngineError(
            "isolation-not-possible",
            "programs cannot have a network of their own where there are no namespaces",
            found=finding.reason,
            fix="run the job on one host, use the docker engine, or run as root on Linux",
        )
    keep = None if keep_dir is None else Keep(keep_dir)
    with contextlib.ExitStack() as undo:
        lease = users = None
        if keep is not None:
            lease = keep.make({})
            undo.callback(keep.remove)
            users = _lock_users(keep)
        try:
            process, control, pid = launch_switch(
                {
                    "needs_user_namespace": finding.isolation is Isolation.USER,
                    "outbound_program": None if spec.is_isolated else find_outbound_program(),
                    "keep": None if keep is None or lease is None else {"path": str(keep.path), "lease_fd": lease},
                    "users_file": None if keep is None else str(keep.path / _USERS_FILE),
                }
            )
        except LaunchFailedError as error:
            raise EngineError(
                "network-not-possible",
                "the network of the job could not be made",
                found=error.text(),
                fix="run the job on one host, or use the docker engine",
            ) from error
        finally:
            if lease is not None:
                os.close(lease)
        undo.pop_all()
    return ProcessNetwork(spec, pid, keep=keep, process=process, control=control, users=users)


def find(spec: ClusterNetworkSpec, keep_dir: Path) -> ProcessNetwork | None:
    """The network that an earlier process left; ``None`` when there is none any more."""
    keep = Keep(keep_dir)
    while keep.was_used and keep.is_running and not keep.has_started:
        time.sleep(_STARTING_POLL_SECONDS)
    if keep.was_used and keep.has_started:
        users = _lock_users(keep)
        try:
            pid = int((keep.path / STARTED_FILE).read_text(encoding="ascii"))
            found = ProcessNetwork(spec, pid, keep=keep, users=users)
        except FileNotFoundError:
            os.close(users)
        else:
            if keep.is_running:  # so the number was still that process's when its namespaces were opened
                return found
            found.close()
    keep.remove()
    return None


def _lock_users(keep: Keep) -> int:
    """As long as this is open, the network does not end by itself."""
    users = os.open(keep.path / _USERS_FILE, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def peers(network: ClusterNetwork, host_name: str | None) -> Peers:
    """A container's place in the network.

    Raises:
        EngineError: the network is another engine's, or it was removed.
    """
    if not isinstance(network, ProcessNetwork):
        raise EngineError(
            "network-spec-invalid",
            "the network to join is not the process engine's",
            fix="make it with the engine that starts the container",
        )
    if not network.is_open:
        raise network_gone("the process engine")
    return {
        "user_fd": network.user_fd,
        "network_fd": network.network_fd,
        "address": dict(_addresses(network))[host_name or ""],
        "prefix_bits": _PREFIX_BITS,
        "gateway": None if network.spec.is_isolated else _GATEWAY,
    }


def hosts_file(network: ClusterNetwork | None, host_name: str | None) -> str | None:
    """The text of ``/etc/hosts``; ``None`` for a container without a name."""
    if host_name is None:
        return None
    entries = [(host_name, _ALONE)] if network is None else _addresses(network)
    names = "".join(f"{address} {name}\n" for name, address in entries)
    return f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{names}"


def _addresses(network: ClusterNetwork) -> list[tuple[str, str]]:
    """Host names and their addresses, which are fixed: a name resolves before its container is there."""
    return [(name, _ADDRESS.format(_FIRST_HOST + place)) for place, name in enumerate(network.spec.host_names)]

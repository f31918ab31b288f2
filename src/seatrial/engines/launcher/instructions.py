"""What the caller tells the launcher, and what the launcher answers: one line of JSON each way.

Afterwards the caller sends single bytes: ``T`` for SIGTERM to the program, ``K`` for SIGKILL to the whole container.
End of file on the control socket means ``K`` as well, unless the container has a directory of its own (``keep``): it
then goes on without its starter, and obeys the same bytes from a FIFO there.
"""

from __future__ import annotations

import os

TERMINATE = b"T"
KILL = b"K"

LEASE_FILE = "lease"
CONTROL_FILE = "control"
OUTPUT_FILE = "output"
STARTED_FILE = "started"
END_FILE = "end.json"
"""In the directory of a container that outlives its starter (``engines/keep.py``)."""

TYPE_CHECKING = False  # importing typing costs more than the rest of this module
if TYPE_CHECKING:
    from typing import TypedDict

    class MountInstruction(TypedDict):
        source: str
        target: str
        is_read_only: bool
        layers: OverlayLayers | None
        """Instead of the source itself."""

    class OverlayLayers(TypedDict):
        lower: list[str]
        """Directories, uppermost first."""
        upper: str | None
        """``None``: nobody can write."""
        work: str | None

    class Listener(TypedDict):
        fd: int
        """A listening socket made in the host's network."""
        container_port: int

    class Peers(TypedDict):
        """The network of the job, and the container's place in it."""

        user_fd: int | None
        """The user namespace to which the network belongs; ``None`` when it is the host's."""
        network_fd: int
        """The network namespace with the bridge."""
        address: str
        prefix_bits: int
        gateway: str | None
        """The way out; ``None`` leaves the container with its peers."""

    class Switch(TypedDict):
        """What the process that holds a network needs (``switch.py``)."""

        needs_user_namespace: bool
        outbound_program: str | None
        """slirp4netns, when the network is to reach the outside."""
        keep: Keep | None
        users_file: str | None
        """Locked by whoever still means to use a network that outlives its starter."""

    class Keep(TypedDict):
        path: str
        lease_fd: int
        """Locked; the lock ends with the launcher."""

    class Instructions(TypedDict):
        """Everything the launcher needs; paths are absolute host paths."""

        has_namespaces: bool
        """False: the program shares files, ports and processes with the host."""
        needs_user_namespace: bool
        has_private_network: bool
        peers: Peers | None
        """Joined instead of a private network that the container has alone."""
        host_name: str | None
        hosts_file: str | None
        """Text for ``/etc/hosts``; ``None`` shows the host's."""
        name_server: str | None
        """For ``/etc/resolv.conf``; ``None`` shows the host's."""
        outbound_program: str | None
        """slirp4netns, when the private network is to reach the outside."""
        listeners: list[Listener]
        host_ports: list[int]
        """Ports of the host's loopback that the container's loopback leads to; only with a private network."""
        keep: Keep | None
        cgroup_dirs: list[str]
        """Groups the program joins; removed at the end."""
        oom_kill_file: str | None
        """Has a line ``oom_kill N``: how many processes the kernel killed for the memory limit."""
        mounts: list[MountInstruction]
        writable_views: list[str]
        """Directories that get a private copy-on-write view of their own."""
        empty_dirs: list[str]
        """Existing directories that the program finds empty and may write to."""
        empty_dir: str
        """Always there and always empty before the mounts: ``/opt/ml``."""
        shm_bytes: int | None
        executable: str
        argv: list[str]
        environment: dict[str, str]
        working_dir: str
        cleanup_paths: list[str]
        """Links, files and directories of ours to remove at the end, in this order; full directories stay."""
        scratch_dir: str | None
        """A directory of ours to remove at the end with all it holds."""

    class Failure(TypedDict):
        """Why the container could not be started."""

        step: str
        errno: int
        detail: str

    class Report(TypedDict, total=False):
        """One line from the launcher: ready, failed or ended."""

        ready: bool
        pid: int
        """Of a process that holds a network."""
        failure: Failure
        exit_code: int
        oom_kill_count: int


def read_line(control: int) -> bytes:
    """What the caller tells the process that it has started; a caller who is gone already ends the process."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = os.read(control, 1 << 16)
        if not chunk:
            os._exit(127)
        data += chunk
    return data

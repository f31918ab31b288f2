"""What every engine gives: start a container from a spec, follow its output, stop it, learn how it ended.

Rules, checked for every engine by ``seatrial.testing.EngineSuite``:

- ``Engine.start`` returns once the container's process exists, or raises ``EngineError`` and leaves nothing behind.
- Output is handed over line by line in order, stdout and stderr merged, from one thread that the engine owns; when
  ``Handle.wait`` returns, every line has been handed over.
- A ``Handle`` may be used from any thread. ``stop``, ``kill`` and ``remove`` may be called again and after the end.
- When ``remove`` returns, no process, mount, network, port or temporary file of the container is left.
- What an engine cannot do (a limit, an isolation) it refuses in ``start``; it never leaves it out silently.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType

from seatrial.core.errors import EngineError
from seatrial.core.exit_codes import signal_number_of
from seatrial.core.subprocesses import OnLine
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec, check_host_name

CONTAINER_LOST = "container-lost"
"""Code of the error of a container that is gone without anybody knowing how it ended."""


class Network(enum.Enum):
    """What a container can reach, and who else uses its ports."""

    PRIVATE = "private"
    """Its own port space: a hard-coded port is free, and is reached only through ``ContainerSpec.ports``."""
    ISOLATED = "isolated"
    """Its own port space and no traffic but loopback and published ports."""
    HOST = "host"
    """The host's network, ports shared with everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host file or directory seen inside the container."""

    source: Path
    target: PurePosixPath
    is_read_only: bool = False
    changes_dir: Path | None = None
    """For a directory: the container sees it through an overlay and can never change ``source``, nor what its files
    share with others. What it writes lies in this directory, which is the caller's, on a file system of which
    ``Engine.can_overlay`` says so; with ``is_read_only`` it writes nothing. Both live as long as the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    """A port of a container's private network reached from the host."""

    container_port: int
    host_port: int = 0
    """0 lets the engine choose a free one; ``Handle.address`` tells which."""
    host_address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAccess:
    """How a container with ``Network.PRIVATE`` reaches a server of this host."""

    listen_address: str
    """Where the server has to listen; its port belongs into ``ContainerSpec.host_ports``."""
    container_address: str
    """What the container connects to, with the server's own port number."""
    is_shared: bool
    """Others than the container and this host's own programs reach that address too: ask them for a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    """Upper bounds for one container; ``None`` leaves a resource unbounded."""

    cpu_count: float | None = None
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    has_gpus: bool = False
    """All GPUs of the machine. The process engine's containers have them in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """Everything an engine needs to start one container."""

    image: str
    """An image name, or ``file:///directory`` for a program directory."""
    arguments: tuple[str, ...] = ()
    """Replace the image's CMD; with no entrypoint the first one is the program."""
    entrypoint: tuple[str, ...] | None = None
    """Replaces the image's ENTRYPOINT; ``None`` keeps it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    host_ports: tuple[int, ...] = ()
    """Ports of this host, at ``HostAccess.listen_address``, that the container is to reach: no others of its loopback.
    In the host's network the container reaches them as any program does."""
    network: Network = Network.PRIVATE
    joined_network: ClusterNetwork | None = None
    """Of the same engine, and as isolated as ``network`` says; ``None`` leaves the container alone."""
    host_name: str | None = None
    """What the container calls itself, and what its peers call it; alone it may be ``None``: the engine chooses."""
    limits: ResourceLimits = ResourceLimits()
    name: str | None = None
    """Unique among running containers; ``None`` lets the engine choose."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def check_network(self) -> None:
        """Return when the network can be as is asked for: its ports, the host's, its peers.

        Raises:
            EngineError: the container's ports are the host's own, it is to reach nobody and the host all the same, or
                it does not fit into the network it is to join.
        """
        self._check_peers()
        if self.host_ports and self.network is Network.ISOLATED:
            raise EngineError(
                "host-port-isolated",
                "an isolated container cannot reach ports of the host",
                found=", ".join(map(str, self.host_ports)),
                fix="leave host_ports out, or ask for a private network",
            )
        if self.ports and self.network is Network.HOST:
            raise EngineError(
                "port-not-private",
                "ports of a container in the host's network cannot be published",
                fix="reach them directly, or ask for a private network",
            )

    def _check_peers(self) -> None:
        if self.host_name is not None:
            check_host_name(self.host_name)
            if self.network is Network.HOST:
                raise EngineError("network-spec-invalid", "in the host's network a container has the host's name")
        if self.joined_network is None:
            return
        peers = self.joined_network.spec
        if self.host_name not in peers.host_names:
            raise EngineError(
                "network-spec-invalid",
                "the network to join has no host of this name",
                found=repr(self.host_name),
                expected=", ".join(peers.host_names),
                fix="give the container one of these host names",
            )
        if self.network is not (Network.ISOLATED if peers.is_isolated else Network.PRIVATE):
            raise EngineError(
                "network-spec-invalid",
                "the network to join is not as isolated as the container is to be",
                found=f"{'an isolated' if peers.is_isolated else 'a private'} network",
                expected=f"one that is {self.network.value}",
                fix="make both isolated, or both private",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStatus:
    """How a container's first process ended."""

    exit_code: int
    """0 to 255; 128 + n when signal n ended it, as a shell counts."""
    is_out_of_memory: bool = False

    @property
    def is_success(self) -> bool:
        return self.exit_code == 0

    @property
    def signal_number(self) -> int | None:
        """The signal that ended the process, when the exit code says that one did."""
        return signal_number_of(self.exit_code)


class Handle(ABC):
    """One started container."""

    name: str

    @abstractmethod
    def wait(self, timeout_seconds: float | None = None) -> ExitStatus | None:
        """Wait for the end and for the last line of output; ``None`` when the time is up first."""

    @abstractmethod
    def stop(self, grace_seconds: float) -> ExitStatus:
        """SIGTERM to the first process, then after ``grace_seconds`` SIGKILL to all of them; returns how it ended."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL to every process of the container, now."""

    @abstractmethod
    def remove(self) -> None:
        """Kill what still runs and remove every trace of the container from the host."""

    @abstractmethod
    def addresses(self) -> Mapping[int, tuple[str, int]]:
        """Host address and port by each published container port."""

    def address(self, container_port: int) -> tuple[str, int]:
        """Host address and port that reach ``container_port``.

        Raises:
            EngineError: the port was not published.
        """
        published = self.addresses()
        if container_port not in published:
            raise EngineError(
                "port-not-published",
                f"port {container_port} of container {self.name!r} is not published",
                found=", ".join(map(str, published)) or "none",
                fix="add it to the spec's ports",
            )
        return published[container_port]

    def __enter__(self) -> Handle:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.remove()
        except EngineError:
            if not isinstance(exc, EngineError):  # an engine that was lost already cannot remove either
                raise


class Engine(ABC):
    """Runs containers."""

    name: str
    """As the user types it: ``docker`` or ``process``."""

    @property
    def site(self) -> str:
        """Where the containers run, without white space: two engines of one site know each other's containers."""
        return self.name

    @abstractmethod
    def check_ready(self) -> None:
        """Return when containers can be started here.

        Raises:
            EngineError: the engine does not answer, or this machine lacks something it needs.
        """

    @abstractmethod
    def check_image(self, spec: ContainerSpec) -> None:
        """Return when the spec's image exists and its first program can be started, as far as can be told unstarted.

        Raises:
            EngineError: no such image (the nearest known names are in ``found``).
            ContractError: the program is missing, not executable, or its interpreter is missing.
        """

    @abstractmethod
    def start(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path | None = None) -> Handle:
        """Start a container.

        Args:
            spec: The container.
            on_line: Receives its output.
            keep_dir: A directory that is not there yet, or empty. With it the container outlives this process, and
                ``find`` of another one finds it there; ``Handle.remove`` removes it. Without it the container ends
                with this process, or is an orphan (``remove_orphans``).

        Raises:
            EngineError: the engine cannot start it, or cannot do something the spec asks for.
            ContractError: as ``check_image``.
        """

    def check_limits(self, limits: ResourceLimits) -> None:  # noqa: B027 (an engine that can limit all has no answer)
        """Return when containers can be held to these limits here, as far as can be told unstarted.

        Raises:
            EngineError: they cannot.
        """

    def host_access(self) -> HostAccess | None:
        """How containers with a private network reach servers of this host; ``None`` when they cannot.

        Raises:
            EngineError: the engine does not answer.
        """
        return None

    def shares_kernel(self) -> bool:
        """Whether containers run on this machine's Linux: what is written into a FIFO here can be read there.

        Raises:
            EngineError: the engine does not answer.
        """
        return False

    def can_overlay(self, directory: Path) -> bool:
        """Whether ``Mount.changes_dir`` may lie in a directory, with the mount's source on the same file system.

        Raises:
            EngineError: the engine does not answer.
        """
        return False

    def wait_for_end(self, keep_dir: Path) -> None:
        """Return when no container that was started with ``keep_dir`` runs any more; nothing is changed.

        An engine whose containers end with the process that started them returns at once to another one.

        Raises:
            EngineError: the engine does not answer.
        """
        return

    @abstractmethod
    def find(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path) -> Handle | None:
        """The container that ``start`` of an earlier process left in ``keep_dir``, whether it still runs or has ended.

        Args:
            spec: As it was started.
            on_line: Receives its output from the first line on.
            keep_dir: As given to ``start``.

        Returns:
            ``None`` when none was started there; the directory may be used again then.

        Raises:
            EngineError: it was started, and nobody knows how it ended; nothing of it is left.
        """

    def create_network(self, spec: ClusterNetworkSpec, keep_dir: Path | None = None) -> ClusterNetwork:
        """Make a network for the containers of one job.

        Args:
            spec: The network.
            keep_dir: As for ``start``: with it the network outlives this process as long as a container uses it or
                ``find_network`` gives it to another one. Without it it ends with this process, or is an orphan.

        Raises:
            EngineError: the engine has no such networks, here or at all.
        """
        raise EngineError(
            "network-not-possible",
            f"containers of the {self.name} engine cannot share a private network",
            fix="run the job on one host, or use another engine",
        )

    def find_network(self, spec: ClusterNetworkSpec, keep_dir: Path) -> ClusterNetwork | None:
        """The network that ``create_network`` of an earlier process left in ``keep_dir``.

        Args:
            spec: As it was made.
            keep_dir: As given to ``create_network``.

        Returns:
            ``None`` when there is none, or none any more; the directory may be used again then.

        Raises:
            EngineError: the engine does not answer.
        """
        return None

    def remove_orphans(self, is_orphan: Callable[[Mapping[str, str]], bool]) -> int:
        """Remove the containers and networks of ours for whose labels ``is_orphan`` says that their starter is gone.

        An engine whose containers end with the process that started them has none; those with a ``keep_dir`` are none
        either as long as ``is_orphan`` does not say so. What somebody else removes
        meanwhile is passed over. The labels are those of the spec, the engine's own, and the image's.

        Returns:
            How many containers were removed.

        Raises:
            EngineError: the engine does not answer.
        """
        return 0

    def limitations(self) -> tuple[str, ...]:
        """What containers share with the host here, one sentence each; empty when they are fully apart.

        Whoever starts containers for a user shows them once; they are never part of a container's output.
        """
        return ()

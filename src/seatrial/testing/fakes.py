"""Stand-ins that keep the rules of the real thing: ``FakeEngine`` runs Python functions as containers.

``tests/contract/test_engines.py`` checks the fake beside the real engines where the rules can hold without processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from seatrial.core.errors import EngineError
from seatrial.core.subprocesses import OnLine
from seatrial.engines.base import ContainerSpec, Engine, ExitStatus, Handle
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec

Program = Callable[["FakeContainer"], int]
"""A container's program: gets the container, returns its exit code."""


class FakeContainer:
    """What a fake program sees of its container."""

    def __init__(self, spec: ContainerSpec, on_line: OnLine) -> None:
        self.spec = spec
        self.print_line = on_line
        self.terminated = threading.Event()
        """Set by ``stop``: SIGTERM has come."""
        self.killed = threading.Event()
        """Set by ``kill``; a program that waits must wait on this too."""

    def path(self, path: str) -> Path:
        """The host path of a path in the container, through the spec's mounts.

        Raises:
            KeyError: no mount holds it.
        """
        wanted = PurePosixPath(path)
        for mount in sorted(self.spec.mounts, key=lambda mount: len(mount.target.parts), reverse=True):
            if wanted == mount.target or mount.target in wanted.parents:
                return mount.source / wanted.relative_to(mount.target)
        raise KeyError(path)


class FakeHandle(Handle):
    """Runs one program in a thread."""

    def __init__(self, name: str, container: FakeContainer, program: Program) -> None:
        self.name = name
        self.container = container
        self._exit_status: ExitStatus | None = None
        self._thread = threading.Thread(target=self._run, args=(program,), name=name, daemon=True)
        self._thread.start()

    def _run(self, program: Program) -> None:
        exit_code = program(self.container)
        self._exit_status = ExitStatus(exit_code=137 if self.container.killed.is_set() else exit_code)

    def wait(self, timeout_seconds: float | None = None) -> ExitStatus | None:
        self._thread.join(timeout_seconds)
        return self._exit_status

    def stop(self, grace_seconds: float) -> ExitStatus:
        self.container.terminated.set()
        exit_status = self.wait(grace_seconds)
        self.container.killed.set()
        while exit_status is None:
            exit_status = self.wait(None)
        return exit_status

    def kill(self) -> None:
        self.container.killed.set()
        self.container.terminated.set()

    def remove(self) -> None:
        self.kill()
        self._thread.join()

    def addresses(self) -> Mapping[int, tuple[str, int]]:
        return {port.container_port: (port.host_address, port.host_port) for port in self.container.spec.ports}


class FakeNetwork(ClusterNetwork):
    """A network that only remembers whether it is still there."""

    def __init__(self, spec: ClusterNetworkSpec) -> None:
        self.spec = spec
        self.is_removed = False

    def remove(self) -> None:
        self.is_removed = True


class FakeEngine(Engine):
    """Runs Python functions as containers.

    Args:
        images: Image names and the programs they run.
    """

    name = "fake"

    def __init__(self, images: Mapping[str, Program]) -> None:
        self._images = images
        self.handles: list[FakeHandle] = []
        """Every container ever started, oldest first."""
        self.networks: list[FakeNetwork] = []
        """Every network ever made, oldest first."""

    def check_ready(self) -> None:
        return

    def check_image(self, spec: ContainerSpec) -> None:
        if spec.image not in self._images:
            raise EngineError(
                "image-not-found",
                f"there is no image '{spec.image}'",
                found=", ".join(f"'{name}'" for name in self._images),
                fix="name one of these",
            )

    def find(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path) -> None:
        """Its containers are threads: none outlives its process."""

    def create_network(self, spec: ClusterNetworkSpec, keep_dir: Path | None = None) -> FakeNetwork:
        spec.check()
        self.networks.append(FakeNetwork(spec))
        return self.networks[-1]

    def start(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path | None = None) -> FakeHandle:
        self.check_image(spec)
        spec.check_network()
        name = spec.name or f"fake-{len(self.handles)}"
        handle = FakeHandle(name, FakeContainer(spec, on_line), self._images[spec.image])
        self.handles.append(handle)
        return handle

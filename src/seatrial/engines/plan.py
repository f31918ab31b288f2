"""From a spec and its program to the launcher's instructions, with and without namespaces."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contract.layout import OPT_ML
from seatrial.core.errors import EngineError
from seatrial.core.trees import remove_tree
from seatrial.engines import base_dir, cgroups, overlays, ports, process_network
from seatrial.engines.base import ContainerSpec, Network
from seatrial.engines.isolation import PRIVATE_HOME, Isolation, find_outbound_program, namespace_views, server_dirs
from seatrial.engines.program import Program

if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import Instructions

BIND_PORT_VARIABLE = "SAGEMAKER_BIND_TO_PORT"

NO_OUTBOUND = "a private network here has no way out: slirp4netns is not on PATH"

_IMAGE_ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "TRUE"}
"""What the classic Dockerfile sets beside PATH: without the second one a Python program's log comes late or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What a container needs of the host, for a later process to take back."""

    groups: cgroups.ControlGroups
    made: tuple[Path, ...]
    scratch_dir: Path | None
    addresses: Mapping[int, tuple[str, int]]

    def to_json(self) -> dict[str, Any]:
        return {
            "groups": [str(path) for path in self.groups.dirs],
            "made": [str(path) for path in self.made],
            "scratch_dir": None if self.scratch_dir is None else str(self.scratch_dir),
            "addresses": list(self.addresses.items()),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Traces:
        scratch_dir = found.get("scratch_dir")
        return cls(
            groups=cgroups.ControlGroups(dirs=tuple(map(Path, found.get("groups", ())))),
            made=tuple(map(Path, found.get("made", ()))),
            scratch_dir=None if scratch_dir is None else Path(scratch_dir),
            addresses={port: (host, host_port) for port, (host, host_port) in found.get("addresses", ())},
        )

    def take_back(self) -> None:
        """Remove what was made, when no launcher does it."""
        self.groups.remove()
        base_dir.remove_made(list(self.made))
        if self.scratch_dir is not None:
            remove_tree(self.scratch_dir)


@dataclass(slots=True, kw_only=True)
class Plan:
    """What will be started, and what was made for it on the host."""

    instructions: Instructions
    addresses: dict[int, tuple[str, int]]
    """Container port to host address and port."""
    groups: cgroups.ControlGroups
    listeners: list[socket.socket] = field(default_factory=list)
    made: list[Path] = field(default_factory=list)

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors that the launcher inherits."""
        peers = self.instructions["peers"]
        namespaces = () if peers is None else (peers["user_fd"], peers["network_fd"])
        return (
            *(listener.fileno() for listener in self.listeners),
            *(descriptor for descriptor in namespaces if descriptor is not None),
        )

    def close_listeners(self) -> None:
        """The launcher has its own copies."""
        for listener in self.listeners:
            listener.close()

    @property
    def traces(self) -> Traces:
        """What was made on the host, and how the container is reached."""
        return Traces(
            groups=self.groups,
            made=tuple(self.made),
            scratch_dir=None if self.instructions["scratch_dir"] is None else Path(self.instructions["scratch_dir"]),
            addresses=self.addresses,
        )

    def take_back(self) -> None:
        """Remove what was made, when no launcher came to do it."""
        self.traces.take_back()


def with_namespaces(spec: ContainerSpec, name: str, program: Program, python: Path, isolation: Isolation) -> Plan:
    """Plan a container of its own.

    Raises:
        EngineError: the spec asks for something that cannot be had.
    """
    spec.check_network()
    has_private_network = spec.network is not Network.HOST
    peers = None if spec.joined_network is None else process_network.peers(spec.joined_network, spec.host_name)
    outbound = find_outbound_program() if spec.network is Network.PRIVATE else None
    instructions = _instructions(spec, program)
    _set_home(instructions, PRIVATE_HOME)
    instructions["has_namespaces"] = True
    instructions["needs_user_namespace"] = isolation is Isolation.USER
    instructions["has_private_network"] = has_private_network
    instructions["outbound_program"] = outbound if peers is None else None  # the network has one for all
    instructions["name_server"] = None if outbound is None else process_network.NAME_SERVER
    instructions["peers"] = peers
    instructions["host_name"] = spec.host_name
    instructions["hosts_file"] = process_network.hosts_file(spec.joined_network, spec.host_name)
    instructions["host_ports"] = list(spec.host_ports) if has_private_network else []
    if isolation is Isolation.USER:
        targets = (str(OPT_ML), *(str(mount.target) for mount in spec.mounts))
        own = (str(program.directory), str(python.parent.parent))
        instructions["empty_dirs"] = server_dirs()
        instructions["writable_views"] = namespace_views((*targets, *own))
    plan = Plan(instructions=instructions, addresses={}, groups=cgroups.create(_group_name(name), spec.limits))
    with _taken_back_on_error(plan):
        plan.made = base_dir.make_nested_mount_points(spec.mounts)
        instructions["mounts"] = [
            {
                "source": str(mount.source),
                "target": str(mount.target),
                "is_read_only": mount.is_read_only,
                "layers": overlays.instruction(mount),
            }
            for mount in sorted(spec.mounts, key=lambda one: one.target)
        ]
        for port in spec.ports:
            listener = ports.listen(port)
            plan.listeners.append(listener)
            plan.addresses[port.container_port] = listener.getsockname()[:2]
            instructions["listeners"].append({"fd": listener.fileno(), "container_port": port.container_port})
        _add_host_traces(plan)
    return plan


def without_namespaces(spec: ContainerSpec, name: str, program: Program) -> Plan:
    """Plan a plain process.

    Raises:
        EngineError: the spec asks for something that a plain process cannot have.
    """
    _refuse_without_namespaces(spec, program)
    instructions = _instructions(spec, program)
    environment = instructions["environment"]
    plan = Plan(instructions=instructions, addresses={}, groups=cgroups.create(_group_name(name), spec.limits))
    with _taken_back_on_error(plan):
        scratch_dir = base_dir.make_scratch_dir()
        instructions["scratch_dir"] = str(scratch_dir)
        _set_home(instructions, str(scratch_dir))
        if program.honours_base_dir:
            base = base_dir.lay_out(spec.mounts, scratch_dir)
            plan.made = base.made
            environment[base_dir.BASE_DIR_VARIABLE] = str(base.root)
        for port in spec.ports:
            host_port = ports.find_free(port)
            plan.addresses[port.container_port] = (port.host_address, host_port)
            environment[BIND_PORT_VARIABLE] = str(host_port)
        _add_host_traces(plan)
    return plan


def _instructions(spec: ContainerSpec, program: Program) -> Instructions:
    """What both plans have in common."""
    environment = {**_IMAGE_ENVIRONMENT, "PATH": program.path, **spec.environment}
    return {
        "has_namespaces": False,
        "needs_user_namespace": False,
        "has_private_network": False,
        "peers": None,
        "host_name": None,
        "hosts_file": None,
        "name_server": None,
        "outbound_program": None,
        "listeners": [],
        "host_ports": [],
        "keep": None,
        "cgroup_dirs": [],
        "oom_kill_file": None,
        "mounts": [],
        "writable_views": [],
        "empty_dirs": [],
        "empty_dir": str(OPT_ML),
        "shm_bytes": spec.limits.shm_bytes,
        "executable": str(program.executable),
        "argv": list(program.argv),
        "environment": environment,
        "working_dir": str(program.directory),
        "cleanup_paths": [],
        "scratch_dir": None,
    }


def _set_home(instructions: Instructions, home: str) -> None:
    """HOME unless the spec names one; an empty one names none, as with Docker."""
    environment = instructions["environment"]
    environment["HOME"] = environment.get("HOME") or home


def _add_host_traces(plan: Plan) -> None:
    """Tell the launcher what of the host it has to use and to remove."""
    groups, instructions = plan.groups, plan.instructions
    instructions["cgroup_dirs"] = [str(path) for path in groups.dirs]
    instructions["oom_kill_file"] = None if groups.oom_kill_file is None else str(groups.oom_kill_file)
    instructions["cleanup_paths"] = [str(path) for path in reversed(plan.made)]


def _group_name(name: str) -> str:
    return f"{name}-{secrets.token_hex(4)}"


@contextlib.contextmanager
def _taken_back_on_error(plan: Plan) -> Iterator[None]:
    try:
        yield
    except BaseException:
        plan.close_listeners()
        plan.take_back()
        raise


def _refuse_without_namespaces(spec: ContainerSpec, program: Program) -> None:
    wants = [
        (spec.network is Network.ISOLATED, "an isolated network"),
        (spec.joined_network is not None, "a network with its peers"),
        (spec.host_name is not None, "a host name of its own"),
        (spec.limits.shm_bytes is not None, "shared memory of its own size"),
        (bool(spec.ports) and not program.honours_base_dir, "a port of its own"),
        (len(spec.ports) > 1, "several published ports"),
        (any(mount.changes_dir is not None for mount in spec.mounts), "a copy-on-write view of a directory"),
        (
            bool(spec.mounts) and not program.honours_base_dir,
            f"files at {spec.mounts[0].target}" if spec.mounts else "",
        ),
    ]
    for is_wanted, what in wants:
        if is_wanted:
            raise EngineError(
                "isolation-not-possible",
                f"a program cannot have {what} where there are no namespaces",
                where=str(program.directory),
                fix="use the docker engine, run as root on Linux, or, if the program reads SAGEMAKER_BASE_DIR and "
                "SAGEMAKER_BIND_TO_PORT, put 'honours_base_dir = true' at the top of its seatrial.toml",
            )
    spec.check_network()

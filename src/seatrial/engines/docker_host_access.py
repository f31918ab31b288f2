"""How containers of a Docker engine reach servers of this host: it depends on where the engine runs.

- On this Linux host: at the gateway of Docker's default bridge, an address of ours that every container on a bridge
  reaches.
- In a virtual machine beside us (Docker Desktop and its like): ``host.docker.internal`` leads to the host's loopback.
- Elsewhere (``DOCKER_HOST`` names another machine, a rootless engine, Podman): there is no address that we know of.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

from seatrial.engines.base import HostAccess

LOOPBACK = "127.0.0.1"
VIRTUAL_MACHINE_HOST = "host.docker.internal"


def find_host_access(
    *, host: str, system: str, info: Mapping[str, Any], bridge: Mapping[str, Any], is_ours: Callable[[str], bool]
) -> HostAccess | None:
    """The way from a container to this host.

    Args:
        host: The engine's address, as in ``DOCKER_HOST``.
        system: ``sys.platform`` of this host.
        info: The engine's answer to ``/info``.
        bridge: Its network ``bridge``; empty when it has none.
        is_ours: Whether this host has an address.
    """
    if not host.startswith(("unix://", "npipe://")):
        return None
    if not shares_kernel(host=host, system=system, info=info):
        return HostAccess(listen_address=LOOPBACK, container_address=VIRTUAL_MACHINE_HOST, is_shared=False)
    for config in (bridge.get("IPAM") or {}).get("Config") or ():
        gateway = config.get("Gateway")
        if gateway and ":" not in gateway and is_ours(gateway):
            return HostAccess(listen_address=gateway, container_address=gateway, is_shared=True)
    return None


def shares_kernel(*, host: str, system: str, info: Mapping[str, Any]) -> bool:
    """Whether containers run on the kernel of this host; arguments as ``find_host_access``."""
    is_here = host.startswith("unix://") and system == "linux"
    return is_here and info.get("OperatingSystem") != "Docker Desktop"


def is_own_address(address: str) -> bool:
    """Whether a server here can listen at an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True

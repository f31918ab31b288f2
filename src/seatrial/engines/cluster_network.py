"""One private network for the containers of one job: names that resolve, every port free among them.

Rules, checked for every engine by ``seatrial.testing.ClusterNetworkSuite``:

- Each container that joins (``ContainerSpec.joined_network``) has the host name that its spec gives, and an interface
  ``eth0`` by whose address its peers know it. Every TCP and UDP port of it is open to them (contract.md §1.12).
- A host name belongs to one container at a time.
- Nobody else reaches the containers, but through ``ContainerSpec.ports``.
- To the outside it is a network like the one a container has alone: ``is_isolated`` as ``Network.ISOLATED``, otherwise
  as ``Network.PRIVATE`` with ``host_ports``.
- A peer's name may resolve only once the peer has started, as with SageMaker.
- ``ClusterNetwork.remove`` comes after the ``remove`` of the containers; then nothing of it is left on the host.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.core.errors import EngineError

INTERFACE = "eth0"
"""As in SageMaker's containers and their ``resourceconfig.json``."""

HOSTS_MAX_COUNT = 200
"""Containers that one network takes with every engine."""

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_host_name(name: str) -> None:
    """Return when ``name`` can be a container's host name.

    Raises:
        EngineError: it is no label of a DNS name.
    """
    if _HOST_NAME.fullmatch(name) is None:
        raise EngineError(
            "network-spec-invalid",
            "this is no host name",
            found=repr(name),
            expected="1 to 63 lower-case letters, digits and hyphens, no hyphen at either end",
            fix="choose a name such as algo-1",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNetworkSpec:
    """What an engine needs to make a network."""

    host_names: tuple[str, ...]
    """Of the containers that will join, each once."""
    is_isolated: bool = False
    """The containers reach each other and nobody else (``EnableNetworkIsolation``)."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Return when such a network can be.

        Raises:
            EngineError: a host name is none, is there twice, or there are too many or none.
        """
        for name in self.host_names:
            check_host_name(name)
        if len(set(self.host_names)) != len(self.host_names) or not 1 <= len(self.host_names) <= HOSTS_MAX_COUNT:
            raise EngineError(
                "network-spec-invalid",
                "a network needs hosts, each with a name of its own",
                found=f"{len(self.host_names)} names, {len(set(self.host_names))} different ones",
                expected=f"1 to {HOSTS_MAX_COUNT} different names",
            )


class ClusterNetwork(ABC):
    """A network that an engine has made; containers of that engine join it."""

    spec: ClusterNetworkSpec

    @abstractmethod
    def remove(self) -> None:
        """Remove every trace of the network from the host; may be called again.

        Raises:
            EngineError: a container that has joined was not removed, or the engine does not answer.
        """


def network_gone(where: str) -> EngineError:
    """The error of a container that is to join a network that is there no more."""
    return EngineError(
        "network-not-possible",
        "the network of the job is gone",
        where=where,
        fix="look whether somebody removed it, or ended the process that held it",
    )

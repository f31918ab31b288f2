"""The hosts of a job: which of them work together, who leads, and the wait for their names.

Source: contract.md §1.3.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seatrial.contract.training import ResourceConfig, decode_hyperparameter
from seatrial.core.errors import ContractError
from seatrial.runtime.training.stopping import Stopping

NAME_WAIT_SECONDS = 900.0
"""How long peers may take to get a name, as the toolkit waits."""

LOCAL_MODE = "SM_STUDIO_LOCAL_MODE"
"""Environment variable: when ``true``, the toolkit takes the hosts' names for granted."""

_NAME_WAIT_STEP_SECONDS = (0.2, 30.0)
"""First and longest pause between two look-ups."""

_GROUPS_HYPERPARAMETER = "sagemaker_distribution_instance_groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The hosts over which a launcher spreads the user's program."""

    hosts: tuple[str, ...]
    """In lexicographic order, as SageMaker sorts them: ``algo-10`` stands before ``algo-2``."""
    current_host: str
    network_interface_name: str

    @property
    def leader(self) -> str:
        return self.hosts[0]

    @property
    def rank(self) -> int:
        """This host's place among ``hosts``, from 0."""
        return self.hosts.index(self.current_host)

    @property
    def is_leader(self) -> bool:
        return self.current_host == self.leader

    @property
    def workers(self) -> tuple[str, ...]:
        """All hosts but the leader."""
        return self.hosts[1:]


def launch_cluster(config: ResourceConfig, hyperparameters: Mapping[str, str]) -> Cluster | None:
    """The hosts that a launcher uses: all, or those of the groups in ``sagemaker_distribution_instance_groups``.

    Returns:
        ``None`` on a host of another group: it runs the program by itself, as in the toolkit.

    Raises:
        ContractError: the hyperparameter names no group of this job.
    """
    hosts = _distribution_hosts(config, decode_hyperparameter(hyperparameters.get(_GROUPS_HYPERPARAMETER, "null")))
    if config.current_host not in hosts:
        return None
    return Cluster(
        hosts=tuple(sorted(hosts)),
        current_host=config.current_host,
        network_interface_name=config.network_interface_name,
    )


def _distribution_hosts(config: ResourceConfig, named: object) -> Sequence[str]:
    if not named:
        return config.hosts
    groups = {group.instance_group_name: group.hosts for group in config.instance_groups}
    if isinstance(named, list) and all(isinstance(name, str) and name in groups for name in named):
        return [host for name in named for host in groups[name]]
    raise ContractError(
        "distribution-groups-unknown",
        "the launcher is asked to use instance groups that this job has not",
        where=f"hyperparameter '{_GROUPS_HYPERPARAMETER}'",
        found=repr(named),
        expected=f"a JSON list of names among {', '.join(map(repr, groups)) or 'none'}",
    )


def wait_for_names(hosts: Sequence[str], stopping: Stopping) -> None:
    """Wait until each host's name has an address: peers get theirs while the cluster starts, some later than this host.

    Raises:
        ContractError: one has none after 15 minutes.
        JobStopping: the job is being stopped meanwhile.
    """
    if len(hosts) == 1:
        return
    deadline = time.monotonic() + NAME_WAIT_SECONDS
    for host in hosts:
        pause, longest = _NAME_WAIT_STEP_SECONDS
        while not _has_address(host):
            if time.monotonic() > deadline:
                raise ContractError(
                    "host-not-found",
                    f"the host '{host}' of this job has no address",
                    found=f"none within {NAME_WAIT_SECONDS:.0f} s",
                    fix="look at the network of the job's containers",
                )
            if stopping.wait(pause):
                stopping.raise_if_set()
            pause = min(pause * 2, longest)


def has_network_interface(name: str) -> bool:
    """Whether this machine has a network interface of that name."""
    try:
        return name in {interface for _, interface in socket.if_nameindex()}
    except OSError:
        return False


def _has_address(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True

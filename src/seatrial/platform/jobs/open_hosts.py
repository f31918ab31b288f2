"""Start the containers of a job on several hosts, or find them again.

- All start, on a network of the job's own, or none does.
- With a ``keep_dir`` the containers outlive this process. The next one finds those that were started, and starts those
  that were not.
- Each host keeps its own output: the caller gives one ``on_line`` a host, and so one log stream a host.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from seatrial.core.errors import EngineError
from seatrial.core.subprocesses import OnLine
from seatrial.core.trees import remove_tree
from seatrial.engines.base import CONTAINER_LOST, ContainerSpec, Engine, Handle, Network
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec
from seatrial.platform.jobs import host_keep
from seatrial.platform.jobs.host_group import HostGroup

_THREADS_MAX_COUNT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host of a job: its container, and who receives what that prints."""

    name: str
    spec: ContainerSpec
    """Without a network to join; all hosts of a job are equally isolated."""
    on_line: OnLine


def open_hosts(
    engine: Engine,
    hosts: Sequence[Host],
    *,
    labels: Mapping[str, str],
    stop_grace_seconds: float,
    keep_dir: Path | None = None,
) -> HostGroup:
    """Find the containers of a job that an earlier process started, and start the others.

    Args:
        engine: Runs all of them.
        hosts: At least one; the first leads.
        labels: Of the network.
        stop_grace_seconds: What the others get when one fails.
        keep_dir: With it the containers outlive this process. Once a host has failed no other one is started any more.

    Raises:
        EngineError: a container or the network cannot be had; nothing is left behind.
        ContractError: as ``Engine.start``.
    """
    spec = ClusterNetworkSpec(
        host_names=tuple(host.name for host in hosts),
        is_isolated=hosts[0].spec.network is Network.ISOLATED,
        labels=labels,
    )
    found: dict[str, Handle | EngineError | None] = {host.name: _find(engine, host, keep_dir) for host in hosts}
    missing = [host for host in hosts if found[host.name] is None]
    if len(missing) == len(hosts):
        host_keep.forget_failed_host(keep_dir)
    elif host_keep.read_failed_host(keep_dir, found) is not None:
        missing = []
    network: ClusterNetwork | None = None
    try:
        if keep_dir is not None:
            network = engine.find_network(spec, keep_dir / host_keep.NETWORK_DIRECTORY)
        if missing:
            network = network or engine.create_network(spec, host_keep.below(keep_dir, host_keep.NETWORK_DIRECTORY))
            _start(engine, missing, network, keep_dir, found)
    except BaseException:
        _remove_all(found)
        if network is not None:
            network.remove()
        raise
    return HostGroup(
        {name: handle for name, handle in found.items() if handle is not None},
        network,
        stop_grace_seconds=stop_grace_seconds,
        keep_dir=keep_dir,
    )


def remove_kept_hosts(engine: Engine, keep_dir: Path) -> None:
    """Remove what a job left in ``keep_dir``, whoever started it.

    Raises:
        EngineError: the engine does not answer.
    """
    any_network = ClusterNetworkSpec(host_names=())
    for directory in sorted(keep_dir.iterdir()) if keep_dir.is_dir() else []:
        if directory.is_dir() and directory.name != host_keep.NETWORK_DIRECTORY:
            handle = _find(engine, Host(name=directory.name, spec=ContainerSpec(image=""), on_line=_drop), keep_dir)
            if isinstance(handle, Handle):
                handle.remove()
    network = engine.find_network(any_network, keep_dir / host_keep.NETWORK_DIRECTORY)
    if network is not None:
        network.remove()
    remove_tree(keep_dir)


def _drop(_line: str) -> None:
    """Nobody asks any more what the container printed."""


def _find(engine: Engine, host: Host, keep_dir: Path | None) -> Handle | EngineError | None:
    if keep_dir is None:
        return None
    try:
        return engine.find(replace(host.spec, host_name=host.name), host.on_line, keep_dir / host.name)
    except EngineError as error:
        if error.code != CONTAINER_LOST:
            raise
        return error


def _start(
    engine: Engine,
    hosts: Sequence[Host],
    network: ClusterNetwork,
    keep_dir: Path | None,
    found: dict[str, Handle | EngineError | None],
) -> None:
    """Start the hosts at once and add them to ``found``; when some cannot be, the first one's error is raised."""

    def start(host: Host) -> Handle:
        spec = replace(host.spec, host_name=host.name, joined_network=network)
        return engine.start(spec, host.on_line, host_keep.below(keep_dir, host.name))

    with ThreadPoolExecutor(_THREADS_MAX_COUNT) as pool:
        starts = {host.name: pool.submit(start, host) for host in hosts}
    errors = []
    for name, one in starts.items():
        try:
            found[name] = one.result()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _remove_all(found: Mapping[str, Handle | EngineError | None]) -> None:
    for handle in found.values():
        if isinstance(handle, Handle):
            with contextlib.suppress(EngineError):  # what led here is the error to tell
                handle.remove()

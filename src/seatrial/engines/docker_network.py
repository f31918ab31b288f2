"""The Docker engine's network for the containers of one job: a bridge of its own, where host names are aliases.

The daemon's name server answers for containers that run: a peer's name resolves from its start on. A network outlives
its maker whether it is kept or not; its labels tell whose it is (``docker_orphans.py``).
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from docker.errors import APIError, DockerException, NotFound

from seatrial.core.errors import EngineError
from seatrial.core.trees import remove_tree
from seatrial.engines import docker_errors
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec

if TYPE_CHECKING:
    from docker import APIClient

_NAME_FILE = "network"


class DockerNetwork(ClusterNetwork):
    """A network of the daemon's."""

    def __init__(self, api: APIClient, spec: ClusterNetworkSpec, name: str, keep_dir: Path | None) -> None:
        self.spec = spec
        self.name = name
        self._api = api
        self._keep_dir = keep_dir

    def remove(self) -> None:
        try:
            with contextlib.suppress(NotFound):
                self._api.remove_network(self.name)
        except APIError as error:
            raise EngineError(
                "engine-refused",
                f"the Docker engine cannot remove network {self.name!r}",
                found=str(error.explanation or error),
                fix="remove the containers first that have joined it",
            ) from error
        except (DockerException, requests.RequestException) as error:
            raise docker_errors.not_ready(error) from error
        if self._keep_dir is not None:
            remove_tree(self._keep_dir)


def create(api: APIClient, spec: ClusterNetworkSpec, labels: Mapping[str, str], keep_dir: Path | None) -> DockerNetwork:
    """Make a network.

    Raises:
        EngineError: the daemon does not answer, or has no addresses left for it.
    """
    spec.check()
    name = f"seatrial-{secrets.token_hex(8)}"
    if keep_dir is not None:
        _write(keep_dir, name)  # before the network: one that was made is always found
    try:
        api.create_network(name, driver="bridge", internal=spec.is_isolated, labels=dict(labels))
    except (DockerException, requests.RequestException) as error:
        if keep_dir is not None:
            remove_tree(keep_dir)
        if isinstance(error, APIError):
            raise EngineError(
                "network-not-possible",
                "the Docker engine cannot make the network of the job",
                found=str(error.explanation or error),
                fix="run docker network prune when its addresses are used up, or run the job on one host",
            ) from error
        raise docker_errors.not_ready(error) from error
    return DockerNetwork(api, spec, name, keep_dir)


def find(api: APIClient, spec: ClusterNetworkSpec, keep_dir: Path) -> DockerNetwork | None:
    """The network that an earlier process left; ``None`` when there is none any more."""
    try:
        name = (keep_dir / _NAME_FILE).read_text(encoding="ascii")
        api.inspect_network(name)
    except (OSError, NotFound):
        remove_tree(keep_dir)
        return None
    except (DockerException, requests.RequestException) as error:
        raise docker_errors.not_ready(error) from error
    return DockerNetwork(api, spec, name, keep_dir)


def _write(keep_dir: Path, name: str) -> None:
    keep_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = keep_dir / f"{_NAME_FILE}.partial"
    partial.write_text(name, encoding="ascii")
    os.replace(partial, keep_dir / _NAME_FILE)


def name_of(network: ClusterNetwork) -> str:
    """What the daemon calls the network.

    Raises:
        EngineError: it is another engine's.
    """
    if not isinstance(network, DockerNetwork):
        raise EngineError(
            "network-spec-invalid",
            "the network to join is not the Docker engine's",
            fix="make it with the engine that starts the container",
        )
    return network.name


def endpoint(api: APIClient, network: str | None, host_name: str | None) -> dict[str, Any] | None:
    """A container's place in the network, for its creation."""
    if network is None:
        return None
    return {"EndpointsConfig": {network: api.create_endpoint_config(aliases=[host_name] if host_name else [])}}

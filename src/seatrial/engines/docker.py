"""The Docker engine: containers through the Docker Engine API; Podman's compatible socket works too.

What is particular here:

- An image name is looked up among the local images: as it is, then without an Amazon ECR host. Nothing is pulled.
- A container with ``Network.ISOLATED`` and published ports lies on an internal network of its own, where Docker
  publishes nothing: ``Handle.address`` is then the container's own address on that network, which only a Linux host
  reaches; a chosen host port is refused.
- The address at which a port is published is resolved here: from anything but an IP address the daemon makes all
  addresses of the host.
- A container that outlives its starter writes its output to a file of the daemon's without a bound of size, whatever
  the daemon's default is; the file goes with the container.
- The daemon hands over stdout and stderr separately: each is in order, between the two the order is the daemon's.
- Files that the container leaves in bind-mounted directories become the caller's (``ownership.py``).
- Every container and network carries the label ``seatrial=1`` beside those of its spec. They outlive a process that is
  killed: ``remove_orphans`` finds them by these labels (``docker_orphans.py``). A container also bears its own name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from seatrial.core.errors import EngineError
from seatrial.core.subprocesses import OnLine
from seatrial.engines import (
    docker_errors,
    docker_host_access,
    docker_keep,
    docker_network,
    docker_orphans,
    image_names,
    overlays,
    ownership,
    ports,
)
from seatrial.engines.base import ContainerSpec, Engine, Handle, HostAccess, Mount, Network
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec
from seatrial.engines.docker_handle import (
    Container,
    DockerHandle,
    FollowedLog,
    remove_container,
    remove_network,
)

if TYPE_CHECKING:
    from docker import APIClient

LABELS = {"seatrial": "1"}

NAME_LABEL = "seatrial.container"
"""The container's own name: an image committed from a container of ours hands that one's labels on to strangers."""

DEFAULT_HOST = "unix:///var/run/docker.sock"
"""Whom the SDK asks where ``DOCKER_HOST`` names nobody."""

_CHOWN_PATHS_MAX = 500
_LOG_MAX_SIZE = "1000t"
"""The daemon's way to say *no bound*: it takes no negative one, and without one its own default counts."""
_OPEN_CONTAINERS_MAX = 128
"""Connections kept for following containers at once."""


class DockerEngine(Engine):
    """Runs images.

    Args:
        client: Talks to the engine; ``None`` takes what the environment names (``DOCKER_HOST`` and so on).
        owner: User and group id that files in bind-mounted directories shall have after the end; ``None`` leaves them
            when we are root, and makes them ours when not.
    """

    name = "docker"

    def __init__(self, client: docker.DockerClient | None = None, owner: tuple[int, int] | None = None) -> None:
        self._client = client
        self._host = os.environ.get("DOCKER_HOST") or DEFAULT_HOST if client is None else _host(client.api)
        self._host_access: HostAccess | None = None
        self._known: Mapping[str, Any] = {}
        """What the engine says of itself, once it was asked."""
        self._owner = owner if owner is not None or os.geteuid() == 0 else (os.geteuid(), os.getegid())

    @property
    def site(self) -> str:
        return f"{self.name}-{hashlib.sha256(self._host.encode()).hexdigest()[:16]}"  # an address may hold anything

    def close(self) -> None:
        """Close the connections to the engine; containers go on."""
        if self._client is not None:
            self._client.close()

    def check_ready(self) -> None:
        try:
            self._api().ping()
        except (DockerException, requests.RequestException) as error:
            raise docker_errors.not_ready(error) from error

    def check_image(self, spec: ContainerSpec) -> None:
        self._find_image(spec.image)

    def host_access(self) -> HostAccess | None:
        if self._host_access is None:
            api = self._api()
            try:
                self._host_access = docker_host_access.find_host_access(
                    host=self._host,
                    system=sys.platform,
                    info=api.info(),
                    bridge=next(iter(api.networks(names=["bridge"], filters={"driver": "bridge"})), {}),
                    is_ours=docker_host_access.is_own_address,
                )
            except (DockerException, requests.RequestException) as error:
                raise docker_errors.not_ready(error) from error
        return self._host_access

    def shares_kernel(self) -> bool:
        return docker_host_access.shares_kernel(host=self._host, system=sys.platform, info=self._info())

    def can_overlay(self, directory: Path) -> bool:
        is_rootless = "name=rootless" in (self._info().get("SecurityOptions") or ())
        return self.shares_kernel() and not is_rootless and overlays.can_daemon_mount(directory)

    def wait_for_end(self, keep_dir: Path) -> None:
        kept = docker_keep.read(keep_dir)
        if kept is None:
            return
        try:
            if self._api().inspect_container(kept.id)["State"]["Status"] != "created":
                self._api().wait(kept.id, timeout=None)
        except NotFound:
            return
        except (DockerException, requests.RequestException) as error:
            raise docker_errors.not_ready(error) from error

    def _info(self) -> Mapping[str, Any]:
        if not self._known:
            try:
                self._known = self._api().info()
            except (DockerException, requests.RequestException) as error:
                raise docker_errors.not_ready(error) from error
        return self._known

    def start(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path | None = None) -> Handle:
        self._check_host_ports(spec)
        api = self._api()
        image = self._find_image(spec.image)
        spec = replace(
            spec, ports=tuple(replace(port, host_address=ports.resolve(port.host_address)) for port in spec.ports)
        )
        foreign = self._foreign_paths(spec)
        container = self._create(api, spec, image, is_kept=keep_dir is not None)
        try:
            if keep_dir is not None:
                docker_keep.write(keep_dir, container, image, foreign)
                container.keep_dir = keep_dir
            api.start(container.id)
            if keep_dir is not None:
                container.output = FollowedLog(api, container.id)
            container.addresses = _addresses(api, container, spec)
            return DockerHandle(api, container, on_line, lambda: self._hand_over(api, image, spec, foreign, on_line))
        except (DockerException, requests.RequestException) as error:
            fault = docker_errors.explain(error, spec, _unexecutable(api, container, spec))
            remove_container(api, container)
            raise fault from error
        except BaseException:
            remove_container(api, container)
            raise

    def _check_host_ports(self, spec: ContainerSpec) -> None:
        spec.check_network()
        if spec.host_ports and spec.network is Network.PRIVATE and self.host_access() is None:
            raise EngineError(
                "host-not-reachable",
                "containers of this Docker engine cannot reach a server of this host",
                where=self._host,
                fix="use an engine on this machine that is neither rootless nor Podman, or leave host_ports out",
            )

    def find(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path) -> Handle | None:
        kept = docker_keep.read(keep_dir)
        if kept is None:
            docker_keep.remove(keep_dir)
            return None
        api = self._api()
        container = Container(
            id=kept.id, name=kept.name, output=(), addresses={}, network_id=kept.network_id, keep_dir=keep_dir
        )
        try:
            state = api.inspect_container(container.id)["State"]
            if state["Status"] == "created":
                remove_container(api, container)
                return None
            container.output = FollowedLog(api, container.id)
            if state["Running"]:
                container.addresses = _addresses(api, container, spec)
        except NotFound as error:
            remove_container(api, container)
            raise EngineError(
                "container-lost",
                f"the Docker engine has no container {kept.name!r} any more",
                fix="look whether somebody removed it",
            ) from error
        except (DockerException, requests.RequestException) as error:
            raise docker_errors.not_ready(error) from error
        foreign = set(map(Path, kept.foreign_paths))
        return DockerHandle(api, container, on_line, lambda: self._hand_over(api, kept.image, spec, foreign, on_line))

    def create_network(self, spec: ClusterNetworkSpec, keep_dir: Path | None = None) -> ClusterNetwork:
        return docker_network.create(self._api(), spec, {**spec.labels, **LABELS}, keep_dir)

    def find_network(self, spec: ClusterNetworkSpec, keep_dir: Path) -> ClusterNetwork | None:
        return docker_network.find(self._api(), spec, keep_dir)

    def remove_orphans(self, is_orphan: Callable[[Mapping[str, str]], bool]) -> int:
        try:
            return docker_orphans.remove(self._api(), LABELS, NAME_LABEL, is_orphan)
        except (DockerException, requests.RequestException) as error:
            raise docker_errors.not_ready(error) from error

    def _api(self) -> APIClient:
        if self._client is None:
            try:
                self._client = docker.from_env(max_pool_size=_OPEN_CONTAINERS_MAX)
            except (DockerException, requests.RequestException) as error:
                raise docker_errors.not_ready(error) from error
        return self._client.api

    def _find_image(self, name: str) -> str:
        """The id of the image that ``name`` means."""
        api = self._api()
        try:
            for candidate in image_names.candidates(name):
                found = _image_id(api, candidate) if image_names.is_possible(candidate) else None
                if found is not None:
                    return found
            known = [tag for image in api.images() for tag in image.get("RepoTags") or () if tag != "<none>:<none>"]
        except (DockerException, requests.RequestException) as error:
            raise docker_errors.not_ready(error) from error
        raise EngineError(
            "image-not-found",
            f"the Docker engine has no image {name!r}",
            found=", ".join(repr(one) for one in image_names.nearest(name, known)) or "no image at all",
            fix=f"check the name, build the image, or run docker pull {name}"
            if image_names.is_possible(name)
            else "check the name: it has lower-case letters, digits and . _ - / only, then a tag after a colon",
        )

    def _create(self, api: APIClient, spec: ContainerSpec, image: str, *, is_kept: bool) -> Container:
        """Create the container, its network where it needs one, and attach to its output."""
        name = spec.name or f"seatrial-{secrets.token_hex(4)}"
        joined = None if spec.joined_network is None else docker_network.name_of(spec.joined_network)
        with contextlib.ExitStack() as undo:
            try:
                network_id = _make_network(api, spec, name)
                if network_id is not None:
                    undo.callback(remove_network, api, network_id)
                created = api.create_container(
                    image,
                    command=list(spec.arguments) or None,
                    entrypoint=None if spec.entrypoint is None else list(spec.entrypoint),
                    environment=dict(spec.environment),
                    labels=_labels(spec, name),
                    name=name,
                    ports=[port.container_port for port in spec.ports],
                    hostname=spec.host_name,
                    host_config=_host_config(api, spec, joined or network_id, is_kept=is_kept),
                    networking_config=docker_network.endpoint(api, joined, spec.host_name),
                )
                container = Container(id=created["Id"], name=name, output=(), addresses={}, network_id=network_id)
                undo.callback(remove_container, api, container)
                # What is kept is read from the daemon's file instead, where a later process finds the same lines.
                output = () if is_kept else api.attach(container.id, stdout=True, stderr=True, stream=True, demux=True)
            except (DockerException, requests.RequestException) as error:
                raise docker_errors.explain(error, spec) from error
            undo.pop_all()
        container.output = cast("Iterator[tuple[bytes | None, bytes | None]]", output)
        return container

    def _foreign_paths(self, spec: ContainerSpec) -> set[Path]:
        return (
            set()
            if self._owner is None
            else ownership.foreign_paths(ownership.written_mounts(spec.mounts), self._owner[0])
        )

    def _hand_over(self, api: APIClient, image: str, spec: ContainerSpec, before: set[Path], on_line: OnLine) -> None:
        """Give the caller what the container has left in the caller's directories."""
        if self._owner is None:
            return
        mounts = ownership.written_mounts(spec.mounts)
        new = sorted(ownership.foreign_paths(mounts, self._owner[0]) - before)
        # Root of a rootless engine is the caller.
        owner = "0:0" if _is_rootless(api) else f"{self._owner[0]}:{self._owner[1]}"
        for start in range(0, len(new), _CHOWN_PATHS_MAX):
            paths = [str(ownership.container_path(path, mounts)) for path in new[start : start + _CHOWN_PATHS_MAX]]
            if not _chown(api, image, spec, owner, paths):
                on_line(
                    f"seatrial: files in {new[start].parent} belong to another user and the image has no chown to "
                    f"change that: run sudo chown -R {owner} {new[start].parent}"
                )
                return


def _host(api: APIClient) -> str:
    """The engine's address as ``DOCKER_HOST`` would name it; nothing is asked."""
    socket_path = getattr(api.get_adapter(api.base_url), "socket_path", None)
    return api.base_url if socket_path is None else f"unix://{socket_path}"


def _image_id(api: APIClient, name: str) -> str | None:
    inspect_image = cast("Callable[[str], dict[str, Any]]", api.inspect_image)
    try:
        return str(inspect_image(name)["Id"])
    except APIError as error:
        if error.status_code in (400, 404):  # older engines know fewer names that can be, or none has it
            return None
        raise


def _host_config(api: APIClient, spec: ContainerSpec, network_id: str | None, *, is_kept: bool) -> dict[str, Any]:
    limits = spec.limits
    is_published = spec.network is Network.PRIVATE
    config = api.create_host_config(
        mounts=[_mount(mount) for mount in spec.mounts],
        port_bindings={port.container_port: (port.host_address, port.host_port or None) for port in spec.ports}
        if is_published
        else None,
        network_mode=network_id or {Network.HOST: "host", Network.ISOLATED: "none"}.get(spec.network),
        nano_cpus=None if limits.cpu_count is None else round(limits.cpu_count * 1e9),
        mem_limit=limits.memory_bytes,
        memswap_limit=limits.memory_bytes,
        shm_size=limits.shm_bytes,
        device_requests=[docker.types.DeviceRequest(count=-1, capabilities=[["gpu"]])] if limits.has_gpus else None,
        log_config=docker.types.LogConfig(type="json-file", config={"max-size": _LOG_MAX_SIZE}) if is_kept else None,
    )
    return cast("dict[str, Any]", config)


def _mount(mount: Mount) -> docker.types.Mount:
    layers = overlays.make_layers(mount)
    if layers is None:
        return docker.types.Mount(str(mount.target), str(mount.source), type="bind", read_only=mount.is_read_only)
    # A volume without a name: it goes with the container, and whoever removes that need not know of it.
    options = {"type": "overlay", "device": "overlay", "o": layers.options()}
    return docker.types.Mount(
        str(mount.target),
        None,
        type="volume",  # the daemon takes no read-only one without a name; without an upper layer it is that anyway
        no_copy=True,  # else what the image has there would be written into it
        driver_config=docker.types.DriverConfig("local", options),
    )


def _labels(spec: ContainerSpec, name: str) -> dict[str, str]:
    return {**spec.labels, **LABELS, NAME_LABEL: name}


def _make_network(api: APIClient, spec: ContainerSpec, name: str) -> str | None:
    """The network of an isolated container that is to be reached."""
    if spec.network is not Network.ISOLATED or not spec.ports:
        return None
    if sys.platform != "linux" or any(port.host_port for port in spec.ports):
        raise EngineError(
            "isolation-not-possible",
            "the Docker engine cannot publish a chosen port of an isolated container",
            fix="let the engine choose the address (host port 0) on a Linux host, or ask for a private network",
        )
    if spec.joined_network is not None:
        return None
    return str(api.create_network(name, driver="bridge", internal=True, labels={**spec.labels, **LABELS})["Id"])


def _addresses(api: APIClient, container: Container, spec: ContainerSpec) -> dict[int, tuple[str, int]]:
    """Host addresses of the published ports; those of a container that has ended already are gone."""
    if not spec.ports:
        return {}
    settings = api.inspect_container(container.id)["NetworkSettings"]
    if spec.network is Network.ISOLATED:
        own = next(iter(settings["Networks"].values()))["IPAddress"]
        return {port.container_port: (own, port.container_port) for port in spec.ports}
    addresses = {port.container_port: (port.host_address, port.host_port) for port in spec.ports if port.host_port}
    for key, bindings in (settings["Ports"] or {}).items():
        for binding in bindings or ():
            addresses[int(key.partition("/")[0])] = (binding["HostIp"], int(binding["HostPort"]))
    return addresses


def _unexecutable(api: APIClient, container: Container, spec: ContainerSpec) -> str | None:
    """A file on the image's PATH that has the program's name but no run bit: the engine calls it not found."""
    name = next(iter((*(spec.entrypoint or ()), *spec.arguments)), "/")
    if "/" in name:
        return None
    with contextlib.suppress(DockerException, requests.RequestException):
        variables = api.inspect_container(container.id)["Config"]["Env"] or ()
        path = next((one[5:] for one in variables if one.startswith("PATH=")), "")
        for folder in filter(None, path.split(":")):
            with contextlib.suppress(NotFound):
                content, status = api.get_archive(container.id, f"{folder}/{name}")
                for _ in content:  # to its end, which frees the connection
                    pass
                if status["mode"] & 0o111 == 0:
                    return f"{folder}/{name}"
    return None


def _is_rootless(api: APIClient) -> bool:
    return "name=rootless" in (api.info().get("SecurityOptions") or ())


def _chown(api: APIClient, image: str, spec: ContainerSpec, owner: str, paths: list[str]) -> bool:
    """Change owners as root of a throw-away container; whether it could be done."""
    name = f"seatrial-{secrets.token_hex(4)}"
    created = api.create_container(
        image,
        command=["-R", "-h", owner, "--", *paths],
        entrypoint=["chown"],
        user="0:0",
        labels=_labels(spec, name),
        name=name,
        host_config=api.create_host_config(
            network_mode="none",
            mounts=[
                docker.types.Mount(str(one.target), str(one.source), type="bind")
                for one in ownership.written_mounts(spec.mounts)
            ],
        ),
    )
    try:
        api.start(created["Id"])
        return bool(api.wait(created["Id"], timeout=None)["StatusCode"] == 0)
    except DockerException:
        return False
    finally:
        with contextlib.suppress(NotFound):
            api.remove_container(created["Id"], v=True, force=True)

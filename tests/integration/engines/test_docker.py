"""What the Docker engine promises beyond the contract of every engine."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import docker
import pytest
import requests

from seatrial.core.errors import EngineError
from seatrial.engines.base import ContainerSpec, Mount, Network, PublishedPort, ResourceLimits
from seatrial.engines.docker import DockerEngine

IMAGE = "debian:bookworm-slim"
ENGINE_SOCKET = "/var/run/docker.sock"
OTHER_OWNER = (54321, 54322)
DEADLINE_SECONDS = 60.0


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture
def engine(client: docker.DockerClient) -> DockerEngine:
    return DockerEngine(client)


@pytest.fixture
def run() -> str:
    """A label's value that no other test has: others use the same Docker engine."""
    return secrets.token_hex(8)


def _shell(script: str, **options: object) -> ContainerSpec:
    return ContainerSpec(image=IMAGE, entrypoint=("/bin/sh", "-c"), arguments=(script,), **options)  # type: ignore[arg-type]


def _ignore(_line: str) -> None:
    pass


def test_check_ready_without_an_engine_says_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(EngineError) as refusal:
        DockerEngine().check_ready()
    assert refusal.value.code == "engine-not-ready"


@pytest.mark.docker
def test_check_image_strips_an_ecr_host(engine: DockerEngine) -> None:
    engine.check_image(ContainerSpec(image=f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{IMAGE}"))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("name", "can_be_pulled"),
    [("debian:bookworm-slin", True), ("Not A Name", False), ("", False), (f"x/../{IMAGE}", False)],
)
def test_check_image_that_is_unknown_shows_known_names(engine: DockerEngine, name: str, can_be_pulled: bool) -> None:
    with pytest.raises(EngineError) as refusal:
        engine.check_image(ContainerSpec(image=name))
    assert refusal.value.code == "image-not-found"
    assert refusal.value.found
    assert name != "debian:bookworm-slin" or repr(IMAGE) in refusal.value.found
    assert ("docker pull" in (refusal.value.fix or "")) == can_be_pulled


@pytest.mark.docker
@pytest.mark.slow
def test_remove_leaves_no_container_network_or_volume(engine: DockerEngine, client: docker.DockerClient) -> None:
    base = client.containers.create(IMAGE, ["true"])
    image = base.commit("seatrial-test-volume", changes="VOLUME /data")
    base.remove()
    spec = ContainerSpec(
        image="seatrial-test-volume",
        arguments=("sleep", "600"),
        network=Network.ISOLATED,
        ports=(PublishedPort(container_port=8080),),
        labels={"job": "x"},
    )
    try:
        with engine.start(spec, _ignore) as handle:
            container = client.containers.get(handle.name)
            assert {"seatrial": "1", "job": "x"}.items() <= container.labels.items()
            (network,) = container.attrs["NetworkSettings"]["Networks"].values()
            (volume,) = container.attrs["Mounts"]
        for collection, name in (
            (client.containers, container.id),
            (client.networks, network["NetworkID"]),
            (client.volumes, volume["Name"]),
        ):
            with pytest.raises(docker.errors.NotFound):
                collection.get(name)
    finally:
        client.images.remove(image.id, force=True)


@pytest.mark.docker
@pytest.mark.slow
def test_files_of_root_become_the_callers(client: docker.DockerClient, tmp_path: Path) -> None:
    """contract.md §7, pitfall 15."""
    (tmp_path / "mine").touch()
    for path in (tmp_path, tmp_path / "mine"):
        os.chown(path, *OTHER_OWNER) if os.geteuid() == 0 else pytest.skip("needs root to be somebody else")
    (tmp_path / "of before").touch()
    script = (
        "mkdir -p /opt/ml/model/a && touch /opt/ml/model/a/b && chmod 700 /opt/ml/model/a; ln -s /etc /opt/ml/model/l"
    )
    mount = Mount(source=tmp_path, target=PurePosixPath("/opt/ml/model"))
    with DockerEngine(client, owner=OTHER_OWNER).start(_shell(script, mounts=(mount,)), _ignore) as handle:
        status = handle.wait(DEADLINE_SECONDS)
        assert status is not None
        assert status.is_success
        owners = {path.name: path.lstat().st_uid for path in tmp_path.rglob("*")}
    assert owners == {"mine": 54321, "of before": 0, "a": 54321, "b": 54321, "l": 54321}
    assert Path("/etc").stat().st_uid == 0


@pytest.mark.docker
@pytest.mark.slow
def test_limits_reach_the_container(engine: DockerEngine, client: docker.DockerClient) -> None:
    limits = ResourceLimits(cpu_count=0.5, memory_bytes=64 << 20, shm_bytes=16 << 20)
    with engine.start(_shell("sleep 600", limits=limits), _ignore) as handle:
        config = client.containers.get(handle.name).attrs["HostConfig"]
    assert config["NanoCpus"] == 500_000_000
    assert config["Memory"] == config["MemorySwap"] == 64 << 20
    assert config["ShmSize"] == 16 << 20


@pytest.mark.docker
@pytest.mark.slow
def test_container_removed_by_someone_else_counts_as_killed(engine: DockerEngine, client: docker.DockerClient) -> None:
    handle = engine.start(_shell("sleep 600"), _ignore)
    client.containers.get(handle.name).remove(force=True)
    status = handle.wait(DEADLINE_SECONDS)
    assert status is not None
    assert status.exit_code == 137
    handle.remove()


@pytest.mark.docker
def test_start_with_a_taken_name_is_refused_and_leaves_the_other(engine: DockerEngine) -> None:
    with engine.start(_shell("sleep 600", name="seatrial-test-twin"), _ignore) as first:
        with pytest.raises(EngineError) as refusal:
            engine.start(_shell("true", name="seatrial-test-twin"), _ignore)
        assert refusal.value.code == "container-name-taken"
        assert first.wait(0) is None


@pytest.mark.docker
@pytest.mark.parametrize("step", ["kill", "remove_container"])
def test_remove_when_the_engine_is_gone_says_so(
    engine: DockerEngine, client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, *, step: str
) -> None:
    def lose(*_: object, **__: object) -> None:
        raise requests.ConnectionError("connection refused")

    with engine.start(_shell("sleep 600"), _ignore) as handle, monkeypatch.context() as patch:
        patch.setattr(client.api, step, lose)
        with pytest.raises(EngineError) as refusal:
            handle.remove()
    assert refusal.value.code == "engine-not-ready"


class Lifeline:
    """A socket that leads to the Docker engine's until it is cut: so that one engine of many users can go away."""

    def __init__(self, path: Path) -> None:
        self._is_cut = False
        self._ends: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.socket(socket.AF_UNIX)
                far.connect(ENGINE_SOCKET)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self._is_cut = True
        for one in self._ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.mark.docker
@pytest.mark.skipif(not Path(ENGINE_SOCKET).is_socket(), reason="the Docker engine has no socket at its usual place")
def test_engine_that_goes_away_under_a_container_is_told_as_a_lost_container(
    client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is at most 107 bytes
    lifeline = Lifeline(Path("engine.sock"))
    names: list[str] = []

    def run() -> None:
        with (
            contextlib.closing(docker.DockerClient(base_url=f"unix://{tmp_path}/engine.sock")) as through,
            DockerEngine(through).start(_shell("echo on the way; sleep 600"), lambda _line: lifeline.cut()) as handle,
        ):
            names.append(handle.name)
            handle.wait(DEADLINE_SECONDS)

    try:
        with pytest.raises(EngineError) as fault:
            run()
    finally:
        lifeline.close()
        for name in names:
            client.api.remove_container(name, force=True)
    assert fault.value.code == "container-lost"


@pytest.mark.docker
@pytest.mark.parametrize(("name", "address"), [("localhost", "127.0.0.1"), ("127.1", "127.0.0.1"), ("::1", "::1")])
def test_port_is_published_at_the_address_that_a_name_stands_for(
    engine: DockerEngine, client: docker.DockerClient, name: str, address: str
) -> None:
    """The daemon takes what is no IP address for all addresses of the host."""
    port = PublishedPort(container_port=8080, host_address=name)
    with engine.start(_shell("sleep 600", ports=(port,)), _ignore) as handle:
        bindings = client.containers.get(handle.name).attrs["NetworkSettings"]["Ports"]["8080/tcp"]
        assert [binding["HostIp"] for binding in bindings] == [address]
        assert handle.address(8080)[0] == address


@pytest.mark.docker
@pytest.mark.parametrize("name", ["256.1.1.1", "", "a..b"])
def test_port_at_what_is_no_address_is_refused(engine: DockerEngine, name: str) -> None:
    port = PublishedPort(container_port=8080, host_address=name)
    with pytest.raises(EngineError) as refusal:
        engine.start(_shell("sleep 600", ports=(port,)), _ignore).remove()
    assert refusal.value.code == "port-refused"
    assert refusal.value.fix


@pytest.mark.docker
@pytest.mark.parametrize("step", ["create_container", "attach", "start", "inspect_container"])
def test_start_that_is_interrupted_leaves_nothing(
    engine: DockerEngine, client: docker.DockerClient, run: str, monkeypatch: pytest.MonkeyPatch, *, step: str
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    spec = _shell(
        "sleep 600", network=Network.ISOLATED, ports=(PublishedPort(container_port=8080),), labels={"run": run}
    )
    with monkeypatch.context() as patch:
        patch.setattr(client.api, step, interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.start(spec, _ignore)
    ours = {"label": f"run={run}"}
    assert client.containers.list(all=True, filters=ours) == []
    assert client.networks.list(filters=ours) == []


# --- what a killed process leaves behind ----------------------------------------------------------------------------

_PARENT = """
import sys, time
from seatrial.engines.base import ContainerSpec, Network, PublishedPort
from seatrial.engines.docker import DockerEngine
image, run = sys.argv[1:]
handle = DockerEngine().start(
    ContainerSpec(
        image=image, entrypoint=("sleep", "600"), network=Network.ISOLATED,
        ports=(PublishedPort(container_port=8080),), labels={"run": run},
    ),
    print,
)
print(handle.name, flush=True)
time.sleep(600)
"""


def _is_of(run: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: labels.get("run") == run


def _exists(lookup: Callable[[str], object], name: str) -> bool:
    try:
        lookup(name)
    except docker.errors.NotFound:
        return False
    return True


@pytest.mark.docker
@pytest.mark.slow
def test_remove_orphans_after_the_starters_death_removes_container_and_network(
    engine: DockerEngine, client: docker.DockerClient, run: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, IMAGE, run], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        name = parent.stdout.readline().strip()
        parent.kill()
    assert client.containers.get(name).status == "running"
    assert client.networks.get(name).attrs["Labels"] == {"seatrial": "1", "run": run}
    assert engine.remove_orphans(lambda _labels: False) == 0
    assert _exists(client.containers.get, name)
    assert engine.remove_orphans(_is_of(run)) == 1
    assert not _exists(client.containers.get, name)
    assert not _exists(client.networks.get, name)
    assert engine.remove_orphans(_is_of(run)) == 0


@pytest.mark.docker
def test_remove_orphans_removes_a_network_that_has_lost_its_container(
    engine: DockerEngine, client: docker.DockerClient, run: str
) -> None:
    network = client.networks.create(f"seatrial-test-{run}", labels={"seatrial": "1", "run": run})
    assert engine.remove_orphans(_is_of(run)) == 0
    assert not _exists(client.networks.get, network.id)


@pytest.mark.docker
def test_remove_orphans_leaves_what_is_not_ours(engine: DockerEngine, client: docker.DockerClient, run: str) -> None:
    container = client.containers.create(IMAGE, ["true"], labels={"run": run})
    network = client.networks.create(f"seatrial-test-{run}", labels={"run": run, "seatrial": "2"})
    try:
        assert engine.remove_orphans(_is_of(run)) == 0
        assert _exists(client.containers.get, container.id)
        assert _exists(client.networks.get, network.id)
    finally:
        container.remove()
        network.remove()


@pytest.mark.docker
def test_remove_orphans_passes_over_a_container_that_vanished_meanwhile(
    engine: DockerEngine, client: docker.DockerClient, run: str
) -> None:
    labels = {"seatrial": "1", "seatrial.container": f"seatrial-test-{run}", "run": run}
    container = client.containers.create(IMAGE, ["true"], labels=labels, name=f"seatrial-test-{run}")

    def remove_first(labels: Mapping[str, str]) -> bool:
        if labels.get("run") != run:
            return False
        container.remove()
        return True

    assert engine.remove_orphans(remove_first) == 0


@pytest.mark.docker
@pytest.mark.slow
def test_remove_orphans_leaves_a_container_of_an_image_committed_from_ours(
    engine: DockerEngine, client: docker.DockerClient, run: str
) -> None:
    with engine.start(_shell("true", labels={"run": run}), _ignore) as handle:
        image = client.containers.get(handle.name).commit("seatrial-test-committed", tag=run)
    container = client.containers.create(image.id, ["true"])
    try:
        assert {"seatrial": "1", "run": run}.items() <= container.labels.items()
        assert engine.remove_orphans(_is_of(run)) == 0
        assert _exists(client.containers.get, container.id)
    finally:
        container.remove()
        client.images.remove(image.id, force=True)


def test_remove_orphans_without_an_engine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(EngineError) as refusal:
        DockerEngine().remove_orphans(lambda _labels: True)
    assert refusal.value.code == "engine-not-ready"

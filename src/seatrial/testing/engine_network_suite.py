"""The rules of ``engines.cluster_network`` as tests: inherit beside ``EngineSuite``."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines.base import ContainerSpec, Engine, Network
from seatrial.engines.cluster_network import ClusterNetwork, ClusterNetworkSpec
from seatrial.testing.engine_suite import DEADLINE_SECONDS, Lines, Start, doubling_server

_HOSTS = ("algo-1", "algo-2", "algo-3")
_PORT = "8080"
"""On which ``answer`` listens."""
_NOBODY = "192.0.2.1"

MakeNetwork = Callable[..., ClusterNetwork]


class ClusterNetworkSuite:
    """Contract tests of ``Engine.create_network``, of ``Engine.find_network``, and of containers that join."""

    has_cluster_networks = True

    engine_factory: Callable[[], Engine]
    """Makes an engine like the one under test, in another process."""

    @pytest.fixture
    def make_network(self, engine: Engine) -> Iterator[MakeNetwork]:
        """Make a network for three hosts; it is removed at the end."""
        if not self.has_cluster_networks:
            pytest.skip("refused, see test_create_network_where_there_are_none_is_refused")
        made: list[ClusterNetwork] = []

        def make(**options: object) -> ClusterNetwork:
            made.append(engine.create_network(ClusterNetworkSpec(host_names=_HOSTS, **options)))  # type: ignore[arg-type]
            return made[-1]

        yield make
        for network in made:
            network.remove()

    @pytest.fixture
    def network(self, make_network: MakeNetwork) -> ClusterNetwork:
        return make_network()

    @pytest.fixture
    def start_host(self, network: ClusterNetwork, start: Start) -> Start:
        """Start a program on a host of the network, by host name and words."""
        return lambda name, *words, **options: start(*words, host_name=name, joined_network=network, **options)

    def test_create_network_where_there_are_none_is_refused(self, engine: Engine) -> None:
        if self.has_cluster_networks:
            pytest.skip("this engine has them")
        with pytest.raises(EngineError) as refusal:
            engine.create_network(ClusterNetworkSpec(host_names=_HOSTS))
        assert refusal.value.code in {"network-not-possible", "isolation-not-possible"}

    def test_host_has_its_name_and_an_address_of_its_own(self, start_host: Start) -> None:
        addresses = set()
        for name in _HOSTS:
            _, lines = start_host(name, "own-address")
            lines.wait_for("ready")
            assert lines.all[0] == name
            addresses.add(lines.all[1])
        assert len(addresses) == len(_HOSTS)
        assert not any(address.startswith("127.") or address == "ready" for address in addresses)

    def test_hosts_reach_each_other_by_name_all_on_one_port(self, start_host: Start) -> None:
        for name in _HOSTS[:2]:
            _, lines = start_host(name, "answer", environment={"WHO": name})
            lines.wait_for("ready")
        for name in _HOSTS[:2]:
            handle, lines = start_host("algo-3", "ask", name, _PORT, "3000000")
            assert handle.wait(DEADLINE_SECONDS) is not None
            assert lines.all[-1] == f"answer of {len('algo-1 got 3000000')}"
            handle.remove()

    def test_port_of_a_peer_on_which_nobody_listens_refuses(self, start_host: Start) -> None:
        _, lines = start_host("algo-1", "answer", environment={"WHO": "it"})
        lines.wait_for("ready")
        handle, lines = start_host("algo-2", "connect", "algo-1", "65535")
        handle.wait(DEADLINE_SECONDS)
        assert lines.all[-1] == "failed: Connection refused"

    @pytest.mark.slow
    def test_container_of_another_network_does_not_reach_a_host(
        self, start_host: Start, start: Start, make_network: MakeNetwork
    ) -> None:
        _, lines = start_host("algo-3", "own-address", "answer", environment={"WHO": "it"})
        lines.wait_for("ready")
        address = lines.all[1]
        strangers = (
            start("connect", address, _PORT),
            start("connect", address, _PORT, joined_network=make_network(), host_name="algo-1"),
        )
        for handle, lines in strangers:
            handle.wait(DEADLINE_SECONDS)
            assert lines.all[-1] == "timed out" or lines.all[-1].startswith("failed: ")

    def test_each_host_reaches_the_outside_and_ports_of_the_host(self, engine: Engine, start_host: Start) -> None:
        access = engine.host_access()
        if access is None:
            pytest.skip("this engine does not reach the host")
        with doubling_server(access.listen_address) as port, doubling_server(_own_address()) as outside:
            started = [
                start_host(name, "ask", address, str(to), "500", host_ports=(port,))
                for name, address, to in (
                    ("algo-1", access.container_address, port),
                    ("algo-2", access.container_address, port),
                    ("algo-3", _own_address(), outside),
                )
            ]
            for handle, _ in started:
                assert handle.wait(DEADLINE_SECONDS) is not None
        assert [lines.all[-1] for _, lines in started] == ["answer of 1000"] * 3

    def test_isolated_hosts_reach_each_other_and_nobody_else(self, make_network: MakeNetwork, start: Start) -> None:
        joined = {"joined_network": make_network(is_isolated=True), "network": Network.ISOLATED}
        _, lines = start("answer", environment={"WHO": "it"}, host_name="algo-1", **joined)
        lines.wait_for("ready")
        peer, to_peer = start("ask", "algo-1", _PORT, "5", host_name="algo-2", **joined)
        away, to_nobody = start("connect", _NOBODY, "9", host_name="algo-3", **joined)
        peer.wait(DEADLINE_SECONDS)
        away.wait(DEADLINE_SECONDS)
        assert to_peer.all[-1] == "answer of 8"
        assert to_nobody.all[-1] in {"failed: Network is unreachable", "timed out"}

    @pytest.mark.parametrize(
        "options",
        [{"host_name": "algo-4"}, {}, {"host_name": "algo-1", "network": Network.ISOLATED}],
        ids=["unknown name", "no name", "other isolation"],
    )
    def test_container_that_does_not_fit_into_the_network_is_refused(
        self, network: ClusterNetwork, start: Start, options: dict[str, object]
    ) -> None:
        with pytest.raises(EngineError) as refusal:
            start("exit-with", "0", joined_network=network, **options)
        assert refusal.value.code == "network-spec-invalid"

    def test_removed_network_is_gone_and_may_be_removed_again(self, network: ClusterNetwork, start_host: Start) -> None:
        handle, _ = start_host("algo-1", "exit-with", "0")
        handle.remove()
        for _ in range(2):
            network.remove()
        with pytest.raises(EngineError):
            start_host("algo-2", "exit-with", "0")

    def test_container_alone_has_the_name_of_its_spec(self, start: Start) -> None:
        if not self.has_cluster_networks:
            with pytest.raises(EngineError):
                start("own-address", host_name="algo-1")
            return
        _, lines = start("own-address", host_name="algo-1")
        lines.wait_for("ready")
        assert lines.all[0] == "algo-1"
        assert lines.all[1] != "ready"

    # --- networks that outlive their maker -----------------------------------------------------------------------

    def test_kept_network_is_found_and_joined_after_its_maker_was_killed(
        self, engine: Engine, image: str, tmp_path: Path
    ) -> None:
        if not self.has_cluster_networks:
            pytest.skip("refused, see above")
        spec = ClusterNetworkSpec(host_names=_HOSTS)
        self._start_and_die(image, spec, tmp_path)
        network = engine.find_network(spec, tmp_path / "network")
        assert network is not None
        lines = Lines()
        first = engine.find(_host(image, None, "algo-1", "answer"), lines, tmp_path / "algo-1")
        assert first is not None
        lines.wait_for("ready")
        asked = Lines()
        with engine.start(_host(image, network, "algo-2", "ask", "algo-1", _PORT, "5"), asked) as second:
            second.wait(DEADLINE_SECONDS)
        first.remove()
        network.remove()

        assert asked.all[-1] == "answer of 8"
        assert not (tmp_path / "network").exists()
        assert engine.find_network(spec, tmp_path / "network") is None

    def test_find_network_where_none_was_made_is_none(self, engine: Engine, tmp_path: Path) -> None:
        assert engine.find_network(ClusterNetworkSpec(host_names=_HOSTS), tmp_path / "network") is None

    def _start_and_die(self, image: str, spec: ClusterNetworkSpec, directory: Path) -> None:
        """Make a network and its first host in a process that is killed right after."""
        context = multiprocessing.get_context("spawn")
        has_started = context.Event()
        starter = context.Process(
            target=_start, args=(self.engine_factory, image, spec, directory, has_started), daemon=True
        )
        starter.start()
        assert has_started.wait(DEADLINE_SECONDS)
        assert starter.pid is not None
        os.kill(starter.pid, signal.SIGKILL)
        starter.join()


def _start(
    make: Callable[[], Engine], image: str, spec: ClusterNetworkSpec, directory: Path, has_started: Event
) -> None:
    engine = make()
    network = engine.create_network(spec, directory / "network")
    engine.start(_host(image, network, "algo-1", "answer"), lambda _: None, directory / "algo-1")
    has_started.set()
    signal.pause()


def _host(image: str, network: ClusterNetwork | None, name: str, *arguments: str) -> ContainerSpec:
    return ContainerSpec(
        image=image,
        arguments=arguments,
        environment={"WHO": "it"},
        host_name=None if network is None else name,
        joined_network=network,
    )


def _own_address() -> str:
    """An address of this machine that is not its loopback: to a container it is the outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_NOBODY, 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        return str(probe.getsockname()[0])

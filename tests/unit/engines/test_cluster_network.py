"""What a network for the containers of one job may be asked for."""

from __future__ import annotations

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines.base import ContainerSpec, Network
from seatrial.engines.cluster_network import HOSTS_MAX_COUNT, ClusterNetworkSpec
from seatrial.engines.process_network import hosts_file
from seatrial.testing.fakes import FakeNetwork


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("algo-1", "algo-1"),
        tuple(f"algo-{number}" for number in range(HOSTS_MAX_COUNT + 1)),
        ("",),
        ("algo_1",),
        ("-algo",),
        ("algo 1\n127.0.0.1 evil",),
        ("a" * 64,),
    ],
)
def test_network_of_such_hosts_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(EngineError) as refusal:
        ClusterNetworkSpec(host_names=names).check()
    assert refusal.value.code == "network-spec-invalid"


def test_largest_network_can_be_and_each_host_has_an_address() -> None:
    spec = ClusterNetworkSpec(host_names=tuple(f"algo-{number}" for number in range(1, HOSTS_MAX_COUNT + 1)))
    spec.check()
    text = hosts_file(FakeNetwork(spec), "algo-1")
    assert text is not None
    addresses = {line.split()[0] for line in text.splitlines() if "algo-" in line}
    assert len(addresses) == HOSTS_MAX_COUNT
    assert all(3 < int(address.rpartition(".")[2]) < 255 for address in addresses)


@pytest.mark.parametrize(
    "spec",
    [
        ContainerSpec(image="any", host_name="algo-1", network=Network.HOST),
        ContainerSpec(image="any", host_name="Algo 1"),
    ],
)
def test_container_whose_name_cannot_be_is_refused(spec: ContainerSpec) -> None:
    with pytest.raises(EngineError) as refusal:
        spec.check_network()
    assert refusal.value.code == "network-spec-invalid"

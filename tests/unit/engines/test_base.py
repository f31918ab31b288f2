"""What every engine shares."""

from __future__ import annotations

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines.base import ContainerSpec, Network, PublishedPort
from seatrial.testing.fakes import FakeContainer, FakeHandle


class LostHandle(FakeHandle):
    """A container whose engine has gone away."""

    def remove(self) -> None:
        super().remove()
        raise EngineError("engine-not-ready", "no engine answers")


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (EngineError("container-lost", "the container was lost"), "container-lost"),
        (None, "engine-not-ready"),
        (KeyboardInterrupt(), "engine-not-ready"),
    ],
)
def test_end_of_with_keeps_the_engines_first_error(first: BaseException | None, told: str) -> None:
    def run() -> None:
        with LostHandle("one", FakeContainer(ContainerSpec(image="x"), print), lambda _: 0):
            if first is not None:
                raise first

    with pytest.raises(EngineError) as fault:
        run()

    assert fault.value.code == told


def test_check_network_refuses_those_of_the_hosts_network() -> None:
    ports = (PublishedPort(container_port=8080),)
    ContainerSpec(image="x", ports=ports).check_network()
    ContainerSpec(image="x", network=Network.HOST).check_network()

    with pytest.raises(EngineError) as fault:
        ContainerSpec(image="x", ports=ports, network=Network.HOST).check_network()

    assert fault.value.code == "port-not-private"

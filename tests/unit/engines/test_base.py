"""How a container's end is told."""

from __future__ import annotations

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines.base import ContainerSpec, Network, PublishedPort, describe_exit
from seatrial.testing.fakes import FakeContainer, FakeHandle


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (0, "exit code 0"),
        (1, "exit code 1"),
        (127, "exit code 127"),
        (128, "exit code 128"),
        (137, "exit code 137 (SIGKILL)"),
        (139, "exit code 139 (SIGSEGV)"),
        (143, "exit code 143 (SIGTERM)"),
        (128 + 50, "exit code 178 (signal 50)"),
        (255, "exit code 255"),
    ],
)
def test_describe_exit_names_the_signal_that_the_exit_code_stands_for(exit_code: int, text: str) -> None:
    assert describe_exit(exit_code) == text


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


def test_check_ports_refuses_those_of_the_hosts_network() -> None:
    ports = (PublishedPort(container_port=8080),)
    ContainerSpec(image="x", ports=ports).check_ports()
    ContainerSpec(image="x", network=Network.HOST).check_ports()

    with pytest.raises(EngineError) as fault:
        ContainerSpec(image="x", ports=ports, network=Network.HOST).check_ports()

    assert fault.value.code == "port-not-private"

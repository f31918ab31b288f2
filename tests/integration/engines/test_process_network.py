"""How long the process engine's networks live, whoever is killed meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines.base import ContainerSpec, Handle
from seatrial.engines.cluster_network import ClusterNetworkSpec
from seatrial.engines.isolation import Isolation, find_isolation
from seatrial.engines.process import ProcessEngine
from seatrial.testing.engine_programs import write_programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_isolation().isolation is Isolation.NONE, reason=f"no namespaces: {find_isolation().reason}"
    ),
]

DEADLINE_SECONDS = 30.0
SPEC = ClusterNetworkSpec(host_names=("algo-1", "algo-2"))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    write_programs(tmp_path / "program")
    return tmp_path / "program"


@pytest.fixture
def keep_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "network"
    network = ProcessEngine().find_network(SPEC, tmp_path / "network")
    if network is not None:
        network.remove()


def test_network_ends_with_its_killed_maker(programs: Path) -> None:
    processes = start_and_die(programs, None, None)
    until_ended(processes)


def test_kept_network_without_a_container_ends_with_its_killed_maker(programs: Path, keep_dir: Path) -> None:
    processes = start_and_die(programs, keep_dir, None)
    until_ended(processes)
    assert ProcessEngine().find_network(SPEC, keep_dir) is None
    assert not keep_dir.exists()


def test_kept_network_ends_with_its_last_container(programs: Path, keep_dir: Path, tmp_path: Path) -> None:
    processes = start_and_die(programs, keep_dir, tmp_path / "host")
    host = find_host(tmp_path / "host")
    assert all(map(is_running, processes))
    host.remove()
    until_ended(processes)


def test_found_network_outlives_its_last_container_until_it_is_removed(
    programs: Path, keep_dir: Path, tmp_path: Path
) -> None:
    processes = start_and_die(programs, keep_dir, tmp_path / "host")
    engine = ProcessEngine()
    network = engine.find_network(SPEC, keep_dir)
    assert network is not None
    find_host(tmp_path / "host").remove()
    spec = host_spec(programs, "exit-with", "0", joined_network=network, host_name="algo-2")
    for _ in range(3):  # the connections of the earlier ones go meanwhile
        with engine.start(spec, lambda _: None) as host:
            status = host.wait(DEADLINE_SECONDS)
            assert status is not None
            assert status.is_success
    assert all(map(is_running, processes))
    network.remove()
    until_ended(processes)


def test_container_cannot_join_when_the_process_that_held_the_network_was_killed(
    programs: Path, keep_dir: Path
) -> None:
    engine = ProcessEngine()
    network = engine.create_network(SPEC, keep_dir)
    os.kill(children(os.getpid(), "switch")[0], signal.SIGKILL)
    network.remove()
    with pytest.raises(EngineError) as refusal:
        engine.start(host_spec(programs, "exit-with", "0", joined_network=network, host_name="algo-2"), lambda _: None)
    assert refusal.value.code == "network-not-possible"
    assert not keep_dir.exists()


def start_and_die(programs: Path, keep_dir: Path | None, host_keep_dir: Path | None) -> list[int]:
    """Make a network, and a host when it has a directory, in a process that is killed then.

    Returns:
        The network's processes.
    """
    words = [str(path or "") for path in (programs, keep_dir, host_keep_dir)]
    maker = subprocess.Popen([sys.executable, "-c", _MAKER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"made\n"
        switches = children(maker.pid, "switch")
        processes = [*switches, *(pid for switch in switches for pid in children(switch, ""))]
        maker.kill()
    assert switches
    return processes


_MAKER = """
import pathlib, sys
from seatrial.engines.base import ContainerSpec
from seatrial.engines.cluster_network import ClusterNetworkSpec
from seatrial.engines.process import ProcessEngine

program, keep_dir, host_keep_dir = (pathlib.Path(word) if word else None for word in sys.argv[1:])
engine = ProcessEngine()
network = engine.create_network(ClusterNetworkSpec(host_names=("algo-1", "algo-2")), keep_dir)
if host_keep_dir is not None:
    host = ContainerSpec(
        image=program.as_uri(), arguments=("sleep-long",), joined_network=network, host_name="algo-1"
    )
    engine.start(host, lambda _: None, host_keep_dir)
print("made", flush=True)
sys.stdin.read()
"""


def host_spec(programs: Path, *arguments: str, **options: object) -> ContainerSpec:
    return ContainerSpec(image=programs.as_uri(), arguments=arguments, **options)  # type: ignore[arg-type]


def find_host(keep_dir: Path) -> Handle:
    host = ProcessEngine().find(ContainerSpec(image="any"), lambda _: None, keep_dir)
    assert host is not None
    return host


def children(parent: int, word: str) -> list[int]:
    """The running children of a process whose command line has a word in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == parent and stat[0] != "Z" and word in (entry / "cmdline").read_text():
                found.append(int(entry.name))
    return found


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def until_ended(processes: list[int]) -> None:
    _until(lambda: not any(map(is_running, processes)), f"of {processes} some still run")


def _until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.01)

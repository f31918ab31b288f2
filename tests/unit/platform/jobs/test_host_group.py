"""The hosts of one job over the fake engine: one fails, all are stopped, a later process finds them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seatrial.core.errors import EngineError
from seatrial.core.subprocesses import OnLine
from seatrial.engines.base import CONTAINER_LOST, ContainerSpec, ExitStatus, Network
from seatrial.platform.jobs.host_group import HostGroup
from seatrial.platform.jobs.open_hosts import Host, open_hosts, remove_kept_hosts
from seatrial.testing.fakes import FakeContainer, FakeEngine, FakeHandle, Program

DEADLINE_SECONDS = 10.0
NAMES = ("algo-1", "algo-2", "algo-3")


class KeepingEngine(FakeEngine):
    """A fake whose containers another group finds again, as another process would."""

    def __init__(self, images: Mapping[str, Program]) -> None:
        super().__init__(images)
        self.kept: dict[Path, FakeHandle | EngineError] = {}

    def start(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path | None = None) -> FakeHandle:
        handle = super().start(spec, on_line, keep_dir)
        if keep_dir is not None:
            keep_dir.mkdir(parents=True)
            self.kept[keep_dir] = handle
        return handle

    def find(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path) -> FakeHandle | None:  # type: ignore[override]
        found = self.kept.get(keep_dir)
        if isinstance(found, EngineError):
            raise found
        return found


def succeed(_container: FakeContainer) -> int:
    return 0


def wait_for_the_end(container: FakeContainer) -> int:
    container.terminated.wait(DEADLINE_SECONDS)
    return 143


def fail(code: int, host: str) -> Program:
    """One host fails, the others wait for SIGTERM."""
    return lambda container: code if container.spec.host_name == host else wait_for_the_end(container)


class Group:
    """Opens groups of three hosts over one engine."""

    def __init__(self, program: Program, keep_dir: Path | None = None) -> None:
        self.engine = KeepingEngine({"tree": program})
        self.keep_dir = keep_dir
        self.lines: dict[str, list[str]] = {name: [] for name in NAMES}

    def open(self, names: tuple[str, ...] = NAMES, **options: object) -> HostGroup:
        spec = ContainerSpec(image="tree", arguments=("train",), **options)  # type: ignore[arg-type]
        hosts = [Host(name=name, spec=spec, on_line=self.lines[name].append) for name in names]
        return open_hosts(self.engine, hosts, labels={}, stop_grace_seconds=DEADLINE_SECONDS, keep_dir=self.keep_dir)


def test_hosts_that_all_succeed_are_a_success() -> None:
    group = Group(succeed).open()
    assert group.wait(DEADLINE_SECONDS) == ExitStatus(exit_code=0)
    assert group.failed_host is None


def test_hosts_have_their_names_on_one_network_and_an_output_each() -> None:
    def tell(container: FakeContainer) -> int:
        container.print_line(f"I am {container.spec.host_name}")
        return 0

    run = Group(tell)
    group = run.open(network=Network.ISOLATED)
    group.wait(DEADLINE_SECONDS)
    assert run.lines == {name: [f"I am {name}"] for name in NAMES}
    (network,) = run.engine.networks
    assert network.spec.host_names == NAMES
    assert network.spec.is_isolated
    assert {handle.container.spec.joined_network for handle in run.engine.handles} == {network}
    assert not network.is_removed
    group.remove()
    assert network.is_removed


@pytest.mark.parametrize("failing", NAMES)
def test_host_that_fails_decides_and_the_others_are_stopped(failing: str) -> None:
    run = Group(fail(7, failing))
    group = run.open()
    assert group.wait(DEADLINE_SECONDS) == ExitStatus(exit_code=7)
    assert group.failed_host == failing
    stopped = {handle.container.spec.host_name for handle in run.engine.handles if handle.container.terminated.is_set()}
    assert stopped == set(NAMES) - {failing}


def test_host_that_ends_well_leaves_the_others_alone() -> None:
    go_on = threading.Event()

    def program(container: FakeContainer) -> int:
        return 0 if container.spec.host_name == "algo-1" or go_on.wait(DEADLINE_SECONDS) else 1

    group = Group(program).open()
    assert group.wait(0.01) is None
    go_on.set()
    assert group.wait(DEADLINE_SECONDS) == ExitStatus(exit_code=0)


def test_stop_stops_all_at_once() -> None:
    everybody = threading.Barrier(len(NAMES))

    def program(container: FakeContainer) -> int:
        container.terminated.wait(DEADLINE_SECONDS)
        everybody.wait(DEADLINE_SECONDS)  # one that is stopped after another one's end would wait in vain
        return 0

    assert Group(program).open().stop(DEADLINE_SECONDS) == ExitStatus(exit_code=0)


def test_kill_ends_all() -> None:
    group = Group(wait_for_the_end).open()
    group.kill()
    assert group.wait(DEADLINE_SECONDS) == ExitStatus(exit_code=137)


def test_host_that_cannot_be_started_leaves_nothing_behind() -> None:
    class Refusing(KeepingEngine):
        def start(self, spec: ContainerSpec, on_line: OnLine, keep_dir: Path | None = None) -> FakeHandle:
            if spec.host_name == "algo-2":
                raise EngineError("engine-refused", "no room for it")
            return super().start(spec, on_line, keep_dir)

    run = Group(wait_for_the_end)
    run.engine = Refusing({"tree": wait_for_the_end})
    with pytest.raises(EngineError, match="no room"):
        run.open()
    assert all(handle.container.killed.is_set() for handle in run.engine.handles)
    assert [network.is_removed for network in run.engine.networks] == [True]


def test_later_process_finds_all_and_starts_none_twice(tmp_path: Path) -> None:
    run = Group(wait_for_the_end, tmp_path)
    run.open()
    again = run.open()
    assert len(run.engine.handles) == len(NAMES)
    assert again.stop(DEADLINE_SECONDS) == ExitStatus(exit_code=143)


def test_later_process_starts_what_was_not_started(tmp_path: Path) -> None:
    run = Group(succeed, tmp_path)
    run.open(NAMES[:1]).wait(DEADLINE_SECONDS)
    assert run.open().wait(DEADLINE_SECONDS) == ExitStatus(exit_code=0)
    assert sorted(handle.container.spec.host_name or "" for handle in run.engine.handles) == list(NAMES)


def test_later_process_knows_which_host_failed_first(tmp_path: Path) -> None:
    run = Group(fail(7, "algo-3"), tmp_path)
    run.open().wait(DEADLINE_SECONDS)
    again = run.open()
    assert again.wait(DEADLINE_SECONDS) == ExitStatus(exit_code=7)
    assert again.failed_host == "algo-3"


def test_later_process_starts_no_host_once_one_has_failed(tmp_path: Path) -> None:
    run = Group(fail(7, "algo-1"), tmp_path)
    run.open(NAMES[:2]).wait(DEADLINE_SECONDS)
    assert run.open().wait(DEADLINE_SECONDS) == ExitStatus(exit_code=7)
    assert len(run.engine.handles) == 2


def test_lost_host_stops_the_others_and_is_told(tmp_path: Path) -> None:
    run = Group(wait_for_the_end, tmp_path)
    run.open()
    run.engine.kept[tmp_path / "algo-2"] = EngineError(CONTAINER_LOST, "gone")
    again = run.open()
    with pytest.raises(EngineError, match="gone"):
        again.wait(DEADLINE_SECONDS)
    assert again.failed_host == "algo-2"


@pytest.mark.parametrize("how", ["by the group", "by another process"])
def test_removed_hosts_leave_no_directory(tmp_path: Path, how: str) -> None:
    run = Group(wait_for_the_end, tmp_path / "hosts")
    group = run.open()
    remove: Callable[[], None] = (
        group.remove if how == "by the group" else lambda: remove_kept_hosts(run.engine, tmp_path / "hosts")
    )
    remove()
    assert not (tmp_path / "hosts").exists()
    assert all(handle.container.killed.is_set() for handle in run.engine.handles)

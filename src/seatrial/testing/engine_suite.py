"""The rules of ``engines.base`` as tests: inherit ``EngineSuite`` to check an engine of your own.

::

    class TestMyEngine(EngineSuite):
        @pytest.fixture(scope="class")
        @classmethod
        def engine(cls):
            return MyEngine()

        @pytest.fixture(scope="class")
        @classmethod
        def image(cls, programs_dir):
            return my_image_with(programs_dir)  # working directory and first on PATH: programs_dir

What an engine cannot do it declares in the class attributes; the suite then checks that it refuses.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from seatrial.contract.layout import OPT_ML
from seatrial.core.errors import ContractError, EngineError, SeatrialError
from seatrial.core.subprocesses import MAX_LINE_BYTES
from seatrial.engines.base import (
    ContainerSpec,
    Engine,
    ExitStatus,
    Handle,
    HostAccess,
    Mount,
    Network,
    PublishedPort,
    ResourceLimits,
)
from seatrial.testing.engine_programs import write_programs

DEADLINE_SECONDS = 30.0
_SERVING_PORT = 8080


class Lines:
    """Receives a container's output."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._arrived = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._arrived:
            self.all.append(line)
            self._arrived.notify_all()

    def wait_for(self, wanted: str) -> None:
        with self._arrived:
            has_come = self._arrived.wait_for(lambda: wanted in self.all, DEADLINE_SECONDS)
        assert has_come, f"no line {wanted!r} in {self.all[-20:]}"


Start = Callable[..., tuple[Handle, Lines]]


class EngineSuite:
    """Contract tests of an engine."""

    has_isolated_network = True
    has_read_only_mounts = True
    has_memory_limit = True
    has_shared_memory_limit = True

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        """The engine under test."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, programs_dir: Path) -> str:
        """An image whose working directory, first on PATH, holds the files of ``programs_dir``."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def unknown_image(cls) -> str:
        """The name of an image that does not exist."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def programs_dir(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        directory = tmp_path_factory.mktemp("programs") / "program"
        write_programs(directory)
        return directory

    @pytest.fixture
    def start(self, engine: Engine, image: str) -> Iterator[Start]:
        """Start a program by name and words; keyword arguments go to the spec; all are removed at the end."""
        handles: list[Handle] = []

        def start(*arguments: str, **options: object) -> tuple[Handle, Lines]:
            lines = Lines()
            spec = ContainerSpec(image=image, arguments=arguments, **options)  # type: ignore[arg-type]
            handles.append(engine.start(spec, lines))
            return handles[-1], lines

        yield start
        for handle in handles:
            handle.remove()

    # --- start and end ------------------------------------------------------------------------------------------

    def test_check_ready_here_returns(self, engine: Engine) -> None:
        engine.check_ready()

    def test_start_gives_arguments_and_environment_to_the_program(self, start: Start) -> None:
        handle, lines = start("show", "one", "two words", environment={"MODE": "a=b c", "EMPTY": ""})
        assert _wait(handle) == ExitStatus(exit_code=0)
        assert [line for line in lines.all if line.startswith("argument=")] == ["argument=one", "argument=two words"]
        assert "MODE=a=b c" in lines.all
        assert "EMPTY=" in lines.all

    def test_start_runs_in_the_program_directory(self, start: Start) -> None:
        handle, lines = start("show")
        _wait(handle)
        assert "here=show" in lines.all

    def test_start_inherits_nothing_of_the_callers_environment(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the developer")
        monkeypatch.setenv("PYTHONPATH", "of the developer")
        handle, lines = start("show")
        _wait(handle)
        assert not [line for line in lines.all if "of the developer" in line or line.startswith("PYTEST_")]

    def test_start_with_entrypoint_replaces_the_first_program(self, start: Start) -> None:
        handle, lines = start("-c", 'echo "$0 $1"', "zero", "one", entrypoint=("/bin/sh",))
        assert _wait(handle).is_success
        assert lines.all[-1] == "zero one"

    def test_start_with_a_name_gives_it_to_the_handle(self, start: Start) -> None:
        handle, _ = start("exit-with", "0", name="seatrial-suite-named")
        assert handle.name == "seatrial-suite-named"

    @pytest.mark.parametrize("code", [0, 1, 3, 255])
    def test_wait_returns_the_programs_exit_code(self, start: Start, code: int) -> None:
        handle, _ = start("exit-with", str(code))
        assert _wait(handle) == ExitStatus(exit_code=code)

    def test_wait_when_the_time_is_up_returns_none(self, start: Start) -> None:
        handle, lines = start("sleep-long")
        lines.wait_for("ready")
        assert handle.wait(0.05) is None

    def test_wait_again_and_from_other_threads_returns_the_same(self, start: Start) -> None:
        handle, _ = start("exit-with", "3")
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _: _wait(handle), range(4)))
        assert {status.exit_code for status in (*statuses, _wait(handle))} == {3}

    # --- output -------------------------------------------------------------------------------------------------

    def test_output_of_ten_thousand_lines_arrives_whole_and_in_order(self, start: Start) -> None:
        handle, lines = start("count", "10000")
        _wait(handle)
        assert lines.all[-10_000:] == [str(number) for number in range(1, 10_001)]

    def test_output_on_both_streams_arrives(self, start: Start) -> None:
        handle, lines = start("both-streams")
        _wait(handle)
        assert sorted(lines.all[-2:]) == ["to stderr", "to stdout"]

    def test_output_line_beyond_the_bound_arrives_in_pieces(self, start: Start) -> None:
        handle, lines = start("long-line", str(2 * MAX_LINE_BYTES + 5))
        _wait(handle)
        pieces = [line for line in lines.all if line.startswith("x")]
        assert sum(map(len, pieces)) == 2 * MAX_LINE_BYTES + 5
        assert max(map(len, pieces)) <= MAX_LINE_BYTES

    def test_output_with_odd_bytes_and_no_last_line_end_arrives(self, start: Start) -> None:
        handle, lines = start("odd-output")
        _wait(handle)
        assert lines.all[-3:] == ["pi\N{REPLACEMENT CHARACTER}ata", "", "no end"]

    @pytest.mark.slow
    def test_output_to_a_slow_reader_is_whole_when_wait_returns(self, engine: Engine, image: str) -> None:
        seen: list[str] = []

        def read_slowly(line: str) -> None:
            if len(seen) % 100 == 0:
                time.sleep(0.03)  # the reader's own work, not a wait for anything
            seen.append(line)

        with engine.start(ContainerSpec(image=image, arguments=("count", "10000")), read_slowly) as handle:
            _wait(handle)
            assert seen[-1] == "10000"

    # --- stop, kill, remove -------------------------------------------------------------------------------------

    def test_stop_lets_the_program_end_by_itself(self, start: Start) -> None:
        handle, lines = start("stop-politely")
        lines.wait_for("ready")
        assert handle.stop(DEADLINE_SECONDS) == ExitStatus(exit_code=7)
        assert lines.all[-1] == "stopping"

    @pytest.mark.slow
    def test_stop_when_sigterm_is_ignored_kills_after_the_grace_period(self, start: Start) -> None:
        handle, lines = start("ignore-stop")
        lines.wait_for("ready")
        begin = time.monotonic()
        assert handle.stop(0.3).signal_number == 9
        assert time.monotonic() - begin >= 0.3

    def test_kill_ends_the_program_with_signal_9(self, start: Start) -> None:
        handle, lines = start("sleep-long")
        lines.wait_for("ready")
        handle.kill()
        assert _wait(handle).signal_number == 9

    def test_stop_kill_and_remove_after_the_end_may_be_repeated(self, start: Start) -> None:
        handle, _ = start("exit-with", "3")
        _wait(handle)
        for _ in range(2):
            assert handle.stop(0).exit_code == 3
            handle.kill()
            handle.remove()

    def test_remove_of_a_running_container_ends_it(self, start: Start) -> None:
        handle, lines = start("ignore-stop", name="seatrial-suite-removed")
        lines.wait_for("ready")
        handle.remove()
        assert _wait(handle).signal_number == 9
        again, _ = start("exit-with", "0", name="seatrial-suite-removed")
        assert _wait(again).is_success

    def test_end_of_the_program_ends_what_it_left_behind(self, start: Start, tmp_path: Path) -> None:
        handle, _ = start("leave-behind", mounts=(Mount(source=tmp_path, target=OPT_ML),))
        assert _wait(handle).is_success
        with (tmp_path / "lock").open() as lock:
            assert lock.read() == "held"
            _until(lambda: _can_lock(lock.fileno()), "the process left behind still holds its lock")

    # --- files --------------------------------------------------------------------------------------------------

    def test_mounts_are_read_and_written(self, start: Start, tmp_path: Path) -> None:
        handle, _ = start("copy", mounts=_input_and_model(tmp_path))
        assert _wait(handle).is_success
        assert (tmp_path / "model/out.txt").read_text() == "payload"

    def test_mount_that_is_read_only_cannot_be_written(self, start: Start, tmp_path: Path) -> None:
        if not self.has_read_only_mounts:
            pytest.skip("this engine says in limitations() that it cannot")
        handle, lines = start("copy", mounts=_input_and_model(tmp_path, is_read_only=True))
        assert _wait(handle).exit_code == 1
        assert "refused" in lines.all
        assert not list((tmp_path / "model").iterdir())

    @pytest.mark.parametrize("is_read_only", [False, True])
    def test_mount_with_changes_never_changes_its_source(
        self, engine: Engine, start: Start, tmp_path: Path, *, is_read_only: bool
    ) -> None:
        if not engine.can_overlay(tmp_path):
            pytest.skip("this engine says that it cannot")
        given, model = _input_and_model(tmp_path, is_read_only=is_read_only)
        (tmp_path / "kept").write_text("before")
        os.link(tmp_path / "kept", model.source / "out.txt")
        handle, lines = start("copy", mounts=(given, replace(model, changes_dir=tmp_path / "changes")))
        assert _wait(handle).is_success is not is_read_only
        handle.remove()
        assert (tmp_path / "kept").read_text() == "before"
        assert ("refused" in lines.all) is is_read_only
        if not is_read_only:
            assert (tmp_path / "changes/upper/out.txt").read_text() == "payload"

    def test_mount_with_changes_where_there_are_no_overlays_is_refused(
        self, engine: Engine, start: Start, tmp_path: Path
    ) -> None:
        if engine.can_overlay(tmp_path):
            pytest.skip("there are")
        with pytest.raises(EngineError):
            start("list", mounts=(Mount(source=tmp_path, target=OPT_ML, changes_dir=tmp_path / "changes"),))

    def test_mounts_inside_a_mount_leave_nothing_in_it(self, start: Start, tmp_path: Path) -> None:
        outer = tmp_path / "outer"
        outer.mkdir()
        whole = Mount(source=outer, target=OPT_ML)
        handle, lines = start("list", mounts=(*_input_and_model(tmp_path), whole))
        assert _wait(handle).is_success
        assert {"input", "model"} <= set(lines.all)
        handle.remove()
        assert [path for path in outer.rglob("*") if path.is_file() or path.is_symlink()] == []
        assert (tmp_path / "input/in.txt").read_text() == "payload"

    def test_start_with_a_missing_mount_source_is_refused(self, start: Start, tmp_path: Path) -> None:
        with pytest.raises(EngineError) as refusal:
            start("list", mounts=(Mount(source=tmp_path / "missing", target=OPT_ML),))
        assert refusal.value.code == "mount-source-missing"

    # --- network ------------------------------------------------------------------------------------------------

    def test_two_containers_use_the_same_port_at_once(self, start: Start) -> None:
        handles = []
        for who in ("first", "second"):
            handle, lines = start("answer", environment={"WHO": who}, ports=(_published(),))
            lines.wait_for("ready")
            handles.append(handle)
        answers = [_ask(handle.address(_SERVING_PORT), b"12345") for handle in handles]
        assert answers == ["first got 5", "second got 5"]

    def test_published_port_carries_megabytes_and_half_closed_connections(self, start: Start) -> None:
        handle, lines = start("answer", environment={"WHO": "it"}, ports=(_published(),))
        lines.wait_for("ready")
        assert _ask(handle.address(_SERVING_PORT), b"x" * 20_000_000) == "it got 20000000"

    def test_published_port_is_closed_after_remove(self, start: Start) -> None:
        handle, lines = start("answer", environment={"WHO": "it"}, ports=(_published(),))
        lines.wait_for("ready")
        address = handle.address(_SERVING_PORT)
        handle.remove()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=1)

    def test_start_on_a_taken_host_port_is_refused(self, start: Start) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EngineError) as refusal:
            start("answer", ports=(_published(taken.getsockname()[1]),))
        assert refusal.value.code == "port-taken"

    def test_address_of_an_unpublished_port_is_refused(self, start: Start) -> None:
        handle, _ = start("exit-with", "0")
        with pytest.raises(EngineError) as refusal:
            handle.address(9999)
        assert refusal.value.code == "port-not-published"

    @pytest.mark.parametrize("ports", [(), (PublishedPort(container_port=_SERVING_PORT),)], ids=["closed", "served"])
    def test_isolated_container_reaches_nobody(self, start: Start, ports: tuple[PublishedPort, ...]) -> None:
        if not self.has_isolated_network:
            with pytest.raises(EngineError):
                start("connect", "192.0.2.1", "9", network=Network.ISOLATED, ports=ports)
            return
        handle, lines = start("connect", "192.0.2.1", "9", network=Network.ISOLATED, ports=ports)
        _wait(handle)
        assert lines.all[-1] in {"failed: Network is unreachable", "timed out"}

    def test_isolated_container_is_reached_through_its_published_port(self, start: Start) -> None:
        if not self.has_isolated_network:
            pytest.skip("refused, see above")
        options = {"environment": {"WHO": "it"}, "network": Network.ISOLATED, "ports": (_published(),)}
        handle, lines = start("answer", **options)
        lines.wait_for("ready")
        assert _ask(handle.address(_SERVING_PORT), b"123") == "it got 3"

    # --- ports of the host --------------------------------------------------------------------------------------

    def test_host_port_is_reached_from_a_private_network(self, engine: Engine, start: Start) -> None:
        access = _host_access(engine)
        with doubling_server(access.listen_address) as port:
            handle, lines = start("ask", access.container_address, str(port), "3000000", host_ports=(port,))
            _wait(handle)
        assert lines.all[-1] == "answer of 6000000"

    def test_host_port_is_reached_by_several_containers_at_once(self, engine: Engine, start: Start) -> None:
        access = _host_access(engine)
        with doubling_server(access.listen_address) as port:
            started = [
                start("ask", access.container_address, str(port), str(size), host_ports=(port,)) for size in (1, 2)
            ]
            for handle, _ in started:
                _wait(handle)
        assert [lines.all[-1] for _, lines in started] == ["answer of 2", "answer of 4"]

    def test_other_ports_of_the_hosts_loopback_are_not_reached(self, engine: Engine, start: Start) -> None:
        if not self.has_isolated_network:
            pytest.skip("this engine says in limitations() that it shares the host's network")
        access = _host_access(engine)
        with doubling_server(access.listen_address) as port, socket.create_server(("127.0.0.1", 0)) as other:
            handle, lines = start("connect", "127.0.0.1", str(other.getsockname()[1]), host_ports=(port,))
            _wait(handle)
        assert lines.all[-1] == "failed: Connection refused"

    def test_host_port_of_an_isolated_container_is_refused(self, start: Start) -> None:
        with pytest.raises(EngineError) as refusal:
            start("connect", "127.0.0.1", "9", network=Network.ISOLATED, host_ports=(9,))
        assert refusal.value.code in {"host-port-isolated", "isolation-not-possible"}

    # --- limits -------------------------------------------------------------------------------------------------

    def test_program_beyond_its_memory_limit_is_killed_and_said_so(self, start: Start) -> None:
        limits = ResourceLimits(memory_bytes=64 << 20)
        if not self.has_memory_limit:
            with pytest.raises(EngineError):
                start("grow", "256", limits=limits)
            return
        handle, _ = start("grow", "256", limits=limits)
        assert _wait(handle) == ExitStatus(exit_code=137, is_out_of_memory=True)

    def test_program_within_its_limits_succeeds(self, start: Start) -> None:
        if not self.has_memory_limit:
            pytest.skip("refused, see above")
        handle, lines = start("grow", "16", limits=ResourceLimits(memory_bytes=256 << 20, cpu_count=1))
        assert _wait(handle) == ExitStatus(exit_code=0)
        assert lines.all[-1] == str(16 << 20)

    def test_shared_memory_has_the_asked_size(self, start: Start) -> None:
        limits = ResourceLimits(shm_bytes=32 << 20)
        if not self.has_shared_memory_limit:
            with pytest.raises(EngineError):
                start("shared-memory-bytes", limits=limits)
            return
        handle, lines = start("shared-memory-bytes", limits=limits)
        _wait(handle)
        assert lines.all[-1] == str(32 << 20)

    # --- faults -------------------------------------------------------------------------------------------------

    def test_check_image_that_is_unknown_is_refused(self, engine: Engine, unknown_image: str) -> None:
        with pytest.raises(SeatrialError) as refusal:
            engine.check_image(ContainerSpec(image=unknown_image, arguments=("train",)))
        assert refusal.value.code in {"image-not-found", "program-not-found"}

    def test_check_image_that_is_known_returns(self, engine: Engine, image: str) -> None:
        engine.check_image(ContainerSpec(image=image, arguments=("show",)))

    def test_start_without_such_a_program_is_a_contract_error(self, start: Start) -> None:
        with pytest.raises(ContractError) as refusal:
            start("no-such-program")
        assert refusal.value.code == "program-without-entrypoint"

    def test_start_of_a_program_without_run_bit_is_a_contract_error(self, start: Start) -> None:
        with pytest.raises(ContractError) as refusal:
            start("not-executable")
        assert refusal.value.code == "program-not-executable"

    # --- many at once -------------------------------------------------------------------------------------------

    @pytest.mark.slow
    def test_several_containers_at_once_keep_their_output_apart(self, engine: Engine, image: str) -> None:
        def run(number: int) -> bool:
            lines = Lines()
            spec = ContainerSpec(image=image, arguments=("show",), environment={"NUMBER": str(number)})
            with engine.start(spec, lines) as handle:
                return _wait(handle).is_success and f"NUMBER={number}" in lines.all

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(run, range(12)))


def _wait(handle: Handle) -> ExitStatus:
    status = handle.wait(DEADLINE_SECONDS)
    assert status is not None, "the container did not end"
    return status


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


def _can_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _input_and_model(directory: Path, *, is_read_only: bool = False) -> tuple[Mount, ...]:
    for name in ("input", "model"):
        (directory / name).mkdir()
    (directory / "input/in.txt").write_text("payload")
    return (
        Mount(source=directory / "input", target=OPT_ML / "input", is_read_only=is_read_only),
        Mount(source=directory / "model", target=PurePosixPath(OPT_ML / "model"), is_read_only=is_read_only),
    )


def _host_access(engine: Engine) -> HostAccess:
    access = engine.host_access()
    if access is None:
        pytest.skip("this engine says in host_access() that its containers do not reach the host")
    return access


@contextlib.contextmanager
def doubling_server(address: str) -> Iterator[int]:
    """A server of the host that answers each connection with twice what it got; yields its port."""
    with socket.create_server((address, 0)) as listener:
        answering = threading.Thread(target=_answer_doubled, args=(listener,), daemon=True)
        answering.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # ends accept()
            answering.join(DEADLINE_SECONDS)


def _answer_doubled(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                text = b""
                while chunk := connection.recv(65536):
                    text += chunk
                connection.sendall(text * 2)


def _published(host_port: int = 0) -> PublishedPort:
    return PublishedPort(container_port=_SERVING_PORT, host_port=host_port)


def _ask(address: tuple[str, int], body: bytes) -> str:
    """Send a body, end that direction, and read the answer to its end."""
    with socket.create_connection(address, timeout=DEADLINE_SECONDS) as connection:
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode()

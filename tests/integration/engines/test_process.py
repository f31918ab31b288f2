"""What the process engine promises beyond the contract of every engine: isolation, and no trace on the host."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import pytest

import seatrial
from seatrial.contract.layout import OPT_ML
from seatrial.core.errors import ContractError, EngineError
from seatrial.engines import cgroups, isolation, plan
from seatrial.engines.base import ContainerSpec, Handle, Mount, Network, PublishedPort, ResourceLimits
from seatrial.engines.isolation import Isolation, find_isolation
from seatrial.engines.process import ProcessEngine
from seatrial.engines.program import resolve

DEADLINE_SECONDS = 30.0

NEST_DIRECTORIES = "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n"
"""Deeper than Python nests calls."""

needs_namespaces = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
needs_outbound = pytest.mark.skipif(shutil.which("slirp4netns") is None, reason="slirp4netns is not installed")


class Program:
    """A program directory of one script, and what came of running it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = f"test-{secrets.token_hex(4)}"
        self.lines: list[str] = []
        self.handles: list[Handle] = []

    def write(self, text: str, name: str = "train") -> None:
        self.directory.mkdir(exist_ok=True)
        (self.directory / name).write_text(text)
        (self.directory / name).chmod(0o755)

    def spec(self, **options: object) -> ContainerSpec:
        return ContainerSpec(image=self.directory.as_uri(), arguments=("train",), **options)  # type: ignore[arg-type]

    def start(self, engine: ProcessEngine, **options: object) -> Handle:
        self.handles.append(engine.start(self.spec(**options), self.lines.append))
        return self.handles[-1]

    def run(self, engine: ProcessEngine, **options: object) -> int:
        status = self.start(engine, **options).wait(DEADLINE_SECONDS)
        assert status is not None
        return status.exit_code


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = Program(tmp_path / "program")
    yield one
    for handle in one.handles:
        handle.remove()


@pytest.fixture(params=[Isolation.ROOT, Isolation.USER], ids=lambda one: one.value)
def engine(request: pytest.FixtureRequest) -> ProcessEngine:
    """An engine with namespaces, of both kinds where we are root."""
    return engine_of(request.param)


def engine_of(isolation: Isolation) -> ProcessEngine:
    """An engine of one kind; skips the test where this machine has no such."""
    finding = find_isolation()
    if isolation is not Isolation.NONE and finding.isolation is Isolation.NONE:
        pytest.skip(f"no namespaces here: {finding.reason}")
    if isolation is Isolation.ROOT and finding.isolation is not Isolation.ROOT:
        pytest.skip("we are not root")
    return ProcessEngine(isolation=isolation)


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


# --- what the program sees ------------------------------------------------------------------------------------------


@needs_namespaces
def test_program_is_process_1_and_alone(program: Program, engine: ProcessEngine) -> None:
    program.write('#!/bin/sh\necho "own $$"\necho processes /proc/[0-9]*\n')
    program.run(engine, network=Network.ISOLATED, ports=(PublishedPort(container_port=8080),))
    assert program.lines[-2:] == ["own 1", "processes /proc/1"]


@needs_namespaces
def test_program_sees_an_empty_opt_ml_that_the_host_never_gets(program: Program, engine: ProcessEngine) -> None:
    had_one = Path(OPT_ML).exists()
    before = sorted(os.listdir("/opt"))
    program.write("#!/bin/sh\nls -A /opt/ml | wc -l\nmkdir -p /opt/ml/model && touch /opt/ml/model/x && ls /opt\n")
    assert program.run(engine) == 0
    assert int(program.lines[-len({*before, "ml"}) - 1]) == 0
    assert sorted(program.lines[-len({*before, "ml"}) :]) == sorted({*before, "ml"})
    assert Path(OPT_ML).exists() is had_one


@needs_namespaces
def test_writes_outside_the_mounts_stay_in_the_container(program: Program, engine: ProcessEngine) -> None:
    program.write(
        "#!/bin/sh\nset -e\necho new > train.out\necho more >> keep\nrm gone\ntouch /tmp/seatrial-test-trace\n"
        "touch /run/seatrial-test-trace /dev/shm/seatrial-test-trace\ncat keep\nls\n"
    )
    for name in ("keep", "gone"):
        (program.directory / name).write_text(f"{name}\n")
    assert program.run(engine) == 0, program.lines
    assert program.lines[-5:] == ["keep", "more", "keep", "train", "train.out"]
    assert {path.name: path.read_text() for path in program.directory.iterdir() if path.name != "train"} == {
        "keep": "keep\n",
        "gone": "gone\n",
    }
    for folder in ("/tmp", "/run", "/dev/shm"):
        assert not Path(folder, "seatrial-test-trace").exists()


@needs_namespaces
def test_home_is_private_and_empty(
    program: Program, engine: ProcessEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home/.aws").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    program.write('#!/bin/sh\nls -A "$HOME" | wc -l\ntouch "$HOME/x" && echo written\n')
    program.run(engine)
    assert [line.strip() for line in program.lines[-2:]] == ["0", "written"]
    assert not (tmp_path / "home/x").exists()


@needs_namespaces
def test_program_has_no_right_to_undo_a_read_only_mount(
    program: Program, engine: ProcessEngine, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    program.write(
        "#!/bin/sh\nmount -o remount,bind,rw /opt/ml/model; mount -t tmpfs none /mnt\n"
        "touch /opt/ml/model/x || echo refused\n"
    )
    mount = Mount(source=tmp_path / "model", target=OPT_ML / "model", is_read_only=True)
    assert program.run(engine, mounts=(mount,)) == 0
    assert "refused" in program.lines
    assert not (tmp_path / "model/x").exists()


@needs_namespaces
def test_mounts_outside_opt_ml_are_seen(program: Program, engine: ProcessEngine, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    program.write("#!/bin/sh\ncat /data/set/config.json\n")
    mounts = (Mount(source=tmp_path / "config.json", target=PurePosixPath("/data/set/config.json")),)
    assert program.run(engine, mounts=mounts) == 0, program.lines
    assert program.lines[-1] == "{}"
    assert not Path("/data/set").exists()


@needs_namespaces
def test_program_has_its_own_devices(program: Program, engine: ProcessEngine) -> None:
    program.write("#!/bin/sh\necho ok > /dev/stdout\nhead -c 3 /dev/zero | wc -c\necho x > /dev/null\nls /dev\n")
    assert program.run(engine) == 0, program.lines
    assert "ok" in program.lines
    assert not {"sda", "vda", "kmsg", "mem"} & set(program.lines)


# --- network --------------------------------------------------------------------------------------------------------


def _host_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network but loopback")
        address: str = probe.getsockname()[0]
    return address


_CONNECT = """#!{python}
import socket
try:
    print(socket.create_connection(("{address}", {port}), timeout=5).recv(100).decode())
except OSError as error:
    print(error.strerror)
"""


@needs_namespaces
@needs_outbound
@pytest.mark.slow
def test_private_network_reaches_out_and_an_isolated_one_does_not(program: Program, engine: ProcessEngine) -> None:
    address = _host_address()
    with socket.create_server((address, 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"hello")

        greeter = threading.Thread(target=greet)
        greeter.start()
        program.write(_CONNECT.format(python=sys.executable, address=address, port=listener.getsockname()[1]))
        program.run(engine, network=Network.ISOLATED)
        program.run(engine, network=Network.PRIVATE)
        greeter.join(DEADLINE_SECONDS)
    assert program.lines == ["Network is unreachable", "hello"]


@needs_namespaces
def test_limitations_without_a_way_out_say_so_and_the_output_is_the_programs_alone(
    program: Program, engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (isolation, plan):
        monkeypatch.setattr(module, "find_outbound_program", lambda: None)
    monkeypatch.setattr("seatrial.engines.process.find_outbound_program", lambda: None)
    program.write("#!/bin/sh\necho mine\n")
    program.run(engine)
    assert program.lines == ["mine"]
    assert plan.NO_OUTBOUND in engine.limitations()


_SERVE = """#!{python}
import socket
with socket.create_server(("{address}", 8080), backlog=256) as listener:
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(connection.recv(100))
"""


@needs_namespaces
def test_server_on_the_loopback_address_alone_is_told_why_it_is_not_reached(
    program: Program, engine: ProcessEngine
) -> None:
    program.write(_SERVE.format(python=sys.executable, address="127.0.0.1"))
    handle = program.start(engine, network=Network.ISOLATED, ports=(PublishedPort(container_port=8080),))
    _until(lambda: "ready" in program.lines, "the server did not come up")
    with socket.create_connection(handle.address(8080)) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    _until(lambda: any("listen on 0.0.0.0:8080" in line for line in program.lines), f"only {program.lines}")


@needs_namespaces
def test_connection_to_a_port_nobody_listens_on_is_reset(program: Program, engine: ProcessEngine) -> None:
    program.write("#!/bin/sh\nexec sleep 600\n")
    handle = program.start(engine, network=Network.ISOLATED, ports=(PublishedPort(container_port=8080),))
    with socket.create_connection(handle.address(8080)) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


@needs_namespaces
def test_relay_keeps_hundreds_of_connections_apart(program: Program, engine: ProcessEngine) -> None:
    program.write(_SERVE.format(python=sys.executable, address="0.0.0.0"))
    handle = program.start(engine, network=Network.ISOLATED, ports=(PublishedPort(container_port=8080),))
    _until(lambda: "ready" in program.lines, "the server did not come up")
    connections = [socket.create_connection(handle.address(8080), timeout=DEADLINE_SECONDS) for _ in range(200)]
    try:
        for number, connection in enumerate(connections):
            connection.sendall(b"%d" % number)
        assert [connection.recv(100) for connection in connections] == [b"%d" % number for number in range(200)]
    finally:
        for connection in connections:
            connection.close()


@needs_namespaces
def test_answer_still_on_its_way_at_the_end_arrives(program: Program, engine: ProcessEngine) -> None:
    script = _SERVE.format(python=sys.executable, address="0.0.0.0")
    # More than the kernel keeps for the client, less than it keeps on both sides of the relay.
    answer = "connection.sendall(b'x' * 5_000_000); connection.close(); raise SystemExit(0)"
    program.write(script.replace("connection.sendall(connection.recv(100))", answer))
    handle = program.start(engine, network=Network.ISOLATED, ports=(PublishedPort(container_port=8080),))
    _until(lambda: "ready" in program.lines, "the server did not come up")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(handle.address(8080))
        handle.wait(0.2)  # the program ends, and the client has not begun to read
        received = 0
        while chunk := connection.recv(65536):
            received += len(chunk)
    assert received == 5_000_000


@needs_namespaces
def test_published_port_in_the_hosts_network_is_refused(program: Program, engine: ProcessEngine) -> None:
    program.write("#!/bin/sh\n")
    with pytest.raises(EngineError) as refusal:
        program.start(engine, network=Network.HOST, ports=(PublishedPort(container_port=8080),))
    assert refusal.value.code == "port-not-private"


# --- starts that fail -----------------------------------------------------------------------------------------------


@needs_namespaces
def test_interpreter_that_only_the_host_has_is_a_contract_error(program: Program, engine: ProcessEngine) -> None:
    shell = Path("/dev/shm/seatrial-test-sh")
    shell.symlink_to("/bin/sh")
    try:
        program.write(f"#!{shell}\n")
        with pytest.raises(ContractError) as fault:
            program.start(engine)
    finally:
        shell.unlink()
    assert fault.value.code == "program-interpreter-missing"


@needs_namespaces
def test_container_that_cannot_be_made_names_the_step(program: Program, engine: ProcessEngine, tmp_path: Path) -> None:
    program.write("#!/bin/sh\n")
    with pytest.raises(EngineError) as fault:
        program.start(engine, mounts=(Mount(source=tmp_path, target=PurePosixPath("/etc/passwd/x")),))
    assert fault.value.code == "launch-failed"
    assert fault.value.found == "make the mount target /etc/passwd/x: not a directory"


def test_check_ready_without_the_chosen_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as refusal:
        ProcessEngine(python=tmp_path / "python").check_ready()
    assert refusal.value.code == "python-not-found"


# --- without namespaces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"mounts": (Mount(source=Path("/"), target=OPT_ML),)},
        {"ports": (PublishedPort(container_port=8080),)},
        {"network": Network.ISOLATED},
    ],
    ids=["files", "port", "network"],
)
def test_program_that_hard_codes_opt_ml_is_refused_without_namespaces(
    program: Program, options: dict[str, object]
) -> None:
    program.write("#!/bin/sh\n")
    with pytest.raises(EngineError) as refusal:
        program.start(ProcessEngine(isolation=Isolation.NONE), **options)
    assert refusal.value.code == "isolation-not-possible"


def test_output_without_namespaces_is_the_programs_alone(program: Program) -> None:
    engine = ProcessEngine(isolation=Isolation.NONE)
    program.write('#!/bin/sh\necho "$SAGEMAKER_BASE_DIR"\n')
    assert program.run(engine) == 0
    assert program.lines == [""]
    assert engine.limitations()


def test_scratch_directory_without_namespaces_is_removed(program: Program) -> None:
    program.write('#!/bin/sh\ntouch "$HOME/x"\necho "$HOME"\n')
    program.run(ProcessEngine(isolation=Isolation.NONE))
    home = Path(program.lines[-1])
    assert home.name.startswith("seatrial-container-")
    assert not home.exists()


def test_home_nested_deeper_than_python_nests_calls_is_removed_and_the_exit_code_kept(program: Program) -> None:
    program.write(
        f"#!{sys.executable}\nimport os\nprint(os.environ['HOME'], flush=True)\nos.chdir(os.environ['HOME'])\n"
        f"{NEST_DIRECTORIES}os._exit(3)\n"
    )
    assert program.run(ProcessEngine(isolation=Isolation.NONE)) == 3
    assert not Path(program.lines[0]).exists()
    assert len(program.lines) == 1


def test_scratch_directory_of_a_start_that_failed_is_removed_however_deep(program: Program) -> None:
    program.write("#!/bin/sh\n")
    found = resolve(program.spec(), python=Path(sys.executable), inherited_path="")
    prepared = plan.without_namespaces(program.spec(), "x", found)
    scratch = Path(str(prepared.instructions["scratch_dir"]))
    subprocess.run([sys.executable, "-c", NEST_DIRECTORIES], cwd=scratch, check=True)

    prepared.take_back()

    assert not scratch.exists()


# --- what it is given -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Isolation), ids=lambda one: one.value)
def test_empty_home_is_as_no_home(program: Program, kind: Isolation) -> None:
    program.write('#!/bin/sh\ntouch "$HOME/x" && echo "$HOME"\n')
    assert program.run(engine_of(kind), environment={"HOME": ""}) == 0
    assert Path(program.lines[-1]).is_absolute()


@pytest.mark.parametrize("kind", list(Isolation), ids=lambda one: one.value)
def test_environment_that_no_program_can_have_fails_the_start(program: Program, kind: Isolation) -> None:
    program.write("#!/bin/sh\n")
    with pytest.raises(EngineError) as fault:
        program.run(engine_of(kind), environment={"A": "x\0y"})
    assert fault.value.code == "launch-failed"
    assert "null" in (fault.value.found or "")


# --- no trace -------------------------------------------------------------------------------------------------------

_PARENT = """
import os, sys, time
from pathlib import Path
from seatrial.engines.base import ContainerSpec, Mount, PublishedPort, ResourceLimits
from seatrial.contract.layout import OPT_ML
from seatrial.engines.isolation import Isolation
from seatrial.engines.process import ProcessEngine
program, ml, channel, kind, name, has_limits = sys.argv[1:]
engine = ProcessEngine(isolation=Isolation(kind))
handle = engine.start(
    ContainerSpec(
        image=Path(program).as_uri(), arguments=("train",), name=name,
        mounts=(
            Mount(source=Path(ml), target=OPT_ML), Mount(source=Path(channel), target=OPT_ML / "input/data/training")
        ),
        ports=(PublishedPort(container_port=8080),),
        limits=ResourceLimits(memory_bytes=256 << 20, cpu_count=1) if has_limits else ResourceLimits(),
    ),
    lambda line: os.write(1, (line + "\\n").encode()),
)
os.write(1, f"address {handle.address(8080)[1]}\\n".encode())
time.sleep(600)
"""

_HOLD = """#!{python}
import fcntl, os, signal, sys, time
ml = os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = open(f"{{ml}}/lock{{os.getpid()}}", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
os.write(1, b"locked\\n")
time.sleep(600)
"""


@contextlib.contextmanager
def _parent(program: Program, tmp_path: Path, kind: Isolation) -> Iterator[subprocess.Popen[str]]:
    """A process that has started the program and waits to be killed."""
    for name in ("ml", "channel", "tmp"):
        (tmp_path / name).mkdir()
    paths = (str(program.directory), str(tmp_path / "ml"), str(tmp_path / "channel"))
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, *paths, kind.value, program.name, "limits" if _can_limit() else ""],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    ) as parent:
        try:
            yield parent
        finally:
            parent.kill()


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(Isolation), ids=lambda one: one.value)
def test_death_of_the_caller_ends_the_container_and_leaves_nothing(
    program: Program, tmp_path: Path, kind: Isolation
) -> None:
    best = find_isolation().isolation
    if kind is not Isolation.NONE and (best is Isolation.NONE or (kind is Isolation.ROOT and best is not kind)):
        pytest.skip("not possible here")
    program.write(_HOLD.format(python=sys.executable))
    (program.directory / "seatrial.toml").write_text("honours_base_dir = true\n")
    mounts = _host_mounts()
    with _parent(program, tmp_path, kind) as parent:
        assert parent.stdout is not None
        port = _read_until_held(parent.stdout)
        descendants = _descendants(parent.pid)
        assert bool(_control_groups(program.name)) == _can_limit()
        parent.kill()
    _until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in descendants), "processes are left")
    locks = list((tmp_path / "ml").glob("lock*"))
    assert len(locks) == 2
    for path in locks:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    assert _host_mounts() == mounts
    assert list((tmp_path / "tmp").iterdir()) == []
    assert _control_groups(program.name) == []
    assert not (tmp_path / "ml/input").exists()


def _can_limit() -> bool:
    try:
        cgroups.create(f"probe-{os.getpid()}", ResourceLimits(memory_bytes=256 << 20, cpu_count=1)).remove()
    except EngineError:
        return False
    return True


def _control_groups(name: str) -> list[str]:
    places = cgroups.find_hierarchies()
    parents = {*places.version_2, *(path for _, path in places.version_1)}
    return [str(group) for parent in parents for group in parent.glob(f"seatrial-{name}-*")]


@pytest.mark.slow
def test_death_of_a_helper_and_the_caller_at_once_leaves_nothing(program: Program, tmp_path: Path) -> None:
    """The launcher has something to say then, and nobody to say it to."""
    if find_isolation().isolation is not Isolation.ROOT or not _can_limit():
        pytest.skip("needs a container with control groups")
    program.write(_HOLD.format(python=sys.executable))
    with _parent(program, tmp_path, Isolation.ROOT) as parent:
        assert parent.stdout is not None
        _read_until_held(parent.stdout)
        launcher = min(_descendants(parent.pid))
        relay = next(pid for pid in _descendants(launcher) if b"-I" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(launcher, signal.SIGSTOP)
        os.kill(relay, signal.SIGKILL)
        parent.kill()
        parent.wait()
        os.kill(launcher, signal.SIGCONT)
    _until(lambda: not Path(f"/proc/{launcher}").exists(), "the launcher is left")
    assert _control_groups(program.name) == []


def _read_until_held(output: IO[str]) -> int:
    """Wait until both processes of the container hold their locks; returns the published port."""
    lines: list[str] = []
    while lines.count("locked\n") < 2 or not any(line.startswith("address") for line in lines):
        lines.append(output.readline())
        assert lines[-1], lines
    return int(next(line.split()[1] for line in lines if line.startswith("address")))


def _descendants(ancestor: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {ancestor})


def _host_mounts() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if "docker" not in line]


@pytest.mark.slow
def test_plain_user_gets_namespaces_of_the_own(program: Program, tmp_path: Path) -> None:
    """As root, drop to nobody; as a plain user, the other tests have shown it."""
    python = Path("/usr/bin/python3")
    source = Path(seatrial.__file__).parents[1]
    if os.geteuid() != 0 or not python.exists():
        pytest.skip("needs root and Debian's python3")
    script = (
        "import sys, json; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from seatrial.engines.base import *\nfrom seatrial.contract.layout import OPT_ML\n"
        "from seatrial.engines.isolation import find_isolation\nfrom seatrial.engines.process import ProcessEngine\n"
        "lines = []; out = Path(sys.argv[2])\n"
        "spec = ContainerSpec(image=(out / 'program').as_uri(), arguments=('train',),\n"
        "                     mounts=(Mount(source=out / 'model', target=OPT_ML / 'model'),))\n"
        "with ProcessEngine().start(spec, lines.append) as handle: code = handle.wait().exit_code\n"
        "print(json.dumps([find_isolation().isolation.value, code, lines]))\n"
    )
    place = Path("/tmp") / f"seatrial-user-{os.getpid()}"
    try:
        place.mkdir(mode=0o755)
        shutil.os.chown(place, 65534, 65534)
        for name in ("program", "model"):
            (place / name).mkdir()
            os.chown(place / name, 65534, 65534)
        program.directory = place / "program"
        program.write("#!/bin/sh\nid -u\ntouch here /opt/ml/model/x /tmp/seatrial-x $HOME/x && ls /opt/ml\n")
        result = subprocess.run(
            [str(python), "-c", script, str(source), str(place)],
            capture_output=True, text=True, user=65534, group=65534, extra_groups=[], check=False, cwd="/",
        )  # fmt: skip
        if "PermissionError" in result.stderr or "No module named 'seatrial'" in result.stderr:
            pytest.skip("the source tree cannot be read by a plain user here")
        kind, code, lines = json.loads(result.stdout)
        if kind != Isolation.USER.value:
            pytest.skip(f"no user namespaces here: {lines}")
        assert (code, lines[-2:]) == (0, ["65534", "model"]), lines
        assert (place / "model/x").stat().st_uid == 65534
        assert not (place / "program/here").exists()
    finally:
        shutil.rmtree(place)

"""The commands as a user types them, on program directories through the process engine."""

import contextlib
import io
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

SERVER = f"""#!{sys.executable}
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # a first process without a handler would ignore it
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ping" else 404); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body != b"bad" else 400)
        self.send_header("Content-Type", "text/plain"); self.end_headers()
        name = open("/opt/ml/model/name").read()
        self.wfile.write(name.encode() + b":" + self.headers["Content-Type"].encode() + b":" + body)
    def log_message(self, *_): print("request", self.path, flush=True)
print("serving", sys.argv[1:], flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


def write_program(directory: Path, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return directory


def seatrial(*arguments: object, timeout: float = 50, **options: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "seatrial", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, **options)  # type: ignore[call-overload,no-any-return]


@contextmanager
def running(*arguments: object, environment: Mapping[str, str] | None = None) -> Iterator["Started"]:
    started = Started([sys.executable, "-m", "seatrial", *map(str, arguments)], environment)
    try:
        yield started
    finally:
        started.end()


class Started:
    """A command in the background, its stderr read line by line."""

    def __init__(self, argv: list[str], environment: Mapping[str, str] | None) -> None:
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._read, args=(name,)) for name in self.lines]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str) -> None:
        stream = getattr(self.process, name)
        for line in stream:
            with self._news:
                self.lines[name].append(line.rstrip("\n"))
                self._news.notify_all()

    def wait_for(self, name: str, text: str, seconds: float = 30) -> str:
        def found() -> str | None:
            return next((line for line in self.lines[name] if text in line), None)

        with self._news:
            assert self._news.wait_for(found, seconds), f"no {text!r} in {self.lines}"
            line = found()
        assert line is not None
        return line

    def end(self, signal_number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        code = self.process.wait(40)
        for thread in self._threads:
            thread.join(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1,2\n")
    return tmp_path / "data"


def test_train_runs_the_program_with_the_contract_around_it(tmp_path: Path, data: Path) -> None:
    train = """#!/bin/sh
set -e
echo "$0 in $(pwd)"
cat /opt/ml/input/config/hyperparameters.json; echo
cp /opt/ml/input/data/training/a.csv /opt/ml/model/copy.csv
"""
    program = write_program(tmp_path / "program", train=train)
    done = seatrial(
        "train", "--program", program, "-c", f"training={data}", "-H", "depth=3", "--output", tmp_path / "o"
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{program}/train in {program}", '{"depth":"3"}']
    with tarfile.open(tmp_path / "o" / "model.tar.gz") as tar:
        assert tar.getnames() == ["copy.csv"]


def test_train_failure_passes_the_exit_code_and_the_reason_on(tmp_path: Path) -> None:
    program = write_program(
        tmp_path / "program",
        train="#!/bin/sh\necho about to fail\necho -n 'bad data' > /opt/ml/output/failure\nexit 42\n",
    )
    done = seatrial("train", "--program", program, "--output", tmp_path / "out", "--json")

    assert done.returncode == 42
    outcome = json.loads(done.stdout)
    assert outcome["FailureReason"] == "AlgorithmError: bad data, exit code: 42"
    assert "about to fail" in done.stderr


def test_train_sigterm_reaches_the_program_and_its_model_is_kept(tmp_path: Path) -> None:
    train = """#!/bin/sh
trap 'echo saving; echo saved > /opt/ml/model/checkpoint; exit 0' TERM
echo started
while :; do sleep 0.05; done
"""
    program = write_program(tmp_path / "program", train=train)
    with running("train", "--program", program, "--output", tmp_path / "out") as job:
        job.wait_for("stdout", "started")
        assert job.end() == 0
        assert "saving" in job.lines["stdout"]
        assert any(line.startswith("Stopped after") for line in job.lines["stderr"])
    assert (tmp_path / "out" / "model.tar.gz").exists()


def work_dirs() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("seatrial-work-*"))


def test_train_stopped_while_data_is_copied_starts_no_container(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", train="#!/bin/sh\necho started\n")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(64 << 30)
    with running("train", "--program", program, "-c", f"data={tmp_path / 'large'}", "--output", tmp_path / "o") as job:
        job.wait_for("stderr", "Downloading")
        assert job.end() == 130
        assert any("Stopped before the container was started" in line for line in job.lines["stderr"])
        assert job.lines["stdout"] == []


def test_serve_stopped_while_the_model_is_unpacked_starts_no_container(tmp_path: Path, server: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 3 << 30
        with Path("/dev/zero").open("rb") as zeros:
            tar.addfile(info, zeros)
    with running("serve", "--program", server, "--port", 0, "--model", tmp_path / "model.tar.gz") as job:
        job.wait_for("stderr", "Starting the container")
        assert job.end() == 130
        assert any("stopped before the container was started" in line for line in job.lines["stderr"])
        assert job.lines["stdout"] == []


def test_train_second_ctrl_c_kills_the_container_and_leaves_nothing(tmp_path: Path) -> None:
    train = "#!/bin/sh\ntrap 'echo not yet' TERM INT\necho started $$\nwhile :; do sleep 0.05; done\n"
    program = write_program(tmp_path / "program", train=train)
    before = work_dirs()
    with running("train", "--program", program, "--output", tmp_path / "o") as job:
        job.wait_for("stdout", "started")
        job.process.send_signal(signal.SIGINT)
        job.wait_for("stderr", "press Ctrl-C again")
        job.wait_for("stdout", "not yet")
        assert job.end(signal.SIGINT) == 130
        assert "interrupted: the container was killed, and what it had made is gone" in job.lines["stderr"]
        assert "" not in job.lines["stderr"]
        assert "Traceback" not in "\n".join(job.lines["stderr"])
    assert not work_dirs() - before


def test_train_killed_leaves_a_directory_that_the_next_one_removes(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", train="#!/bin/sh\necho started\nsleep ${SECONDS_TO_SLEEP:-600}\n")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with running("train", "--program", program, "--output", tmp_path / "o", environment=environment) as job:
        job.wait_for("stdout", "started")
        job.end(signal.SIGKILL)
    assert list(tmp_path.glob("seatrial-work-*"))

    done = seatrial(
        "train", "--program", program, "-e", "SECONDS_TO_SLEEP=0", "--output", tmp_path / "o", env=environment
    )

    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("seatrial-*"))


@pytest.mark.docker
def test_train_killed_leaves_a_container_that_the_next_one_removes(tmp_path: Path) -> None:
    import docker

    tag = f"seatrial-test/killed:{secrets.token_hex(4)}"
    program = write_program(
        tmp_path / "program",
        train="#!/bin/sh\necho started\nexec sleep ${SECONDS_TO_SLEEP:-600}\n",
        Dockerfile=f"FROM debian:bookworm-slim\nLABEL run={tag}\nCOPY train /usr/bin/train\n",
    )
    with contextlib.closing(docker.from_env()) as client:
        client.images.build(path=str(program), tag=tag, rm=True)
        try:
            with running("train", "--image", tag, "--output", tmp_path / "o") as job:
                job.wait_for("stdout", "started")
                job.end(signal.SIGKILL)
            assert len(client.containers.list(filters={"ancestor": tag})) == 1

            done = seatrial("train", "--image", tag, "-e", "SECONDS_TO_SLEEP=0", "--output", tmp_path / "o")

            assert done.returncode == 0, done.stderr
            assert client.containers.list(all=True, filters={"ancestor": tag}) == []
        finally:
            client.images.remove(tag, force=True)


def test_train_link_to_a_file_of_the_host_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    train = f"""#!/bin/sh
echo plot > /opt/ml/output/data/plot
echo weights > /opt/ml/model/weights
ln -s /opt/ml/model/weights /opt/ml/model/latest
ln -s {tmp_path / "secret"} /opt/ml/output/failure
if [ "$LEAK" ]; then ln -s {tmp_path / "secret"} /opt/ml/model/leak; fi
"""
    program = write_program(tmp_path / "program", train=train)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    good = seatrial("train", "--program", program, "--output", tmp_path / "good", env=environment)
    leak = seatrial(
        "train", "--program", program, "-e", "LEAK=1", "--output", tmp_path / "o", "--json", env=environment
    )

    assert good.returncode == 0, good.stderr
    with tarfile.open(tmp_path / "good/model.tar.gz") as tar:
        assert tar.getnames() == ["latest", "weights"]
    assert leak.returncode == 1
    assert "the link 'leak' leads out of" in json.loads(leak.stdout)["FailureReason"]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["output.tar.gz"]
    (kept,) = tmp_path.glob("seatrial-work-*/work/ml")
    assert str(kept) in leak.stderr
    assert (kept / "model/weights").read_text() == "weights\n"


def test_train_failed_run_says_that_the_model_is_an_older_one(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", train="#!/bin/sh\nexit 1\n")
    (tmp_path / "o").mkdir()
    (tmp_path / "o/model.tar.gz").write_bytes(b"older")
    done = seatrial("train", "--program", program, "--output", tmp_path / "o")

    assert done.returncode == 1
    assert "is from an earlier run" in done.stderr


def test_train_signal_while_files_are_packed_is_answered_and_the_model_kept(tmp_path: Path) -> None:
    train = "#!/bin/sh\nhead -c 100000000 /dev/urandom > /opt/ml/model/weights\n"
    program = write_program(tmp_path / "program", train=train)
    with running("train", "--program", program, "--output", tmp_path / "o") as job:
        job.wait_for("stderr", "Uploading")
        job.process.send_signal(signal.SIGTERM)
        job.wait_for("stderr", "press Ctrl-C again to lose them")
        assert job.process.wait(50) == 0
    assert (tmp_path / "o/model.tar.gz").stat().st_size > 100_000_000


def test_train_many_ctrl_c_do_not_interrupt_the_removal(tmp_path: Path) -> None:
    train = "#!/bin/sh\ntrap '' TERM INT\necho started\nwhile :; do sleep 0.05; done\n"
    program = write_program(tmp_path / "program", train=train)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with running("train", "--program", program, "--output", tmp_path / "o", environment=environment) as job:
        job.wait_for("stdout", "started")
        job.process.send_signal(signal.SIGINT)
        job.wait_for("stderr", "press Ctrl-C again")
        while job.process.poll() is None:
            job.process.send_signal(signal.SIGINT)
        assert job.end() == 130
        assert "interrupted: the container was killed, and what it had made is gone" in job.lines["stderr"]
        assert "Traceback" not in "\n".join(job.lines["stderr"])
    assert not list(tmp_path.glob("seatrial-*"))


def test_train_closed_terminal_stops_the_job_and_leaves_nothing(tmp_path: Path) -> None:
    train = "#!/bin/sh\ntrap 'echo saved > /opt/ml/model/m; exit 0' TERM\necho started\nwhile :; do sleep 0.05; done\n"
    program = write_program(tmp_path / "program", train=train)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with running("train", "--program", program, "--output", tmp_path / "o", environment=environment) as job:
        job.wait_for("stdout", "started")
        assert job.end(signal.SIGHUP) == 0
    assert (tmp_path / "o/model.tar.gz").exists()
    assert not list(tmp_path.glob("seatrial-*"))


@pytest.mark.parametrize("option", ["--channel=training=", "--output=", "--python="])
def test_train_empty_path_is_refused(tmp_path: Path, option: str) -> None:
    program = write_program(tmp_path / "program", train="#!/bin/sh\n")
    done = seatrial("train", "--program", program, option, cwd=tmp_path)

    assert done.returncode == 2
    assert "empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["program"]


def test_train_channel_that_holds_the_work_directory_is_refused(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", train="#!/bin/sh\n")
    (tmp_path / "data").write_text("x")
    done = seatrial(
        "train", "--program", program, "-c", f"training={tmp_path}", "--output", tmp_path / "o",
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode == 2
    assert "error[tree-holds-its-copy]" in done.stderr
    assert not list(tmp_path.glob("seatrial-*"))


def test_train_developer_credentials_do_not_reach_the_program(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", train="#!/bin/sh\nenv | sort\n")
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "hush", "MY_TOKEN": "hush"}
    done = seatrial("train", "--program", program, "--output", tmp_path / "out", env=environment)

    assert done.returncode == 0, done.stderr
    assert "hush" not in done.stdout + done.stderr


def no_train(directory: Path) -> None:
    write_program(directory, serve="#!/bin/sh\n")


def no_run_bit(directory: Path) -> None:
    write_program(directory, train="#!/bin/sh\n")
    (directory / "train").chmod(0o644)


def windows_line_ends(directory: Path) -> None:
    write_program(directory, train="")
    (directory / "train").write_bytes(b"#!/bin/sh\r\necho hello\r\n")


def no_interpreter(directory: Path) -> None:
    write_program(directory, train="#!/usr/bin/no-such-interpreter\n")


@pytest.mark.parametrize(
    ("make", "exit_code", "words"),
    [
        (no_run_bit, 126, "chmod +x"),
        (windows_line_ends, 126, "line"),
        (no_interpreter, 126, "no-such-interpreter"),
    ],
)
def test_train_broken_program_is_one_sentence(
    tmp_path: Path, make: Callable[[Path], None], exit_code: int, words: str
) -> None:
    make(tmp_path / "program")
    done = seatrial("train", "--program", tmp_path / "program", "--output", tmp_path / "out")

    assert done.returncode == exit_code, done.stderr
    assert words in done.stderr
    assert "error[" in done.stderr
    assert "fix" in done.stderr
    assert "Traceback" not in done.stderr


def test_train_missing_program_directory_is_one_sentence(tmp_path: Path) -> None:
    done = seatrial("train", "--program", tmp_path / "gone", "--output", tmp_path / "out")

    assert done.returncode != 0
    assert "error[" in done.stderr
    assert str(tmp_path) in done.stderr
    assert "'gone'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return write_program(tmp_path / "server", serve=SERVER)


def model(tmp_path: Path, name: str) -> Path:
    directory = tmp_path / f"model-{name}"
    directory.mkdir()
    (directory / "name").write_text(name)
    return directory


def test_serve_two_containers_with_the_same_hard_coded_port_answer_at_once(tmp_path: Path, server: Path) -> None:
    (tmp_path / "row.csv").write_text("5.1,3.5\n")
    ports = {name: free_port() for name in ("one", "two")}
    options = {
        name: ("serve", "--program", server, "--model", model(tmp_path, name), "--port", port)
        for name, port in ports.items()
    }
    with running(*options["one"]) as first, running(*options["two"]) as second:
        for started in (first, second):
            started.wait_for("stderr", "ready after")
        for name, port in ports.items():
            done = seatrial("invoke", tmp_path / "row.csv", "--url", f"http://127.0.0.1:{port}")
            assert (done.returncode, done.stdout) == (0, f"{name}:text/csv:5.1,3.5\n"), done.stderr
        refused = seatrial("serve", "--program", server, "--model", model(tmp_path, "three"), "--port", ports["one"])
        assert refused.returncode != 0
        assert str(ports["one"]) in refused.stderr
        assert "Traceback" not in refused.stderr
    for port in ports.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


def test_serve_at_an_ipv6_address_becomes_healthy(tmp_path: Path, server: Path) -> None:
    with running(
        "serve", "--program", server, "--port", 0, "--host", "::1", "--model", model(tmp_path, "six")
    ) as serving:
        line = serving.wait_for("stderr", "ready after")
        assert "http://[::1]:" in line


def test_serve_model_archive_is_unpacked_and_read_only(tmp_path: Path) -> None:
    serve = "#!/bin/sh\ncat /opt/ml/model/name; echo x > /opt/ml/model/new || echo refused; exit 3\n"
    program = write_program(tmp_path / "program", serve=serve)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(model(tmp_path, "packed"), arcname=".")
    done = seatrial("serve", "--program", program, "--model", tmp_path / "model.tar.gz", "--port", free_port())

    assert done.returncode != 0
    assert "packed" in done.stdout
    assert "refused" in done.stdout
    assert "error[serve-ended]" in done.stderr


def test_serve_archive_with_a_link_is_refused(tmp_path: Path, server: Path) -> None:
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("name")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        climber = tarfile.TarInfo("../up")
        tar.addfile(climber, io.BytesIO())
    done = seatrial("serve", "--program", server, "--model", tmp_path / "model.tar.gz", "--port", free_port())

    assert done.returncode == 1
    assert "error[archive-member-unsafe]" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_that_never_answers_gives_up_after_its_budget(tmp_path: Path) -> None:
    program = write_program(tmp_path / "program", serve="#!/bin/sh\necho deaf\nexec sleep 100\n")
    started_at = time.monotonic()
    done = seatrial("serve", "--program", program, "--port", free_port(), "--startup-timeout-seconds", 1)

    assert done.returncode == 1
    assert "error[ping-health-check-failed]" in done.stderr
    assert "deaf" in done.stderr
    assert time.monotonic() - started_at < 45


def test_invoke_error_answer_is_shown_and_exits_1(tmp_path: Path, server: Path) -> None:
    (tmp_path / "bad.csv").write_text("bad")
    port = free_port()
    with running("serve", "--program", server, "--model", model(tmp_path, "m"), "--port", port) as started:
        started.wait_for("stderr", "ready after")
        done = seatrial("invoke", tmp_path / "bad.csv", "--url", f"http://127.0.0.1:{port}")
        assert done.returncode == 1
        assert "HTTP 400" in done.stderr
        assert done.stdout == "m:text/csv:bad"


def test_invoke_where_nobody_listens_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "row.csv").write_text("1\n")
    done = seatrial("invoke", tmp_path / "row.csv", "--url", f"http://127.0.0.1:{free_port()}")

    assert done.returncode == 1
    assert "error[server-unreachable]" in done.stderr
    assert "Traceback" not in done.stderr

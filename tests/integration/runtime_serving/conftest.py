"""Starts real ``serve`` processes on loopback and takes everything of them away again."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

DEADLINE_SECONDS = 60.0
"""For conditions that take milliseconds on an idle machine."""

_SERVE = "import sys; from seatrial.runtime.serving.run import main; sys.exit(main())"


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition; its text tells what did not happen."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:g} s: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Server:
    """One ``serve`` process with its own working directory and ``/opt/ml``."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.port = int(environment["SAGEMAKER_BIND_TO_PORT"])
        self._log_file = directory / "log"
        with self._log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SERVE],
                cwd=directory / "program",
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace")

    def wait_ready(self) -> Server:
        wait_until(lambda: self.process.poll() is not None or self.is_ready(), f"a good ping:\n{self.log}")
        assert self.process.poll() is None, self.log
        return self

    def wait_log(self, text: str, count: int = 1) -> None:
        wait_until(lambda: self.log.count(text) >= count, f"{count} x {text!r} in the log")

    def wait_file(self, file: Path) -> None:
        wait_until(lambda: file.exists() or self.process.poll() is not None, f"{file}:\n{self.log}")
        assert file.exists(), self.log

    def wait_process_count(self, count: int) -> None:
        wait_until(lambda: len(self.processes()) == count, f"{count} processes:\n{self.log}")

    def wait_exit(self) -> int:
        try:
            return self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running:\n{self.log}")

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/ping")[0] == 200
        except OSError:
            return False

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)) as client:
            client.request(method, path, body, dict(headers or {}))
            response = client.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return response.status, names, response.read()

    def invoke(self, body: bytes = b"1,2\n", **headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {"Content-Type": "text/csv"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", "/invocations", body, named)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS)

    def exchange(self, raw: bytes) -> bytes:
        """Send bytes, then read until the server closes."""
        with self.connect() as sock:
            sock.sendall(raw)
            return read_to_end(sock)

    def processes(self) -> list[int]:
        """Every process of the session that this server started, dead ones excluded."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, _, _, session = entry.read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append(int(entry.parent.name))
        return found

    def remove(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_SECONDS)
        wait_until(lambda: not self.processes(), "the end of all processes")


def read_to_end(sock: socket.socket) -> bytes:
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers: ``serve(source)`` for ``algorithm.py``, ``serve(inference=source)`` for a model archive."""
    servers: list[Server] = []

    def serve(algorithm: str | None = None, *, inference: str | None = None, **environment: str) -> Server:
        directory = tmp_path / str(len(servers))
        for name in ("program", "ml/model/code"):
            (directory / name).mkdir(parents=True)
        if algorithm is not None:
            (directory / "program" / "algorithm.py").write_text(textwrap.dedent(algorithm))
        if inference is not None:
            (directory / "ml/model/code/inference.py").write_text(textwrap.dedent(inference))
        defaults = {
            "SAGEMAKER_BASE_DIR": str(directory / "ml"),
            "SAGEMAKER_BIND_TO_PORT": str(free_port()),
            "SEATRIAL_BIND_ADDRESS": "127.0.0.1",
            "MODEL_SERVER_WORKERS": "2",
        }
        server = Server(directory, {**defaults, **environment})
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.remove()

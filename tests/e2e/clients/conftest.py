"""A platform, and programs that use it from environments of their own; ``make test-clients`` makes those."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENTS = ROOT / ".venv-clients"
PROGRAMS = Path(__file__).parent / "programs"

DEVELOPERS_OWN = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAPRODUCTION",
    "AWS_SECRET_ACCESS_KEY": "production",
    "AWS_SESSION_TOKEN": "production",
    "AWS_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL_S3": "https://s3.eu-central-1.amazonaws.com",
    "AWS_ROLE_ARN": "arn:aws:iam::111111111111:role/production",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token",
}
"""What a developer's shell may hold; none of it must reach a program under ``seatrial run``."""


class Watch:
    """Sees every request that leaves the machine: the programs are told that it is their proxy."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with closing(connection):
                self.asked.append(connection.recv(4096).split(b"\r\n")[0])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


class Site:
    """A running platform, the environments of the clients, and the developer's shell."""

    def __init__(self, home: Path, watch: Watch) -> None:
        self.home = home
        self._watch = watch

    def seatrial(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        shell = {**os.environ, **DEVELOPERS_OWN, "SEATRIAL_HOME": str(self.home), "PYTHONWARNINGS": "ignore"}
        shell |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), self._watch.url)
        argv = [sys.executable, "-m", "seatrial", *arguments]
        return subprocess.run(argv, env=shell, capture_output=True, text=True, timeout=180, check=False)

    def run(self, client: str, *command: str | Path) -> str:
        """What a command of a client's environment prints on stdout, and stderr after it.

        Args:
            client: Name of the environment.
            command: A program of its ``bin``, or one of ``programs/`` for its Python; and arguments.
        """
        binaries = ENVIRONMENTS / client / "bin"
        if not binaries.is_dir():
            pytest.fail(f"there is no environment for {client}: make test-clients makes it", pytrace=False)
        program, *arguments = map(str, command)
        is_python = program.endswith(".py")
        start = [binaries / "python", PROGRAMS / program] if is_python else [binaries / program]
        done = self.seatrial("run", "--", *map(str, start), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self._watch.asked == []
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def watch() -> Iterator[Watch]:
    with closing(Watch()) as watch:
        yield watch


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, watch: Watch) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site") / "home", watch)
    started = site.seatrial("up", "-d", "--port=0")
    assert started.returncode == 0, started.stderr
    try:
        yield site
    finally:
        site.seatrial("down")


@dataclass(frozen=True)
class Example:
    """One example container on one engine."""

    image: str
    start_server: Callable[[Path], Any]

    def accuracy_of(self, model: Path) -> float:
        """Over all of iris, of a model that the container serves."""
        with self.start_server(model) as server:
            accuracy: float = server.accuracy()
            return accuracy


@pytest.fixture(
    params=[
        pytest.param(("process", "decision-trees-seatrial"), id="process-ours"),
        pytest.param(("process", "decision-trees"), id="process-classic"),
        pytest.param(("docker", "decision-trees-seatrial"), id="docker-ours", marks=pytest.mark.docker),
        pytest.param(("docker", "decision-trees"), id="docker-classic", marks=pytest.mark.docker),
    ]
)
def example(
    request: pytest.FixtureRequest, container_of: Callable[..., Any], start_server: Callable[..., Any]
) -> Example:
    engine, name = request.param
    return Example(container_of(engine, name).image, partial(start_server, engine, name))


@pytest.fixture
def write_program(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a program directory of a name and the text of its ``train``; gives its URI."""

    def write(name: str, text: str) -> str:
        directory = tmp_path / name
        directory.mkdir()
        (directory / "train").write_text(text)
        (directory / "train").chmod(0o755)
        return directory.as_uri()

    return write

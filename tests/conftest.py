"""What all tests share: the rules for Docker and for unit tests, the iris data, free ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
UNIT_TESTS = ROOT / "tests" / "unit"

REQUIRE_DOCKER = "SEATRIAL_REQUIRE_DOCKER"
"""Environment variable: ``1`` makes a run fail where no Docker engine answers."""
DOCKER_GROUP = "docker"
"""Docker tests share images that are built once, so one worker of pytest-xdist runs them all."""
NO_ENGINE = "no Docker engine answers"

# pytest-timeout ends a test that hangs; a deadline of milliseconds only tells how busy the machine is.
hypothesis.settings.register_profile("seatrial", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("seatrial")


# --- Docker tests run, are skipped loudly, or are required ----------------------------------------------------------


@cache
def docker_problem() -> str | None:
    """Why Docker tests cannot run here; ``None`` when an engine answers.

    Asked in another process, because a client that could not connect leaves an unclosed socket, and so a warning.
    """
    ask = "import docker; docker.from_env(timeout=10).ping()"
    asked = subprocess.run([sys.executable, "-c", ask], check=False, capture_output=True, text=True, timeout=60)
    return None if asked.returncode == 0 else asked.stderr.strip().splitlines()[-1].partition(": ")[2]


def is_docker_required() -> bool:
    return os.environ.get(REQUIRE_DOCKER) == "1"


# First, because pytest-xdist reads the groups in a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    docker_items = [item for item in items if item.get_closest_marker("docker")]
    for item in docker_items:
        item.add_marker(pytest.mark.xdist_group(DOCKER_GROUP))
    if not docker_items or config.option.collectonly or (problem := docker_problem()) is None:
        return
    if is_docker_required():
        return  # each of them fails in pytest_runtest_setup
    for item in docker_items:
        item.add_marker(pytest.mark.skip(reason=f"{NO_ENGINE}: {problem}"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    is_grouped = getattr(item.config.option, "loadgroup", False)
    if is_grouped and item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
        pytest.fail("pytest-xdist did not group this test: another worker may remove what it uses", pytrace=False)
    if item.get_closest_marker("docker") and is_docker_required() and (problem := docker_problem()) is not None:
        pytest.fail(f"{NO_ENGINE}, and {REQUIRE_DOCKER}=1 requires it: {problem}", pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    ]
    without_docker = [reason for reason in reasons if reason.startswith(NO_ENGINE)]
    if without_docker:
        terminalreporter.write_line(
            f"!!! {len(without_docker)} DOCKER TESTS WERE SKIPPED, {without_docker[0]}; "
            "as root on Debian, scripts/docker-engine start",
            red=True,
            bold=True,
        )


# --- unit tests reach neither the network nor other processes -------------------------------------------------------


@pytest.fixture(autouse=True)
def unit_test_isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A unit test that opens a socket or starts a process fails at that line."""
    if not request.path.is_relative_to(UNIT_TESTS):
        yield
        return
    import pytest_socket

    def refuse(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("a unit test starts no process; a test that has to belongs in tests/integration")

    for module, name in ((subprocess.Popen, "__init__"), (os, "fork"), (os, "posix_spawn"), (os, "system")):
        monkeypatch.setattr(module, name, refuse)
    # asyncio's event loop wakes itself through a socket pair.
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


# --- data and places ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def classic_example() -> Path:
    """The classic container: nginx, gunicorn, Flask, scikit-learn."""
    return EXAMPLES / "decision-trees"


@pytest.fixture(scope="session")
def seatrial_example() -> Path:
    """The same algorithm on our runtime."""
    return EXAMPLES / "decision-trees-seatrial"


@pytest.fixture(scope="session")
def iris_channel(classic_example: Path) -> Path:
    """A directory for the channel ``training``: all of iris, the species in the first column, no header."""
    return classic_example / "local_test/test_dir/input/data/training"


@pytest.fixture(scope="session")
def iris_payload(classic_example: Path) -> Path:
    """30 records of four measurements to predict."""
    return classic_example / "local_test/payload.csv"


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def moto_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """moto's server: another emulator, with services that we do not have, and an S3 that is not ours."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    log = tmp_path_factory.mktemp("moto") / "log"
    with log.open("wb") as output:
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()

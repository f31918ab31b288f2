"""The scripts in ``local_test`` and ``build_and_push.sh`` of the classic example, as a user runs them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

START_TIMEOUT_SECONDS = 60
COMMAND_TIMEOUT_SECONDS = 120

needs_docker = pytest.mark.docker
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        timeout=COMMAND_TIMEOUT_SECONDS,
    )


@pytest.fixture
def local_test(classic_example: Path, tmp_path: Path) -> Path:
    """A copy of the folder, so that a run leaves nothing in the source tree."""
    return Path(shutil.copytree(classic_example / "local_test", tmp_path / "local_test"))


@pytest.fixture
def trained(local_test: Path, classic_image: str) -> Path:
    finished = run(local_test / "train_local.sh", classic_image)
    assert finished.returncode == 0, finished.stderr
    return local_test


@pytest.fixture
def served(trained: Path, classic_image: str, free_port: int) -> Iterator[int]:
    """The port of a server that ``serve_local.sh`` started; its end is checked too."""
    server = subprocess.Popen(
        [trained / "serve_local.sh", classic_image],
        env={**os.environ, "PORT": str(free_port)},
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(server, free_port)
        yield free_port
    finally:
        server.send_signal(signal.SIGTERM)
        exit_code = server.wait(COMMAND_TIMEOUT_SECONDS)
    assert exit_code == 0


def _wait_until_healthy(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    with urllib3.PoolManager(retries=False) as pool:
        while time.monotonic() < deadline:
            assert server.poll() is None, f"serve_local.sh ended with {server.returncode}"
            try:
                if pool.request("GET", f"http://127.0.0.1:{port}/ping", timeout=2).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                time.sleep(0.1)
    pytest.fail(f"/ping did not answer 200 in {START_TIMEOUT_SECONDS} s")


@needs_docker
def test_train_local_leaves_a_model_and_no_failure(trained: Path) -> None:
    assert (trained / "test_dir/model/decision-tree-model.pkl").stat().st_size > 0
    assert not (trained / "test_dir/output/failure").exists()


@needs_docker
def test_train_local_with_a_bad_hyperparameter_exits_255_with_a_failure_file(
    local_test: Path, classic_image: str
) -> None:
    (local_test / "test_dir/input/config/hyperparameters.json").write_text('{"max_leaf_nodes":"banana"}')

    finished = run(local_test / "train_local.sh", classic_image)

    assert finished.returncode == 255
    first_line = (local_test / "test_dir/output/failure").read_text().splitlines()[0]
    assert first_line == "Exception during training: invalid literal for int() with base 10: 'banana'"
    assert first_line in finished.stderr


@needs_docker
def test_predict_answers_as_the_classic_sample_does(trained: Path, served: int) -> None:
    predicted = run(trained / "predict.sh", PORT=str(served))
    assert predicted.returncode == 0, predicted.stderr
    assert len(predicted.stdout.splitlines()) == 30

    refused = run(trained / "predict.sh", trained / "payload.csv", "application/json", PORT=str(served))
    assert refused.returncode != 0
    assert refused.stdout == "This predictor only supports CSV data"

    with urllib3.PoolManager(retries=False) as pool:
        elsewhere = pool.request("GET", f"http://127.0.0.1:{served}/elsewhere")
        too_large = pool.request("POST", f"http://127.0.0.1:{served}/invocations", body=bytes(5 * 1024**2 + 1))
    assert (elsewhere.status, elsewhere.data) == (404, b"{}")
    assert too_large.status == 413


@needs_docker
def test_ping_without_a_model_answers_404(classic_image: str, free_port: int, local_test: Path) -> None:
    (local_test / "test_dir/model").mkdir()
    server = subprocess.Popen(
        [local_test / "serve_local.sh", classic_image],
        env={**os.environ, "PORT": str(free_port)},
        stdin=subprocess.DEVNULL,
    )
    try:
        assert _first_ping_status(free_port) == 404
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(COMMAND_TIMEOUT_SECONDS) == 0


def _first_ping_status(port: int) -> int:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    with urllib3.PoolManager(retries=False) as pool:
        while True:
            try:
                return pool.request("GET", f"http://127.0.0.1:{port}/ping", timeout=10).status
            except urllib3.exceptions.HTTPError:
                assert time.monotonic() < deadline
                time.sleep(0.1)


@pytest.mark.parametrize("arguments", [(), ("one", "two")])
def test_build_and_push_without_one_image_name_is_refused(classic_example: Path, arguments: tuple[str, ...]) -> None:
    finished = run(classic_example / "build_and_push.sh", *arguments)

    assert finished.returncode == 2
    assert "usage:" in finished.stderr
    assert "IMAGE_NAME" in finished.stderr


@pytest.mark.parametrize("script", ["train_local.sh", "serve_local.sh"])
def test_local_test_script_without_an_image_is_refused(classic_example: Path, script: str) -> None:
    finished = run(classic_example / "local_test" / script)

    assert finished.returncode != 0
    assert f"usage: {script} IMAGE" in finished.stderr

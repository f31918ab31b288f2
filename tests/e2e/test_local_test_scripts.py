"""The scripts in ``local_test`` and ``build_and_push.sh`` of the classic example, as a user runs them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

START_TIMEOUT_SECONDS = 60
COMMAND_TIMEOUT_SECONDS = 120

FAKE_PROGRAMS = {
    "docker": """#!/bin/sh
[ "$1" != login ] || input=" < $(cat)"
echo "docker $*$input" >>"$CALLS"
""",
    "aws": """#!/bin/sh
echo "aws $*" >>"$CALLS"
case "$*" in
"sts get-caller-identity "*) echo 123456789012 ;;
"ecr get-login-password "*) echo secret ;;
"ecr describe-repositories "*) exit 254 ;;
"configure get region") exit 1 ;;
esac
""",
}
"""They note how they were called. An account at AWS cannot be had here: this is the one place that stands in for it."""

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


@pytest.fixture
def pushing(tmp_path: Path) -> Callable[..., list[str]]:
    """Runs ``build_and_push.sh`` with fake programs and returns their calls."""
    programs, calls = tmp_path / "programs", tmp_path / "calls"
    programs.mkdir()
    for name, text in FAKE_PROGRAMS.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)

    def push(script: Path, image: str, **environment: str) -> list[str]:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        finished = run(script, image, PATH=path, CALLS=str(calls), **environment)
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.startswith("Pushed ")
        return calls.read_text().splitlines()

    return push


def _built_and_pushed(image: str, registry: str) -> list[str]:
    return [
        f"docker build --platform linux/amd64 --tag {image} .",
        f"docker tag {image} {registry}/{image}",
        f"docker push {registry}/{image}",
    ]


@pytest.mark.parametrize(("image", "tagged"), [("trees", "trees:latest"), ("trees:2", "trees:2")])
def test_build_and_push_to_a_registry_uses_the_login_that_docker_has(
    classic_example: Path, pushing: Callable[..., list[str]], image: str, tagged: str
) -> None:
    calls = pushing(classic_example / "build_and_push.sh", image, REGISTRY="localhost:5000")

    assert calls == _built_and_pushed(tagged, "localhost:5000")


@pytest.mark.parametrize(
    ("chosen", "region", "domain"),
    [("", "us-west-2", "amazonaws.com"), ("cn-north-1", "cn-north-1", "amazonaws.com.cn")],
)
def test_build_and_push_to_ecr_logs_in_after_it_made_the_repository(
    classic_example: Path, pushing: Callable[..., list[str]], chosen: str, region: str, domain: str
) -> None:
    calls = pushing(classic_example / "build_and_push.sh", "trees:2", REGISTRY="", AWS_REGION=chosen)

    registry = f"123456789012.dkr.ecr.{region}.{domain}"
    assert [call for call in calls if call != "aws configure get region"] == [
        "aws sts get-caller-identity --query Account --output text",
        f"aws ecr describe-repositories --region {region} --repository-names trees",
        f"aws ecr create-repository --region {region} --repository-name trees",
        f"aws ecr get-login-password --region {region}",
        f"docker login --username AWS --password-stdin {registry} < secret",
        *_built_and_pushed("trees:2", registry),
    ]


@pytest.mark.parametrize("script", ["train_local.sh", "serve_local.sh"])
def test_local_test_script_without_an_image_is_refused(classic_example: Path, script: str) -> None:
    finished = run(classic_example / "local_test" / script)

    assert finished.returncode != 0
    assert f"usage: {script} IMAGE" in finished.stderr

"""Both example containers, on both engines: images built once, and one voyage of each."""

from __future__ import annotations

import hashlib
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import urllib3

from seatrial.build.builder import build_image
from seatrial.build.wheels import build_wheel
from seatrial.contract.training import ChannelConfig
from seatrial.engines.base import Engine, ExitStatus
from seatrial.platform.endpoints.replica import Replica, ReplicaRequest, start_replica
from seatrial.platform.jobs.staging import LocalChannel
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest, TrainingResult

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROGRAMS = {
    "decision-trees": EXAMPLES / "decision-trees/decision_trees",
    "decision-trees-seatrial": EXAMPLES / "decision-trees-seatrial",
}
"""The program directory of each example."""
IRIS = EXAMPLES / "decision-trees/local_test/test_dir/input/data/training/iris.csv"
PAYLOAD = EXAMPLES / "decision-trees/local_test/payload.csv"
BASE_IMAGE = "debian:bookworm-slim"
IMAGE_REPOSITORY = "seatrial-test"
STARTUP_BUDGET_SECONDS = 90.0


# --- images -----------------------------------------------------------------------------------------------------------


def source_hash(*directories: Path) -> str:
    """Changes with the content, name or run bit of any file, and with the base image."""
    digest = hashlib.sha256(_base_image_id().encode())
    for directory in directories:
        for path in sorted(directory.rglob("*") if directory.is_dir() else [directory]):
            if path.is_file() and "__pycache__" not in path.parts:
                run_bits = path.stat().st_mode & 0o111
                digest.update(f"{path.relative_to(ROOT)} {run_bits}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _base_image_id() -> str:
    import docker

    client = docker.from_env()
    try:
        return str(client.images.get(BASE_IMAGE).id)
    except docker.errors.ImageNotFound:
        return "pulled by the build"
    finally:
        client.close()


def _has_image(name: str) -> bool:
    import docker

    client = docker.from_env()
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    else:
        return True
    finally:
        client.close()


def _remove_older_images(repository: str, newest: str) -> None:
    import docker

    client = docker.from_env()
    try:
        for image in client.images.list(repository):
            for tag in set(image.tags) - {newest}:
                client.images.remove(tag)
    finally:
        client.close()


def _build(example: str, sources: list[Path], fill_context: Callable[[Path], dict[str, str]], scratch: Path) -> str:
    """The example's image; built when its sources have changed."""
    repository = f"{IMAGE_REPOSITORY}/{example}"
    image = f"{repository}:{source_hash(*sources)}"
    if not _has_image(image):
        context = scratch / example
        shutil.copytree(EXAMPLES / example, context)
        lines: list[str] = []
        try:
            build_image(context, image, lines.append, build_arguments=fill_context(context))
        except Exception:
            print("\n".join(lines[-40:]))
            raise
        _remove_older_images(repository, image)
    return image


@pytest.fixture(scope="session")
def classic_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of ``examples/decision-trees``."""
    sources = [EXAMPLES / "decision-trees" / name for name in ("Dockerfile", "requirements.txt", "decision_trees")]
    return _build("decision-trees", sources, lambda _context: {}, tmp_path_factory.mktemp("context"))


@pytest.fixture(scope="session")
def seatrial_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of ``examples/decision-trees-seatrial`` with a wheel of the present source tree."""

    def add_wheel(context: Path) -> dict[str, str]:
        wheel = build_wheel(ROOT, context)
        return {"SEATRIAL": f"./{wheel.name}[serve]"}

    sources = [EXAMPLES / "decision-trees-seatrial", ROOT / "pyproject.toml", ROOT / "src/seatrial"]
    return _build("decision-trees-seatrial", sources, add_wheel, tmp_path_factory.mktemp("context"))


# --- containers -------------------------------------------------------------------------------------------------------


class Server:
    """A healthy server; a context manager that removes it at the end."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.url = replica.url
        self.stop = replica.stop

    def predict(self, csv: bytes) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
        with urllib3.PoolManager(retries=False) as pool:
            return pool.request("POST", f"{self.url}/invocations", body=csv, headers=headers, timeout=30)

    def predict_payload(self) -> urllib3.BaseHTTPResponse:
        return self.predict(PAYLOAD.read_bytes())

    def accuracy(self) -> float:
        """Over all of iris."""
        pairs = [line.partition(",") for line in IRIS.read_text().splitlines()]
        predictions = self.predict("\n".join(row for _, _, row in pairs).encode()).data.decode().splitlines()
        labels = [species for species, _, _ in pairs]
        assert len(predictions) == len(labels)
        return statistics.fmean(map(str.__eq__, labels, predictions))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._replica.__exit__()


@dataclass(frozen=True)
class Container:
    """One example on one engine."""

    example: str
    engine: Engine
    image: str

    def train(
        self, work_dir: Path, channel: Path, hyperparameters: dict[str, str], *, channel_name: str = "training"
    ) -> TrainingResult:
        """Run one training job below a directory."""
        job_dir = work_dir / "train"
        job_dir.mkdir()
        request = TrainingRequest(
            training_job_name=f"test-{self.example}",
            image=self.image,
            output_dir=work_dir / "output",
            hyperparameters=hyperparameters,
            channels={channel_name: LocalChannel(path=channel, config=ChannelConfig(content_type="text/csv"))},
            max_runtime_seconds=100,
        )
        return TrainingJob(self.engine, request, on_phase=lambda _phase: None, on_line=print).run(job_dir)

    def serve(self, work_dir: Path, model: Path) -> Server:
        """Start a server in an empty directory and wait until it is healthy."""
        request = ReplicaRequest(image=self.image, model=model, startup_budget_seconds=STARTUP_BUDGET_SECONDS)
        replica = start_replica(self.engine, request, work_dir, print)
        try:
            replica.wait_until_healthy()
        except BaseException:
            replica.__exit__()
            raise
        return Server(replica)


@cache
def _engine(name: str) -> Engine:
    if name == "docker":
        from seatrial.engines.docker import DockerEngine

        return DockerEngine()
    from seatrial.engines.process import ProcessEngine

    return ProcessEngine()


@pytest.fixture(scope="session")
def container_of(request: pytest.FixtureRequest) -> Callable[[str, str], Container]:
    """The container of an engine's and an example's name; skips where the engine cannot run it."""

    def get(engine_name: str, example: str) -> Container:
        engine = _engine(engine_name)
        if engine_name == "docker":
            fixture = "classic_image" if example == "decision-trees" else "seatrial_image"
            return Container(example, engine, request.getfixturevalue(fixture))
        if example == "decision-trees":
            if shutil.which("nginx") is None:
                pytest.skip("nginx is not installed: apt-get install nginx")
            if any("no namespaces" in sentence for sentence in engine.limitations()):
                pytest.skip(f"/opt/ml cannot be private here: {engine.limitations()[0]}")
        return Container(example, engine, PROGRAMS[example].as_uri())

    return get


@dataclass(frozen=True)
class Voyage:
    """What one container did: trained on iris, served the model, stopped."""

    training: TrainingResult
    answer: urllib3.BaseHTTPResponse
    """To the payload."""
    accuracy: float
    """Over all of iris."""
    exit_status: ExitStatus
    stop_seconds: float


@pytest.fixture(scope="session")
def voyage_of(
    container_of: Callable[[str, str], Container], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Voyage]:
    """The voyage of an engine's and an example's name; made once."""

    @cache
    def get(engine_name: str, example: str) -> Voyage:
        container = container_of(engine_name, example)
        training = container.train(tmp_path_factory.mktemp("voyage"), IRIS.parent, {"max_leaf_nodes": "5"})
        assert training.model_archive is not None, training
        with container.serve(tmp_path_factory.mktemp("serve"), training.model_archive) as server:
            answer, accuracy = server.predict_payload(), server.accuracy()
            started = time.monotonic()
            exit_status = server.stop()
            return Voyage(training, answer, accuracy, exit_status, time.monotonic() - started)

    return get


@pytest.fixture
def start_server(
    container_of: Callable[[str, str], Container], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, Path], Server]:
    """Start a server of an engine's and an example's name with a model."""

    def start(engine_name: str, example: str, model: Path) -> Server:
        return container_of(engine_name, example).serve(tmp_path_factory.mktemp("serve"), model)

    return start

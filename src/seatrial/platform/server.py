"""One platform: its home directory, its services, and the HTTP server in front of them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contract.names import LOCAL_ACCOUNT_ID, LOCAL_REGION
from seatrial.core.errors import ConfigError, SeatrialError
from seatrial.core.trees import remove_tree
from seatrial.engines.base import Engine
from seatrial.engines.process import ProcessEngine
from seatrial.engines.program import is_program_directory
from seatrial.objects.files import FileStore
from seatrial.platform.app import Door, Services
from seatrial.platform.jobs.capacity import Capacity
from seatrial.platform.jobs.queue import JobQueue
from seatrial.platform.jobs.stored_training import StoredTraining, Surroundings
from seatrial.platform.jobs.training_runner import TrainingRunner
from seatrial.platform.logs.store import LogStore
from seatrial.platform.services.iam import IamService
from seatrial.platform.services.logs import LogsService
from seatrial.platform.services.s3.app import S3Service
from seatrial.platform.services.sagemaker.tags import Tags
from seatrial.platform.services.sagemaker.training import Site, TrainingJobs, channel_source, metric_scanner
from seatrial.platform.services.sessions import Sessions
from seatrial.platform.services.sts import StsService
from seatrial.platform.store.database import Database
from seatrial.platform.store.resources import Kind, Resource, ResourceStore
from seatrial.platform.wire import models
from seatrial.platform.wire.waiters import HOLD_LIMIT_SECONDS

if TYPE_CHECKING:
    import uvicorn

LOG = logging.getLogger(__name__)

DEFAULT_PORT = 4577
PLATFORM_LABEL = "seatrial.platform"
"""Label of a container: the platform whose job it is."""

_START_POLL_SECONDS = 0.01
PRELOADED_SERVICES = ("sagemaker", "sts", "iam", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """What one platform is started with."""

    home: Path
    """Holds everything that survives: ``objects/``, ``logs/``, ``state.db``; and ``jobs/``, where jobs work."""
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    max_jobs: int = 2
    """Training jobs that run at once."""
    region: str = LOCAL_REGION
    account_id: str = LOCAL_ACCOUNT_ID


class Engines:
    """Finds the engine of an image: program directories run as processes, everything else in Docker."""

    def __init__(self) -> None:
        self._process = ProcessEngine()
        self._docker: Engine | None = None

    def engine_for(self, image: str) -> Engine:
        """The engine that runs images of this kind."""
        if is_program_directory(image):
            return self._process
        if self._docker is None:
            from seatrial.engines.docker import DockerEngine  # noqa: PLC0415 (slow to import, and not always there)

            self._docker = DockerEngine()
        return self._docker


class Platform:
    """Everything behind the door; close it to stop its jobs.

    Args:
        settings: See there.

    Raises:
        ConfigError: another platform has the home directory, or what lies in it cannot be read.
    """

    def __init__(self, settings: PlatformSettings) -> None:
        home = settings.home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._exit = contextlib.ExitStack()
        self._exit.enter_context(_sole_owner(home))
        database = Database(home / "state.db")
        self._exit.callback(database.close)
        store = ResourceStore(database)
        objects = FileStore(home / "objects")
        logs = LogStore(home / "logs")
        engines = Engines()
        platform_id = _made_once(home / "id", lambda: secrets.token_hex(8).encode()).decode()
        surroundings = Surroundings(
            region=settings.region,
            objects=objects,
            work_root=home / "jobs",
            engine_for=engines.engine_for,
            open_log=logs.open_stream,
            channel_source=channel_source,
            metric_scanner=metric_scanner,
            labels={PLATFORM_LABEL: platform_id},
            container_environment=lambda _engine: {},
        )
        runner = TrainingRunner(
            store,
            lambda stored, on_phase: StoredTraining(stored, surroundings, on_phase),
            JobQueue(Capacity(max_jobs=settings.max_jobs)),
        )
        _clean_up_after(runner.recover(), engines, platform_id, home / "jobs")
        self._exit.callback(runner.close)
        s3 = S3Service(objects, account_id=settings.account_id, region=settings.region)
        self._exit.callback(s3.close)
        site = Site(settings.region, settings.account_id)
        training_jobs = TrainingJobs(store, objects, runner, engines.engine_for, site)
        sessions = Sessions(_made_once(home / "secret", lambda: secrets.token_bytes(32)))
        self.door = Door(
            Services(
                s3=s3,
                handlers={
                    "sagemaker": {**training_jobs.handlers(), **Tags(store).handlers()},
                    "sts": StsService(settings.account_id, sessions).handlers(),
                    "iam": IamService(store, settings.account_id).handlers(),
                    "logs": LogsService(logs, account_id=settings.account_id, region=settings.region).handlers(),
                },
                hold={"DescribeTrainingJob": _hold_training_job(store)},
            )
        )
        self._exit.callback(self.door.close)

    def close(self) -> None:
        """Stop the jobs as StopTrainingJob does, and let go of the home directory."""
        self._exit.close()


def run_platform(settings: PlatformSettings, on_ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: See there.
        on_ready: Called with the port once requests are answered.

    Raises:
        ConfigError: as ``Platform``, or the address cannot be had.
    """
    import uvicorn  # noqa: PLC0415 (what it brings is needed by this command only)
    import uvloop  # noqa: PLC0415 (as above)

    models.preload(PRELOADED_SERVICES)
    platform = Platform(settings)
    try:
        config = uvicorn.Config(
            platform.door,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=75,
            server_header=False,
            proxy_headers=False,
        )
        # Uvicorn chooses a loop only where it starts it itself.
        uvloop.run(_serve(uvicorn.Server(config), on_ready))
    finally:
        platform.close()


async def _serve(server: uvicorn.Server, on_ready: Callable[[int], None]) -> None:
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():
        await asyncio.sleep(_START_POLL_SECONDS)
    if server.started:
        on_ready(server.servers[0].sockets[0].getsockname()[1])
    await serving


def _hold_training_job(store: ResourceStore) -> Callable[[Mapping[str, Any]], Any]:
    async def hold(parameters: Mapping[str, Any]) -> None:
        """Wait until the job has ended: a waiter asks for nothing else."""
        loop = asyncio.get_running_loop()
        until = loop.time() + HOLD_LIMIT_SECONDS
        while (left := until - loop.time()) > 0:
            job = store.find(Kind.TRAINING_JOB, parameters["TrainingJobName"])
            if job is None or job.status not in {"InProgress", "Stopping"}:
                return
            await store.wait_for_change(job, left)

    return hold


@contextlib.contextmanager
def _sole_owner(home: Path) -> Iterator[None]:
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                "home-taken",
                "another Seatrial platform uses this home directory",
                where=str(home),
                fix="stop it with 'seatrial down', or name another directory with --home",
            ) from error
        yield
    finally:
        os.close(lock)


def _clean_up_after(interrupted: list[Resource], engines: Engines, platform_id: str, work_root: Path) -> None:
    """Remove the containers and directories of jobs whose platform was killed; an engine that is gone keeps its own."""
    images = {job.name: job.document["request"]["AlgorithmSpecification"]["TrainingImage"] for job in interrupted}
    for engine in {engines.engine_for(image) for image in images.values()}:
        try:
            engine.remove_orphans(lambda labels: labels.get(PLATFORM_LABEL) == platform_id)
        except SeatrialError as error:
            LOG.warning("containers of an earlier platform may still run: %s", error.sentence())
    for name in images:
        remove_tree(work_root / name)


def _made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a file that only this user may read, and that is made when it is first asked for."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(make())
    return path.read_bytes()

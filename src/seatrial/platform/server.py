"""One platform: its home directory, its services, and the HTTP server in front of them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.contract.names import LOCAL_ACCOUNT_ID, LOCAL_REGION
from seatrial.core.errors import ConfigError
from seatrial.core.trees import remove_tree
from seatrial.engines import ports
from seatrial.objects.files import FileStore
from seatrial.objects.transfer import ObjectTransfer, StoreTransfer
from seatrial.platform.app import ASGIApplication, Door, Services, is_loopback
from seatrial.platform.controls import Controls
from seatrial.platform.engine_choice import EngineChoice, Engines
from seatrial.platform.holds import Holds
from seatrial.platform.jobs.capacity import Capacity
from seatrial.platform.jobs.input.source import ObjectSource, RemoteSource, StoreSource
from seatrial.platform.jobs.instance_limits import this_machine
from seatrial.platform.jobs.leftovers import remove_leftovers
from seatrial.platform.jobs.queue import JobQueue
from seatrial.platform.jobs.stored_training import StoredTraining, Surroundings
from seatrial.platform.jobs.training_runner import TrainingRunner
from seatrial.platform.keys import KEYS_FILE, Keyring, make_keys_file, read_keys
from seatrial.platform.listeners import Listeners
from seatrial.platform.logs.replay import ReplayedLog
from seatrial.platform.logs.store import LogStore
from seatrial.platform.services.container_access import ContainerAccess
from seatrial.platform.services.declarations import DECLARATIONS
from seatrial.platform.services.iam import IamService
from seatrial.platform.services.logs import LogsService
from seatrial.platform.services.s3.addresses import bucket_of_host
from seatrial.platform.services.s3.app import S3Service
from seatrial.platform.services.sagemaker.host_files import check_names_no_host_files
from seatrial.platform.services.sagemaker.tags import Tags
from seatrial.platform.services.sagemaker.training import (
    SLOW_OPERATIONS,
    Site,
    TrainingJobs,
    channel_source,
    metric_scanner,
)
from seatrial.platform.services.sessions import Sessions
from seatrial.platform.services.sts import StsService
from seatrial.platform.store.database import Database
from seatrial.platform.store.resources import ResourceStore
from seatrial.platform.wire import models

if TYPE_CHECKING:
    from seatrial.platform.forwarding import Forwarder


LOG = logging.getLogger(__name__)

DEFAULT_PORT = 4577
PLATFORM_LABEL = "seatrial.platform"
"""Label of a container: the platform whose job it is."""

_THREAD_SWITCH_SECONDS = 0.0005
"""How long a thread may hold up the others. Python's 5 ms make a Describe wait 15 ms while others list."""
PRELOADED_SERVICES = ("sagemaker", "sts", "iam", "logs")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """What one platform is started with."""

    home: Path
    """Holds everything that survives: ``objects/``, ``logs/``, ``state.db``; and ``jobs/``, where jobs work."""
    port: int = DEFAULT_PORT
    bind: str | None = None
    """An address or a host's name to listen at beside 127.0.0.1, for those who have a key."""
    keys: Path | None = None
    """A file of keys; ``None`` takes, and makes, the one in the home directory."""
    max_jobs: int = 2
    """Training jobs that run at once."""
    has_instance_limits: bool = True
    """Whether a container gets what its instance type has, and no type that this machine cannot stand for is taken."""
    region: str = LOCAL_REGION
    account_id: str = LOCAL_ACCOUNT_ID
    engine: EngineChoice = EngineChoice.AUTO
    s3_endpoint: str | None = None
    """Origin of the S3 server that keeps the objects; without one they are in ``objects/``."""
    upstream: str | None = None
    """Origin of the server that answers for services that are not emulated."""


class Platform:
    """Everything behind the door; close it to stop its jobs.

    Args:
        settings: See there.

    Raises:
        ConfigError: another platform has the home directory, or what lies in it cannot be read.
        EngineError: the address cannot be had.
    """

    def __init__(self, settings: PlatformSettings) -> None:
        home = settings.home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._exit = contextlib.ExitStack()
        self._exit.enter_context(_sole_owner(home))
        database = Database(home / "state.db")
        self._exit.callback(database.close)
        store = ResourceStore(database)
        self._forwarders: list[Forwarder] = []
        s3, objects, source = self._open_s3(settings)
        logs = LogStore(home / "logs")
        engines = Engines(settings.engine)
        any_engine = Engines()  # for jobs of an earlier platform too, which may have used another one
        platform_id = _made_once(home / "id", lambda: secrets.token_hex(8).encode()).decode()
        sessions = Sessions(_made_once(home / "secret", lambda: secrets.token_bytes(32)))
        self.listeners = Listeners(port=settings.port, bind=settings.bind, keyring=_keyring(settings, sessions))
        self._exit.callback(self.listeners.close)
        machine = this_machine() if settings.has_instance_limits else None
        surroundings = Surroundings(
            region=settings.region,
            objects=objects,
            source=source,
            work_root=home / "jobs",
            engine_for=any_engine.engine_for,
            open_log=lambda group, stream, position: ReplayedLog(logs.open_stream(group, stream), position),
            channel_source=channel_source,
            metric_scanner=metric_scanner,
            labels={PLATFORM_LABEL: platform_id},
            machine=machine,
            platform_access=ContainerAccess(settings.region, sessions, self.listeners.port_for).of_training_job,
        )
        self._runner = runner = TrainingRunner(
            store,
            lambda stored, on_phase: StoredTraining(stored, surroundings, on_phase),
            JobQueue(Capacity(max_jobs=settings.max_jobs)),
            lambda name: remove_tree(home / "jobs" / name),
        )
        unfinished = [job.name for job in runner.unfinished()]
        remove_leftovers(
            home / "jobs", unfinished, any_engine.engine_for, lambda labels: labels.get(PLATFORM_LABEL) == platform_id
        )
        runner.recover()
        self._exit.callback(runner.close)
        site = Site(settings.region, settings.account_id)
        training_jobs = TrainingJobs(store, objects, runner, engines.engine_for, site, machine=machine)
        self._holds = Holds(store)
        sts = StsService(settings.account_id, sessions)
        self.door = Door(
            Services(
                s3=s3,
                handlers={
                    "sagemaker": {**training_jobs.handlers(), **Tags(store).handlers()},
                    "sts": sts.handlers(),
                    "iam": IamService(store, settings.account_id).handlers(),
                    "logs": LogsService(logs, account_id=settings.account_id, region=settings.region).handlers(),
                },
                declarations=DECLARATIONS,
                caller_handlers={"sts": sts.caller_handlers()},
                find_session=sessions.read,
                host_bucket=bucket_of_host,
                controls=Controls(training_jobs.interrupt).answer,
                checks_of_callers_with_keys={"CreateTrainingJob": check_names_no_host_files},
                hold={"DescribeTrainingJob": self._holds.training_job},
                slow=SLOW_OPERATIONS,
                upstream=self._forward_to(settings.upstream, "--upstream") if settings.upstream else None,
            )
        )
        self._exit.callback(self.door.close)

    async def wind_down(self) -> None:
        """Stop the jobs, while requests are still answered: containers save what they have, waiters learn of the end.

        In the event loop that serves, before ``close``.
        """
        try:
            await asyncio.to_thread(self._runner.close)
        finally:
            self._holds.release()

    async def close_connections(self) -> None:
        """Close those to other servers; in the event loop that has served, before ``close``."""
        for forwarder in self._forwarders:
            await forwarder.close()

    def close(self) -> None:
        """Stop the jobs as StopTrainingJob does, and let go of the home directory."""
        self._exit.close()

    def _open_s3(self, settings: PlatformSettings) -> tuple[ASGIApplication, ObjectTransfer, ObjectSource]:
        """Who answers S3's requests, and the jobs' ways to the same objects: whole ones, and those of channels."""
        if settings.s3_endpoint is None:
            store = FileStore(settings.home / "objects")
            service = S3Service(store, account_id=settings.account_id, region=settings.region)
            self._exit.callback(service.close)
            return service, StoreTransfer(store), StoreSource(store)
        from seatrial.objects.remote import RemoteTransfer  # noqa: PLC0415 (boto3 is slow to import)

        transfer = RemoteTransfer(settings.s3_endpoint, region=settings.region)
        self._exit.callback(transfer.close)
        return self._forward_to(settings.s3_endpoint, "--s3-endpoint"), transfer, RemoteSource(transfer)

    def _forward_to(self, origin: str, option: str) -> Forwarder:
        from seatrial.platform.forwarding import Forwarder  # noqa: PLC0415 (aiohttp is slow to import)

        forwarder = Forwarder(origin, option=option)
        self._forwarders.append(forwarder)
        return forwarder


def run_platform(settings: PlatformSettings, on_ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: See there.
        on_ready: Called with the port once requests are answered.

    Raises:
        ConfigError: as ``Platform``.
        EngineError: as ``Platform``.
    """
    import uvloop  # noqa: PLC0415 (what it brings is needed by this command only)

    models.preload(PRELOADED_SERVICES)
    sys.setswitchinterval(_THREAD_SWITCH_SECONDS)
    platform = Platform(settings)
    try:
        # Uvicorn chooses a loop only where it starts it itself.
        uvloop.run(_serve(platform, on_ready))
    finally:
        platform.close()


async def _serve(platform: Platform, on_ready: Callable[[int], None]) -> None:
    try:
        await platform.listeners.serve(platform.door, on_ready, platform.wind_down)
    finally:
        await platform.close_connections()


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


def keys_file(settings: PlatformSettings) -> Path | None:
    """Where the keys are that a platform asks for; ``None`` when it listens at loopback addresses only."""
    if settings.bind is None or is_loopback(ports.resolve(settings.bind)):
        return None
    return settings.keys or settings.home / KEYS_FILE


def _keyring(settings: PlatformSettings, sessions: Sessions) -> Keyring:
    path = keys_file(settings)
    if path is None:
        return Keyring(sessions=sessions)
    if settings.keys is None:
        make_keys_file(path)
    return Keyring(sessions=sessions, configured=read_keys(path))


def _made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """The content of a file that only this user may read, and that is made when it is first asked for."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(make())
    return path.read_bytes()

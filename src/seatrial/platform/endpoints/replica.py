"""One serving container: started with ``serve``, pinged until it answers 200, stopped with 30 seconds' grace.

Source: contract.md §2.1, §2.2. The model is unpacked before the container starts and is read-only inside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import urllib3

from seatrial.contract.layout import OPT_ML
from seatrial.contract.limits import (
    HOSTING_STOP_GRACE_SECONDS,
    PING_STARTUP_BUDGET_SECONDS,
    PING_TIMEOUT_SECONDS,
    SERVING_PORT,
)
from seatrial.core.archives import unpack_archive
from seatrial.core.errors import ConfigError, ContractError
from seatrial.core.exit_codes import describe_exit
from seatrial.core.subprocesses import OnLine
from seatrial.core.trees import Checkpoint
from seatrial.engines.base import (
    ContainerSpec,
    Engine,
    ExitStatus,
    Handle,
    Mount,
    Network,
    PublishedPort,
)
from seatrial.platform.last_lines import LastLines

_PING_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRequest:
    """One serving container on a port of this machine."""

    image: str
    model: Path | None = None
    """A directory or a ``model.tar.gz``; ``None`` gives an empty ``/opt/ml/model``."""
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the container, where the engine has labels."""
    host_port: int = 0
    host_address: str = "127.0.0.1"
    startup_budget_seconds: float = PING_STARTUP_BUDGET_SECONDS


class Replica:
    """A serving container; a context manager that removes it at the end."""

    def __init__(self, handle: Handle, request: ReplicaRequest, last_lines: LastLines) -> None:
        self._handle = handle
        self._request = request
        self._last_lines = last_lines

    @property
    def url(self) -> str:
        """Where ``/ping`` and ``/invocations`` answer."""
        host, port = self._handle.address(SERVING_PORT)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (where it listens, not where we do)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def last_lines(self) -> tuple[str, ...]:
        return self._last_lines.lines()

    def wait_until_healthy(self, should_give_up: Callable[[], bool] = lambda: False) -> float:
        """Ping until the first 200.

        Returns:
            Seconds from the call to the first good ping.

        Raises:
            ContractError: the container ended, or did not answer 200 within the start-up budget; ``found`` is its last
                answer.
            ConfigError: ``should_give_up`` became true.
        """
        started = time.monotonic()
        answer = "no answer yet"
        with urllib3.PoolManager(num_pools=1, retries=False) as pool:
            while (elapsed := time.monotonic() - started) < self._request.startup_budget_seconds:
                if should_give_up():
                    raise ConfigError("startup-interrupted", "stopped before the container was ready")
                exit_status = self._handle.wait(_PING_PAUSE_SECONDS)
                if exit_status is not None:
                    raise self._ended(exit_status)
                status, answer = _ping(pool, f"{self.url}/ping")
                if status == 200:
                    return elapsed
        raise ContractError(
            "ping-health-check-failed",
            "the container did not pass the ping health check",
            where="GET /ping",
            found=answer,
            expected=f"HTTP 200 within {self._request.startup_budget_seconds:g} seconds",
            fix="listen on 0.0.0.0:8080 (or SAGEMAKER_BIND_TO_PORT) and answer 200 once the model is loaded",
        )

    def _ended(self, exit_status: ExitStatus) -> ContractError:
        return ContractError(
            "serve-ended",
            "the container ended before it passed the ping health check",
            found=describe_exit(exit_status.exit_code),
            expected="a server that keeps running",
            fix="read its last lines; 'serve' must stay in the foreground",
        )

    def wait(self, timeout_seconds: float | None = None) -> ExitStatus | None:
        """Wait for the container's own end; ``None`` when the time is up first."""
        return self._handle.wait(timeout_seconds)

    def stop(self) -> ExitStatus:
        """SIGTERM, 30 seconds, SIGKILL."""
        return self._handle.stop(HOSTING_STOP_GRACE_SECONDS)

    def __enter__(self) -> Replica:
        return self

    def __exit__(self, *exc: object) -> None:
        self._handle.remove()


def start_replica(
    engine: Engine,
    request: ReplicaRequest,
    work_dir: Path,
    on_line: OnLine,
    *,
    checkpoint: Checkpoint = lambda: None,
) -> Replica:
    """Unpack the model and start the container.

    Args:
        engine: Runs it.
        request: What to run.
        work_dir: An empty directory of the caller's that outlives the replica.
        on_line: Receives the container's output.
        checkpoint: Called every few megabytes while the model is unpacked, and before the container is started; what it
            raises ends the start.

    Raises:
        ConfigError: the model is not there.
        ContractError: the model archive is unsafe or broken, or the program cannot be started.
        EngineError: the engine cannot start the container.
    """
    engine.check_ready()
    spec = ContainerSpec(
        image=request.image,
        arguments=("serve",),
        environment=dict(request.environment),
        ports=(
            PublishedPort(container_port=SERVING_PORT, host_port=request.host_port, host_address=request.host_address),
        ),
        network=Network.PRIVATE,
        labels=request.labels,
    )
    engine.check_image(spec)
    spec = replace(spec, mounts=(_model_mount(request.model, work_dir, checkpoint),))
    checkpoint()
    last_lines = LastLines(on_line)
    return Replica(engine.start(spec, last_lines), request, last_lines)


def _model_mount(model: Path | None, work_dir: Path, checkpoint: Checkpoint) -> Mount:
    model_dir = work_dir / "model"
    if model is None:
        model_dir.mkdir()
    elif model.is_dir():
        model_dir = model
    elif model.is_file():
        unpack_archive(model, model_dir, checkpoint=checkpoint)
    else:
        raise ConfigError(
            "model-missing",
            "the model is not there",
            where=str(model),
            found="neither a file nor a directory" if model.exists() else "no such file or directory",
            expected="a directory or a model.tar.gz",
            fix="pass --model with the output of a training run",
        )
    return Mount(source=model_dir, target=OPT_ML / "model", is_read_only=True)


def _ping(pool: urllib3.PoolManager, url: str) -> tuple[int | None, str]:
    """Status and a sentence about one ``GET /ping``."""
    try:
        response = pool.request("GET", url, timeout=PING_TIMEOUT_SECONDS, redirect=False)
    except urllib3.exceptions.NewConnectionError:
        return None, "nobody listens on the port"
    except urllib3.exceptions.TimeoutError:
        return None, f"no answer within {PING_TIMEOUT_SECONDS:g} seconds"
    except urllib3.exceptions.HTTPError as error:
        return None, f"no HTTP answer ({type(error).__name__})"
    return response.status, f"HTTP {response.status}"

"""``seatrial serve``: one serving container on a port of this machine, until it ends or Ctrl-C."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import click

from seatrial.cli._options import choose_engine, container_options, parse_pairs
from seatrial.cli._output import Output
from seatrial.cli._paths import FilledPath
from seatrial.cli._signals import INTERRUPTED_EXIT_CODE, stop_on_signals
from seatrial.contract.limits import PING_STARTUP_BUDGET_SECONDS, SERVING_PORT
from seatrial.core.errors import ConfigError, SeatrialError
from seatrial.core.exit_codes import describe_exit
from seatrial.engines.base import ExitStatus
from seatrial.platform.endpoints.replica import Replica, ReplicaRequest, start_replica
from seatrial.platform.work_dirs import work_directory

_WAIT_SLICE_SECONDS = 0.2


@click.command("serve")
@container_options
@click.option(
    "--model", type=FilledPath(path_type=Path), metavar="DIR|model.tar.gz",
    help="What the container finds, read-only, in /opt/ml/model.",
)  # fmt: skip
@click.option(
    "--port", type=click.IntRange(0, 65535), default=SERVING_PORT, show_default=True,
    help="Port on this machine; 0 takes a free one.",
)  # fmt: skip
@click.option("--host", "host_address", default="127.0.0.1", show_default=True, help="Address on this machine.")
@click.option(
    "--startup-timeout-seconds", type=click.FloatRange(min=1), default=PING_STARTUP_BUDGET_SECONDS, show_default=True,
    help="How long GET /ping may take to answer 200.",
)  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Do not show the container's log.")
def command(
    *,
    program: Path | None,
    image: str | None,
    python: Path | None,
    environment: tuple[str, ...],
    model: Path | None,
    port: int,
    host_address: str,
    startup_timeout_seconds: float,
    quiet: bool,
) -> int:
    """Run one serving container, as SageMaker does.

    The container is started with the argument 'serve'; its port 8080 is reached through --port. Ctrl-C or SIGTERM stops
    it as SageMaker does: SIGTERM, 30 seconds, SIGKILL.
    """
    engine, image_uri = choose_engine(program, image, python)
    request = ReplicaRequest(
        image=image_uri,
        model=model.expanduser().resolve() if model else None,
        environment=parse_pairs("--environment", environment),
        host_port=port,
        host_address=host_address,
        startup_budget_seconds=startup_timeout_seconds,
    )
    stop = threading.Event()

    def check_stop() -> None:
        if stop.is_set():
            raise ConfigError("startup-interrupted", "stopped before the container was ready")

    with Output(is_quiet=quiet) as out:
        for sentence in engine.limitations():
            out.say(f"note: {sentence}")
        try:
            with stop_on_signals(stop.set), work_directory(engine) as work:
                out.phase("Starting the container")
                request = replace(request, labels=work.labels)
                with start_replica(engine, request, work.path, out.log_line, checkpoint=check_stop) as replica:
                    return _follow(replica, out, stop)
        except KeyboardInterrupt:
            out.say("interrupted: the container was killed")
            return INTERRUPTED_EXIT_CODE
        except ConfigError:
            if not stop.is_set():
                raise
            out.say("stopped before the container was started")
            return INTERRUPTED_EXIT_CODE


def _follow(replica: Replica, out: Output, stop: threading.Event) -> int:
    out.phase("Waiting for GET /ping to answer 200")
    try:
        seconds = replica.wait_until_healthy(stop.is_set)
    except SeatrialError:
        if stop.is_set():
            return _stop(replica, out)
        replica.stop()
        out.last_lines(replica.last_lines)
        raise
    out.say(f"ready after {seconds:.1f} s: {replica.url}/invocations")
    exit_status = None
    while exit_status is None and not stop.is_set():
        exit_status = replica.wait(_WAIT_SLICE_SECONDS)
    if exit_status is None:
        return _stop(replica, out)
    return _ended_by_itself(replica, out, exit_status)


def _stop(replica: Replica, out: Output) -> int:
    out.phase("Stopping the container")
    exit_status = replica.stop()
    out.say(f"stopped, {describe_exit(exit_status.exit_code)}")
    return exit_status.exit_code


def _ended_by_itself(replica: Replica, out: Output, exit_status: ExitStatus) -> int:
    out.last_lines(replica.last_lines)
    out.say(f"the container ended by itself with {describe_exit(exit_status.exit_code)}; a server keeps running")
    return exit_status.exit_code or 1

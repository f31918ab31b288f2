"""A Dask cluster over the hosts of the job, led by the first one.

    leader    scheduler, worker processes, and the user's program with DASK_SCHEDULER_ADDRESS
    others    worker processes, until the leader has ended

``distributed.Client()`` without arguments connects to the address in that variable, and joblib's backend ``dask`` uses
that client. Without a nanny: a worker process that dies, for memory say, fails the job and is not hidden by a new one.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from seatrial.runtime.training import hardware
from seatrial.runtime.training.child import run_child
from seatrial.runtime.training.launchers.choice import Launcher
from seatrial.runtime.training.launchers.crew import Crew
from seatrial.runtime.training.launchers.launch import ERROR_CLASS, Launch, check_module
from seatrial.runtime.training.launchers.link import LeaderLink, WorkerLink
from seatrial.runtime.training.launchers.worker_host import serve_leader
from seatrial.runtime.training.log_lines import announce

SCHEDULER_ADDRESS = "DASK_SCHEDULER_ADDRESS"
"""Dask's own variable for its setting ``scheduler-address``."""
SCHEDULER_PORT = 8786
LOOPBACK = "127.0.0.1"

_SCHEDULER_WAIT_SECONDS = 120.0
_WORKERS_WAIT_SECONDS = 120
_WAIT_FOR_WORKERS = (
    "import sys, distributed; distributed.Client().wait_for_workers(int(sys.argv[1]), float(sys.argv[2]))"
)


def run_dask(launch: Launch) -> None:
    """Run this host's part of the cluster; errors as of ``run_launched``."""
    check_module("distributed", Launcher.DASK, package="distributed")
    with tempfile.TemporaryDirectory(prefix="seatrial-dask-") as scratch:
        if launch.cluster.is_leader:
            _lead(launch, Path(scratch))
        else:
            _serve(launch, Path(scratch))


def _lead(launch: Launch, scratch: Path) -> None:
    cluster, stopping = launch.cluster, launch.stopping
    environment = {**launch.environment, SCHEDULER_ADDRESS: _address(launch)}
    with ExitStack() as stack:
        crew = stack.enter_context(Crew())
        # Left first: the workers are told before the scheduler ends.
        link = stack.enter_context(LeaderLink(cluster)) if cluster.workers else None
        crew.start("the Dask scheduler", _scheduler_command(launch), cwd=scratch, environment=environment)
        crew.wait_for_port(_own_address(launch), SCHEDULER_PORT, seconds=_SCHEDULER_WAIT_SECONDS, stopping=stopping)
        _start_workers(launch, crew, scratch)
        if link is not None:
            link.wait_for_workers(stopping)

        def check() -> None:
            if link is not None:
                link.check()
            crew.check()

        def run(command: tuple[str, ...]) -> None:
            run_child(
                command,
                cwd=launch.cwd,
                environment=environment,
                stopping=stopping,
                error_class=ERROR_CLASS,
                check=check,
            )

        count = len(cluster.hosts) * launch.processes_per_host
        run((sys.executable, "-c", _WAIT_FOR_WORKERS, str(count), str(_WORKERS_WAIT_SECONDS)))
        announce(f"running in {launch.cwd} with {count} Dask workers: {' '.join(launch.command)}")
        run(launch.command)


def _serve(launch: Launch, scratch: Path) -> None:
    with Crew() as crew, WorkerLink(launch.cluster, launch.stopping) as link:
        # The leader listens before its scheduler does, whom Dask's workers wait for by themselves.
        _start_workers(launch, crew, scratch)
        link.ready()
        serve_leader(launch.cluster.leader, link, crew, launch.stopping)


def _start_workers(launch: Launch, crew: Crew, scratch: Path) -> None:
    for number in range(launch.processes_per_host):
        name = (
            launch.cluster.current_host if launch.processes_per_host == 1 else f"{launch.cluster.current_host}-{number}"
        )
        crew.start(
            f"the Dask worker {name}",
            _worker_command(launch, name, scratch),
            cwd=launch.cwd,
            environment=launch.environment,
        )


def _scheduler_command(launch: Launch) -> list[str]:
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    return [*command, "--host", _own_address(launch), "--port", str(SCHEDULER_PORT)]


def _worker_command(launch: Launch, name: str, scratch: Path) -> list[str]:
    threads = max(1, hardware.count_cpus() // launch.processes_per_host)
    return [
        *(sys.executable, "-m", "distributed.cli.dask_worker", _address(launch)),
        *("--no-nanny", "--no-dashboard", "--host", _own_address(launch), "--name", name),
        *("--nthreads", str(threads), "--local-directory", str(scratch)),
    ]


def _address(launch: Launch) -> str:
    leader = launch.cluster.leader if launch.cluster.workers else LOOPBACK
    return f"tcp://{leader}:{SCHEDULER_PORT}"


def _own_address(launch: Launch) -> str:
    """One host by itself keeps to itself, and may have no name that resolves."""
    return launch.cluster.current_host if launch.cluster.workers else LOOPBACK

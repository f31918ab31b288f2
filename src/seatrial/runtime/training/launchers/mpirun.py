"""``mpirun`` on the first host, over SSH to the others, as AWS's training toolkit starts it. Source: contract.md §1.12.

    leader    waits until the others are ready, tries each login, runs mpirun
    others    run the SSH daemon until the leader has ended

Keys and the daemon's settings are the image's, as with the toolkit. Differences from it: a worker ends when the leader
says so, not when a process named ``orted`` is gone; the launcher's own SSH client is tried, not paramiko; and the
library that makes ``gethostname`` return ``algo-N`` is not needed where hosts are named so, and is not there.

A stop: mpirun passes SIGTERM on to the program's processes on all hosts, and kills them about a second later. Its
option ``odls_base_sigkill_timeout`` makes that longer, and every failed job as long to end; so the image chooses.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from seatrial.core.errors import ContractError
from seatrial.runtime.training.child import run_child
from seatrial.runtime.training.hosts import has_network_interface
from seatrial.runtime.training.launchers.choice import Launcher
from seatrial.runtime.training.launchers.crew import Crew
from seatrial.runtime.training.launchers.launch import ERROR_CLASS, Launch, launcher_not_installed
from seatrial.runtime.training.launchers.link import LeaderLink, WorkerLink
from seatrial.runtime.training.launchers.worker_host import serve_leader
from seatrial.runtime.training.log_lines import announce

SSH_PORT = 22
_SSHD = Path("/usr/sbin/sshd")
_SSHD_RUN_DIR = Path("/run/sshd")
"""Debian's daemon does not start without it; its packages make it at boot only."""
_SSHD_WAIT_SECONDS = 60.0
_LOGIN_TIMEOUT_SECONDS = 60.0
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_NCCL_DEBUG_OPTION = "--NCCL_DEBUG"
"""The one option that the toolkit takes for itself."""


def run_mpirun(launch: Launch) -> None:
    """Run this host's part; errors as of ``run_launched``."""
    if launch.cluster.is_leader:
        _lead(launch)
    else:
        _serve(launch)


def _lead(launch: Launch) -> None:
    mpirun = shutil.which("mpirun", path=launch.environment.get("PATH"))
    if mpirun is None:
        raise launcher_not_installed(Launcher.MPIRUN, "no mpirun on PATH", "apt-get install openmpi-bin")
    command = mpirun_command(launch, mpirun)
    if not launch.cluster.workers:
        _run(launch, command, None)
        return
    ssh = shutil.which("ssh", path=launch.environment.get("PATH"))
    if ssh is None:
        raise launcher_not_installed(Launcher.MPIRUN, "no ssh on PATH", "apt-get install openssh-client")
    with LeaderLink(launch.cluster) as link:
        link.wait_for_workers(launch.stopping)
        for host in launch.cluster.workers:
            _try_login(ssh, host, launch)
        _run(launch, command, link)


def _serve(launch: Launch) -> None:
    if not _SSHD.exists():
        raise launcher_not_installed(Launcher.MPIRUN, f"no {_SSHD}", "apt-get install openssh-server")
    with Crew() as crew, WorkerLink(launch.cluster, launch.stopping) as link:
        if not _SSHD_RUN_DIR.exists():
            _SSHD_RUN_DIR.mkdir(mode=0o755, parents=True)
        # Sessions start where the program runs: mpirun asks for the leader's directory on every host.
        crew.start("the SSH daemon", [str(_SSHD), "-D", "-e"], cwd=launch.cwd, environment=launch.environment)
        host = launch.cluster.current_host
        crew.wait_for_port(host, SSH_PORT, seconds=_SSHD_WAIT_SECONDS, stopping=launch.stopping)
        link.ready()
        serve_leader(launch.cluster.leader, link, crew, launch.stopping)


def _run(launch: Launch, command: list[str], link: LeaderLink | None) -> None:
    announce(f"running in {launch.cwd}: {' '.join(command)}")
    run_child(
        command,
        cwd=launch.cwd,
        environment=launch.environment,
        stopping=launch.stopping,
        error_class=ERROR_CLASS,
        check=link.check if link else None,
    )


def _try_login(ssh: str, host: str, launch: Launch) -> None:
    """Find out before mpirun does, whose own words for it are many."""
    command = [ssh, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_LOGIN_TIMEOUT_SECONDS:.0f}", host, "true"]
    try:
        done = subprocess.run(
            command,
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=2 * _LOGIN_TIMEOUT_SECONDS,
            check=False,
        )
        found = done.stderr.strip().rpartition("\n")[2]
    except subprocess.TimeoutExpired:
        found = f"no answer in {2 * _LOGIN_TIMEOUT_SECONDS:.0f} s"
    else:
        if done.returncode == 0:
            return
    raise ContractError(
        "ssh-login-refused",
        f"the host '{launch.cluster.current_host}' cannot log in to '{host}' for mpirun",
        found=found,
        fix="put the same key pair and authorized_keys into the image, and 'StrictHostKeyChecking no' in .ssh/config",
    )


def mpirun_command(launch: Launch, mpirun: str) -> list[str]:
    """The toolkit's command line."""
    cluster, per_host = launch.cluster, launch.processes_per_host
    count = launch.settings.process_count or per_host * len(cluster.hosts)
    nccl_debug, options = _split_options(launch.settings.mpi_options)
    name = cluster.network_interface_name
    hosts = cluster.hosts if cluster.workers else ("localhost",)  # its name may not resolve where it is the only one
    interface = []
    if len(cluster.hosts) > 1 or has_network_interface(name):
        interface = ["-mca", "btl_tcp_if_include", name, "-mca", "oob_tcp_if_include", name]
    return [
        *(
            mpirun,
            "--host",
            ",".join(hosts if per_host == 1 else [f"{host}:{per_host}" for host in hosts]),
        ),
        *("-np", str(count), "--allow-run-as-root", "--display-map", "--tag-output"),
        *interface,
        *("-mca", "plm_rsh_no_tree_spawn", "1", "-bind-to", "socket", "-map-by", "slot"),
        *("-mca", "pml", "ob1", "-mca", "btl", "^openib", "-mca", "orte_abort_on_non_zero_status", "1"),
        *("-x", "NCCL_MIN_NRINGS=4", "-x", f"NCCL_SOCKET_IFNAME={name}", "-x", f"NCCL_DEBUG={nccl_debug}"),
        *(word for variable in _exported(launch) for word in ("-x", variable)),
        *options,
        *_program(launch),
    ]


def _exported(launch: Launch) -> list[str]:
    names = ["LD_LIBRARY_PATH", "PATH", *_CREDENTIALS, *launch.shared_variables]
    return [name for name in names if name in launch.environment]


def _program(launch: Launch) -> tuple[str, ...]:
    """Through mpi4py where it is installed: an exception on one process then ends them all."""
    if launch.python_arguments is None or importlib.util.find_spec("mpi4py") is None:
        return launch.command
    return (sys.executable, "-m", "mpi4py", *launch.python_arguments)


def _split_options(options: tuple[str, ...]) -> tuple[str, list[str]]:
    """The value of ``--NCCL_DEBUG`` (``INFO`` when it is not there), and the other options."""
    nccl_debug, others = "INFO", []
    words = iter(options)
    for word in words:
        name, _, value = word.partition("=")
        if name == _NCCL_DEBUG_OPTION:
            nccl_debug = value or next(words, nccl_debug)
        else:
            others.append(word)
    return nccl_debug, others

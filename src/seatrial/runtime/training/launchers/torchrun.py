"""``torchrun`` on every host, with the command line of AWS's training toolkit. Source: contract.md §1.3, §1.4.

The launchers find each other at the first host; what a process prints, and how it ends, is torchrun's to pass on.
"""

from __future__ import annotations

import sys

from seatrial.contract.limits import TRAINING_STOP_GRACE_SECONDS
from seatrial.core.errors import ContractError
from seatrial.runtime.training.child import run_child
from seatrial.runtime.training.hosts import has_network_interface
from seatrial.runtime.training.launchers.choice import Launcher
from seatrial.runtime.training.launchers.launch import ERROR_CLASS, Launch, check_module
from seatrial.runtime.training.log_lines import announce
from seatrial.runtime.training.script_failure import ScriptFailure
from seatrial.runtime.training.stopping import JobStopping

MASTER_PORT = 7777

_SIGNALLED = "SignalException"
"""What torchrun raises when it was stopped by a signal, its processes ended."""
_SHUTDOWN_TIMEOUT = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"
_SHUTDOWN_SECONDS = TRAINING_STOP_GRACE_SECONDS - 10.0
"""From SIGTERM to SIGKILL for the program's processes; torchrun gives 30 seconds when it is not told."""


def run_torchrun(launch: Launch) -> None:
    """Run this host's processes; errors as of ``run_launched``."""
    check_module("torch", Launcher.TORCHRUN, package="torch")
    command = torchrun_command(launch)
    announce(f"running in {launch.cwd}: {' '.join(command)}")
    try:
        run_child(
            command,
            cwd=launch.cwd,
            environment={**_torchrun_environment(launch), **launch.environment},
            stopping=launch.stopping,
            error_class=ERROR_CLASS,
        )
    except ScriptFailure as error:
        if launch.stopping and _SIGNALLED in error.error_message:
            raise JobStopping from None
        raise


def torchrun_command(launch: Launch) -> list[str]:
    """The toolkit's arguments; ``python -m torch.distributed.run`` is what the program ``torchrun`` runs.

    Raises:
        ContractError: the program is no Python script, which the toolkit refuses too.
    """
    if launch.python_arguments is None:
        raise ContractError(
            "launcher-program-unsupported",
            "torchrun starts Python scripts only",
            where="SAGEMAKER_PROGRAM or hyperparameter 'sagemaker_program'",
            found=" ".join(launch.command),
            fix="name a .py file, or start torchrun in the shell script and ask for no launcher",
        )
    cluster = launch.cluster
    command = [sys.executable, "-m", "torch.distributed.run"]
    command += ["--nnodes", str(len(cluster.hosts)), "--nproc_per_node", str(launch.processes_per_host)]
    if len(cluster.hosts) > 1:
        command += ["--master_addr", cluster.leader, "--master_port", str(MASTER_PORT)]
        command += ["--node_rank", str(cluster.rank)]
    return [*command, *launch.python_arguments]


def _torchrun_environment(launch: Launch) -> dict[str, str]:
    """NCCL's interface as in the toolkit; Gloo's too, which otherwise may choose the loopback of this host's name."""
    name = launch.cluster.network_interface_name
    environment = {"NCCL_SOCKET_IFNAME": name, _SHUTDOWN_TIMEOUT: f"{_SHUTDOWN_SECONDS:.0f}"}
    if len(launch.cluster.hosts) > 1 and has_network_interface(name):
        environment["GLOO_SOCKET_IFNAME"] = name
    return environment

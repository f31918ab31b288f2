"""The command lines of the launchers, against what AWS's training toolkit 5.1.4 starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from seatrial.core.errors import ContractError
from seatrial.runtime.training.hosts import Cluster
from seatrial.runtime.training.launchers.choice import Launcher, LaunchSettings
from seatrial.runtime.training.launchers.launch import Launch
from seatrial.runtime.training.launchers.mpirun import mpirun_command
from seatrial.runtime.training.launchers.torchrun import torchrun_command
from seatrial.runtime.training.stopping import Stopping


def make_launch(
    *,
    hosts: tuple[str, ...] = ("algo-1", "algo-2"),
    current_host: str = "algo-2",
    settings: LaunchSettings | None = None,
    is_python: bool = True,
) -> Launch:
    return Launch(
        settings=settings or LaunchSettings(launcher=Launcher.TORCHRUN, processes_per_host=2),
        cluster=Cluster(hosts=hosts, current_host=current_host, network_interface_name="eth7"),
        command=("python", "--", "train.py", "--lr", "1") if is_python else ("/bin/sh", "-c", "./train.sh"),
        python_arguments=("train.py", "--lr", "1") if is_python else None,
        cwd=Path("/opt/ml/code"),
        environment={"PATH": "/bin", "SM_HOSTS": "[]", "AWS_SECRET_ACCESS_KEY": "hidden"},
        shared_variables=("SM_HOSTS", "SM_ABSENT"),
        stopping=Stopping(),
    )


def test_torchrun_command_on_two_hosts_names_the_leader_and_this_hosts_rank() -> None:
    assert torchrun_command(make_launch()) == [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "2"),
        *("--master_addr", "algo-1", "--master_port", "7777", "--node_rank", "1", "train.py", "--lr", "1"),
    ]


def test_torchrun_command_on_one_host_has_no_address() -> None:
    command = torchrun_command(make_launch(hosts=("algo-1",), current_host="algo-1"))

    assert command[3:] == ["--nnodes", "1", "--nproc_per_node", "2", "train.py", "--lr", "1"]


def test_torchrun_command_of_a_shell_script_refuses() -> None:
    with pytest.raises(ContractError) as raised:
        torchrun_command(make_launch(is_python=False))

    assert raised.value.code == "launcher-program-unsupported"


def test_mpirun_command_is_the_toolkits() -> None:
    settings = LaunchSettings(
        launcher=Launcher.MPIRUN, processes_per_host=2, mpi_options=("--NCCL_DEBUG", "WARN", "--verbose")
    )
    words = " ".join(mpirun_command(make_launch(current_host="algo-1", settings=settings, is_python=False), "mpirun"))

    assert words == (
        "mpirun --host algo-1:2,algo-2:2 -np 4 --allow-run-as-root --display-map --tag-output"
        " -mca btl_tcp_if_include eth7 -mca oob_tcp_if_include eth7 -mca plm_rsh_no_tree_spawn 1"
        " -bind-to socket -map-by slot -mca pml ob1 -mca btl ^openib -mca orte_abort_on_non_zero_status 1"
        " -x NCCL_MIN_NRINGS=4 -x NCCL_SOCKET_IFNAME=eth7 -x NCCL_DEBUG=WARN"
        " -x PATH -x AWS_SECRET_ACCESS_KEY -x SM_HOSTS --verbose /bin/sh -c ./train.sh"
    )


def test_mpirun_command_with_one_process_a_host_has_bare_names_and_no_interface_that_is_not_there() -> None:
    settings = LaunchSettings(launcher=Launcher.MPIRUN, processes_per_host=1, process_count=5)

    command = mpirun_command(make_launch(settings=settings, hosts=("algo-1",), current_host="algo-1"), "mpirun")

    assert command[:5] == ["mpirun", "--host", "localhost", "-np", "5"]
    assert "btl_tcp_if_include" not in command

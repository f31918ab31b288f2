"""PyTorch DDP over two hosts, by real torchrun: each host has a network of its own."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hosts import Hosts
    from job_dir import JobDir

torch: Any = pytest.importorskip("torch", reason="make test-distributed runs it: PyTorch is large")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
DDP = ROOT / "examples" / "pytorch-ddp"
IRIS = ROOT / "examples/decision-trees/local_test/test_dir/input/data/training/iris.csv"

OpenJob = Callable[[int], "Hosts"]

SCRIPT = """
import signal, sys, time
import torch, torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
total = torch.tensor([rank + 1.0])
dist.all_reduce(total)
print(f"rank {rank} of {dist.get_world_size()} sum {total.item()}", flush=True)
if "--bad-rank" in sys.argv:
    if sys.argv[-1] == str(rank):
        raise ValueError(f"rank {rank} is bad")
    dist.all_reduce(total)
if "--wait" in sys.argv:
    def save(number, frame):
        time.sleep(1)
        print(f"rank {rank} has saved", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, save)
    print("waiting", flush=True)
    while True:
        time.sleep(0.05)
dist.destroy_process_group()
"""

ALGORITHM = """
import torch, torch.distributed as dist

def train(job):
    dist.init_process_group("gloo")
    total = torch.ones(1)
    dist.all_reduce(total)
    if dist.get_rank() == 1:
        raise ValueError(f"sum {total.item()} is bad")
    dist.all_reduce(total)
"""


def labelled_rows() -> list[str]:
    """Label 1 for setosa, and the four features."""
    rows = [line.split(",") for line in IRIS.read_text().splitlines()]
    return [",".join([str(int(label == "setosa")), *features]) + "\n" for label, *features in rows]


def weights_of(job: JobDir) -> Any:
    return torch.load(job.opt_ml.model_dir / "model.pt", weights_only=True)


def test_ddp_on_two_hosts_with_unequal_shares_gives_the_model_of_one(open_job: OpenJob, job_dir: JobDir) -> None:
    rows = labelled_rows()
    job = open_job(2)
    job.configure(sagemaker_program="train.py", sagemaker_mpi_num_of_processes_per_host="2")
    for host, part in zip(job.hosts, (rows[:60], rows[60:]), strict=True):
        shutil.copytree(DDP, host.job.opt_ml.code_dir, ignore=shutil.ignore_patterns("requirements.txt"))
        host.job.write(host.job.opt_ml.channel_dir("training"), "part.csv", "".join(part))
    job.start()
    assert job.wait() == [0, 0], job.logs()

    job_dir.configure(sagemaker_program="train.py")
    job_dir.code("train.py", (DDP / "train.py").read_text())
    job_dir.write(job_dir.opt_ml.channel_dir("training"), "all.csv", "".join(rows))
    job_dir.opt_ml.model_dir.mkdir()
    alone = job_dir.run()
    assert alone.process.returncode == 0, alone.lines

    assert "rank 0 of 4 has 30 of 150 rows" in job[1].log
    assert "rank 3 of 4 has 45 of 150 rows" in job[2].log
    together, single = weights_of(job[1].job), weights_of(job_dir)
    for name in single:
        torch.testing.assert_close(together[name], single[name], rtol=1e-9, atol=1e-9)


def test_the_process_that_fails_is_the_one_in_the_failure_file(open_job: OpenJob) -> None:
    job = open_job(2)
    job.configure(
        sagemaker_program="train.py",
        sagemaker_torch_distributed_enabled="true",
        sagemaker_mpi_num_of_processes_per_host="2",
        **{"bad-rank": "1"},
    )
    job.code("train.py", SCRIPT)
    job.start()

    assert job.wait() == [1, 1], job.logs()
    assert 'ErrorMessage "ValueError: rank 1 is bad"' in str(job[1].job.failure)
    assert "Connection closed by peer" in str(job[2].job.failure)


def test_a_stop_reaches_every_process_and_each_may_save(open_job: OpenJob) -> None:
    job = open_job(2)
    job.configure(sagemaker_program="train.py", sagemaker_torch_distributed_enabled="true", wait="1")
    job.code("train.py", SCRIPT)
    job.start()
    for host in job.hosts:
        assert host.running
        host.running.wait_for_line("waiting")
    for host in job.hosts:
        host.signal(signal.SIGTERM)

    assert job.wait() == [0, 0], job.logs()
    assert [f"rank {rank} has saved" in job[rank + 1].log for rank in (0, 1)] == [True, True]


def test_an_algorithm_module_under_torchrun_reports_its_own_exception(open_job: OpenJob) -> None:
    job = open_job(1)
    job.configure(sagemaker_torch_distributed_enabled="true", sagemaker_mpi_num_of_processes_per_host="2")
    job[1].job.algorithm(ALGORITHM)
    job.start()

    assert job.wait() == [1], job.logs()
    assert str(job[1].job.failure).splitlines()[0] == "ValueError: sum 2.0 is bad"


def test_torchrun_gives_a_script_the_toolkits_variables(job_dir: JobDir) -> None:
    job_dir.configure(sagemaker_program="train.py", sagemaker_torch_distributed_enabled="true")
    job_dir.code("train.py", "import json, os\nprint('seen', os.environ['SM_HOSTS'], os.environ['WORLD_SIZE'])\n")

    run = job_dir.run()

    assert run.process.returncode == 0, run.lines
    assert f"seen {json.dumps(['algo-1'])} 1" in run.lines

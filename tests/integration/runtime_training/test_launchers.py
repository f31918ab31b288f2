"""Jobs over several hosts, started by mpirun and by Dask: real programs, each host with a network of its own."""

from __future__ import annotations

import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hosts import Hosts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
FOREST = ROOT / "examples" / "forest-on-three-hosts"
IRIS = ROOT / "examples/decision-trees/local_test/test_dir/input/data/training/iris.csv"

OpenJob = Callable[[int], "Hosts"]


# --- mpirun ----------------------------------------------------------------------------------------------------------

needs_mpi = pytest.mark.skipif(
    not (shutil.which("mpirun") and Path("/usr/sbin/sshd").exists()),
    reason="no mpirun or no sshd: apt-get install openmpi-bin openssh-client openssh-server",
)

RANK = """
import os, socket, sys
rank = os.environ["OMPI_COMM_WORLD_RANK"]
sys.stdout.write(f"rank {rank} of {os.environ['OMPI_COMM_WORLD_SIZE']} on {socket.gethostname()} {sys.argv[1:]}\\n")
if sys.argv[1:] == ["--bad-rank", rank]:
    raise ValueError(f"rank {rank} is bad")
"""


def open_mpi_job(open_job: OpenJob, tmp_path: Path, *, has_key: bool = True, **hyperparameters: str) -> Hosts:
    from hosts import make_ssh_settings

    job = open_job(2)
    job.ssh_dir = make_ssh_settings(tmp_path / "ssh")
    if not has_key:
        (job.ssh_dir / "sshd_config").write_text("HostKey /etc/ssh/key\nAuthorizedKeysFile none\nUsePAM no\n")
    job.configure(
        sagemaker_program="train.py",
        sagemaker_mpi_enabled="true",
        sagemaker_mpi_num_of_processes_per_host="2",
        **hyperparameters,
    )
    job.code("train.py", RANK)
    return job


@needs_mpi
def test_mpirun_starts_the_program_on_both_hosts_over_ssh(open_job: OpenJob, tmp_path: Path) -> None:
    job = open_mpi_job(open_job, tmp_path, seed="7")
    job.start()

    assert job.wait() == [0, 0], job.logs()
    for rank, host in enumerate(("algo-1", "algo-1", "algo-2", "algo-2")):
        assert f"[1,{rank}]<stdout>:rank {rank} of 4 on {host} ['--seed', '7']" in job[1].log


@needs_mpi
def test_a_failing_process_on_the_other_host_fails_the_leader_with_its_exception(
    open_job: OpenJob, tmp_path: Path
) -> None:
    job = open_mpi_job(open_job, tmp_path, **{"bad-rank": "3"})
    job.start()

    assert job.wait() == [1, 0], job.logs()
    assert 'ErrorMessage "ValueError: rank 3 is bad"' in str(job[1].job.failure)
    assert job[2].job.failure is None
    assert "the host algo-1 has failed, and so the job" in job[2].log


@needs_mpi
def test_a_host_that_lets_nobody_in_is_named(open_job: OpenJob, tmp_path: Path) -> None:
    job = open_mpi_job(open_job, tmp_path, has_key=False)
    job.start()

    assert job.wait() == [1, 0], job.logs()
    assert "error[ssh-login-refused]" in job[1].log
    assert "Permission denied" in str(job[1].job.failure)


@needs_mpi
def test_mpirun_on_one_host_needs_no_ssh(open_job: OpenJob) -> None:
    job = open_job(1)
    job.configure(sagemaker_program="train.py", sagemaker_mpi_enabled="true")
    job.code("train.py", RANK)
    job.start()

    assert job.wait() == [0], job.logs()
    assert "rank 0 of 1 on algo-1" in job[1].log


# --- Dask ------------------------------------------------------------------------------------------------------------

WAITING = """
import distributed

def train(job):
    with distributed.Client() as client:
        print("cluster of", len(client.scheduler_info(n_workers=-1)["workers"]), flush=True)
        job.stopping.wait()
        print("saved with", client.submit(sum, [1, 2]).result(), flush=True)
"""


@pytest.fixture
def waiting_job(open_job: OpenJob) -> Hosts:
    pytest.importorskip("distributed")
    job = open_job(2)
    job.configure()
    for host in job.hosts:
        host.job.write(host.job.work_dir, "seatrial.toml", '[training]\nlauncher = "dask"\n')
        host.job.algorithm(WAITING)
    job.start(TMPDIR=str(job.shared_ml.parent))  # a host that is killed leaves its scratch there
    assert job[1].running
    job[1].running.wait_for_line("cluster of 2")
    return job


def forest_of(job: Hosts) -> Any:
    return pickle.loads((job[1].job.opt_ml.model_dir / "model.pkl").read_bytes())


def test_the_forest_of_three_hosts_with_a_third_of_the_rows_each_is_that_of_one(open_job: OpenJob) -> None:
    pytest.importorskip("distributed")
    ensemble = pytest.importorskip("sklearn.ensemble")
    numpy = pytest.importorskip("numpy")
    job = open_job(3)
    job.configure(n_estimators="30", seed="5")
    lines = IRIS.read_text().splitlines(keepends=True)
    for index, host in enumerate(job.hosts):
        part = "".join(lines[index * 50 : index * 50 + 50])
        host.job.write(host.job.opt_ml.channel_dir("training"), f"part-{index}.csv", part)
    job.start(work_dir=FOREST)

    assert job.wait() == [0, 0, 0], job.logs()
    records = numpy.loadtxt(IRIS, delimiter=",", dtype=str)
    labels, features = records[:, 0], records[:, 1:].astype(float)
    alone = ensemble.RandomForestClassifier(30, random_state=5).fit(features, labels)
    assert "3 hosts hold [1, 1, 1] files" in job[1].log
    assert numpy.array_equal(forest_of(job).predict_proba(features), alone.predict_proba(features))


def test_a_stop_lets_the_leader_finish_with_its_workers(waiting_job: Hosts) -> None:
    for host in waiting_job.hosts:
        host.signal(signal.SIGTERM)

    assert waiting_job.wait() == [0, 0], waiting_job.logs()
    assert "saved with 3" in waiting_job[1].log


def test_a_worker_host_that_is_killed_fails_the_leader(waiting_job: Hosts) -> None:
    waiting_job[2].signal(signal.SIGKILL)

    assert waiting_job[1].wait() == 1, waiting_job.logs()
    assert "the host 'algo-2' has ended without a word" in str(waiting_job[1].job.failure)


def test_a_leader_that_is_killed_ends_its_workers(waiting_job: Hosts) -> None:
    waiting_job[1].signal(signal.SIGKILL)

    assert waiting_job[2].wait() == 1, waiting_job.logs()
    assert waiting_job[2].job.failure is not None


def test_a_launcher_that_the_image_lacks_is_refused_with_what_to_install(open_job: OpenJob) -> None:
    job = open_job(1)
    job.configure(sagemaker_program="train.py", sagemaker_mpi_enabled="true")
    job.code("train.py", RANK)
    empty = job[1].job.work_dir / "bin"
    empty.mkdir()
    for tool in ("sh", "ip", "hostname", "mount"):
        (empty / tool).symlink_to(str(shutil.which(tool)))
    job.start(PATH=str(empty))

    assert job.wait() == [1], job.logs()
    assert "error[launcher-not-installed]" in job[1].log
    assert "apt-get install openmpi-bin" in str(job[1].job.failure)

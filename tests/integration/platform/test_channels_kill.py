"""Pipe mode when something is killed: a reader never takes a cut for the end of its data without the job failing."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.platform.site import Site, wait, wait_for_log
from tests.integration.platform.test_channels import lines
from tests.integration.platform.test_kill import Jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

ENGINES = ["process", pytest.param("docker", marks=pytest.mark.docker)]
DATA = bytes(range(256)) * 20_000
READ = """
cd /opt/ml/input/data
cat > /opt/ml/model/m < /dev/null
{ head -c 100000; echo begun >&2; while [ ! -e go ]; do sleep 0.02; done; cat; } < train_0 | sha256sum
while [ ! -p train_1 ]; do sleep 0.02; done
sha256sum < train_1
sha256sum < files/object
"""
_SOURCE = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/data/"}}
CHANNELS = [
    {"ChannelName": "train", "InputMode": "Pipe", "DataSource": _SOURCE},
    {"ChannelName": "files", "DataSource": _SOURCE},
]
HASH = f"{hashlib.sha256(DATA).hexdigest()}  -"


@pytest.fixture(params=ENGINES)
def jobs(request: pytest.FixtureRequest, site: Site, program: Callable[[str], str]) -> Jobs:
    return Jobs(site, request.param, program)


def begin(jobs: Jobs, script: str = READ) -> None:
    """A job that has read the beginning of its first epoch and waits for ``go``."""
    put_data(jobs.site)
    jobs.create("job", script, InputDataConfig=CHANNELS)
    wait_for_log(jobs.site, "job", "begun")


def put_data(site: Site) -> None:
    s3 = site.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="data/object", Body=DATA)


def feeders_of(site: Site) -> list[int]:
    """The feeder processes of a platform's jobs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            last = process.joinpath("cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode()
            if last.startswith(f"{site.home}/jobs/") and last.endswith("/feeder"):
                found.append(int(process.name))
    return found


def wait_for_feeder(site: Site) -> None:
    """Until it has ended."""
    with contextlib.suppress(FileNotFoundError), (site.home / "jobs/job/feeder/lease").open() as lease:
        fcntl.flock(lease, fcntl.LOCK_SH)


@pytest.mark.parametrize("ends_meanwhile", [True, False])
def test_platform_killed_while_a_channel_is_read_cuts_nothing_off(jobs: Jobs, *, ends_meanwhile: bool) -> None:
    begin(jobs)
    jobs.site.kill()
    assert feeders_of(jobs.site)
    if ends_meanwhile:
        jobs.let_go("job")
        wait_for_feeder(jobs.site)  # it ends with the container, whether a platform comes again or not
        assert not feeders_of(jobs.site)
    jobs.site.up()
    if not ends_meanwhile:
        jobs.let_go("job")
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Completed", job
    assert jobs.lines("job") == ["begun", HASH, HASH, HASH]
    jobs.check_nothing_is_left()
    assert not feeders_of(jobs.site)


@pytest.mark.parametrize("is_platform_there", [True, False])
def test_feeder_that_was_killed_fails_the_job_however_its_container_ends(
    jobs: Jobs, *, is_platform_there: bool
) -> None:
    begin(jobs, READ.replace("while [ ! -p train_1 ]; do sleep 0.02; done\nsha256sum < train_1\n", ""))
    if not is_platform_there:
        jobs.site.kill()
    os.kill(feeders_of(jobs.site)[0], signal.SIGKILL)
    wait_for_feeder(jobs.site)
    jobs.let_go("job")
    if not is_platform_there:
        jobs.site.up()
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Failed", (job, lines(jobs.site, "job"))
    assert "the process that feeds the channels in Pipe mode was killed" in job["FailureReason"]
    jobs.check_nothing_is_left()


def test_stop_ends_a_reader_and_its_feeder(jobs: Jobs) -> None:
    begin(jobs, "trap 'exit 0' TERM; (echo begun; cat) < /opt/ml/input/data/train_0 & wait; sleep 100 & wait")
    jobs.site.client("sagemaker").stop_training_job(TrainingJobName="job")
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Stopped", job
    jobs.check_nothing_is_left()
    assert not feeders_of(jobs.site)


@pytest.mark.parametrize("kill_count", [int(os.environ.get("KILLS", "6"))])
def test_kills_at_any_moment_leave_no_feeder_and_no_wrong_data(jobs: Jobs, kill_count: int) -> None:
    """``KILLS=100`` for a long run."""
    chance = random.Random(4)
    put_data(jobs.site)
    script = (
        "cd /opt/ml/input/data; sha256sum < train_0; while [ ! -p train_1 ]; do sleep 0.02; done; sha256sum < train_1"
    )
    for number in range(kill_count):
        name = f"job-{number}"
        jobs.create(name, script, InputDataConfig=CHANNELS)
        time.sleep(chance.uniform(0, 1.2))
        jobs.site.kill()
        jobs.site.up()
        job = wait(jobs.site, name)

        assert job["TrainingJobStatus"] == "Completed", (number, job.get("FailureReason"), jobs.lines(name))
        assert jobs.lines(name) == [HASH, HASH], number
    jobs.check_nothing_is_left()
    assert not feeders_of(jobs.site)

"""Checkpoints and spot machines: what is restored and synced, and a job that is interrupted, also while we are dead."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.platform.site import LOG_GROUP, Site, create, wait, wait_for_log

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DOCKER_IMAGE = "debian:bookworm-slim"
ENGINES = ["process", pytest.param("docker", marks=pytest.mark.docker)]
SPOT: dict[str, Any] = {
    "EnableManagedSpotTraining": True,
    "CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints/job"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200},
}
RESTARTED = ["Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training"]
ENDED = ["Uploading", "Completed"]

# Multiplies and adds modulo 10007 for 30 steps; state is the checkpoint, renamed into place.
TRAIN = """
ck=/opt/ml/checkpoints
i=0 x=1
if [ -e $ck/state ]; then read i x < $ck/state; echo "resumed=$i"; fi
trap 'echo noticed; exit 0' TERM
while [ $i -lt 30 ]; do
  i=$((i + 1)) x=$(((x * 31 + i) % 10007))
  echo "$i $x" > $ck/new.sagemaker-ignore
  mv $ck/new.sagemaker-ignore $ck/state
  echo "step=$i"
  sleep 0.1
done
echo $x > /opt/ml/model/x
"""


def expected_result() -> str:
    x = 1
    for i in range(1, 31):
        x = (x * 31 + i) % 10007
    return str(x)


class Jobs:
    """Creates shell jobs on one engine."""

    def __init__(self, site: Site, engine: str, program: Callable[[str], str]) -> None:
        self.site = site
        self._engine = engine
        self._program = program

    def create(self, name: str, script: str, **members: Any) -> None:
        definitions = [{"Name": "step", "Regex": "step=([0-9]+)"}, {"Name": "first", "Regex": "first=([0-9]+)"}]
        algorithm: dict[str, Any] = {"TrainingInputMode": "File", "MetricDefinitions": definitions}
        if self._engine == "process":
            algorithm["TrainingImage"] = self._program(f"#!/bin/sh\n{script}")
        else:
            algorithm["TrainingImage"] = DOCKER_IMAGE
            algorithm["ContainerEntrypoint"] = ["/bin/sh", "-c"]
            algorithm["ContainerArguments"] = ['eval "$SCRIPT_0$SCRIPT_1"']  # an argument is short, so is a variable
            members["Environment"] = {"SCRIPT_0": script[:500], "SCRIPT_1": script[500:]}
        create(
            self.site,
            name,
            "",
            AlgorithmSpecification=algorithm,
            **{"OutputDataConfig": {"S3OutputPath": "s3://bucket/out", "CompressionType": "NONE"}, **members},
        )

    def phases(self, name: str) -> list[str]:
        job = self.site.client("sagemaker").describe_training_job(TrainingJobName=name)
        return [one["Status"] for one in job["SecondaryStatusTransitions"]]

    def wait_for_phase(self, name: str, phase: str) -> None:
        while phase not in self.phases(name):
            time.sleep(0.02)

    def streams(self, name: str) -> list[str]:
        found = self.site.client("logs").describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")
        return [one["logStreamName"] for one in found["logStreams"]]

    def text(self, key: str) -> str:
        body: bytes = self.site.client("s3").get_object(Bucket="bucket", Key=key)["Body"].read()
        return body.decode().strip()

    def keys(self, prefix: str) -> list[str]:
        found = self.site.client("s3").list_objects_v2(Bucket="bucket", Prefix=prefix)
        return [one["Key"].removeprefix(prefix) for one in found.get("Contents", ())]

    def interrupt(self, name: str, *options: str) -> None:
        done = self.site.command("interrupt", name, *options)
        assert done.returncode == 0, done.stderr


@pytest.fixture(params=ENGINES)
def jobs(request: pytest.FixtureRequest, site: Site, program: Callable[[str], str]) -> Jobs:
    return Jobs(site, request.param, program)


def test_interrupted_job_resumes_and_ends_with_the_uninterrupted_result(jobs: Jobs) -> None:
    jobs.create("job", TRAIN, **SPOT)
    wait_for_log(jobs.site, "job", "step=8")
    jobs.interrupt("job")
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Completed", job
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]] == [*RESTARTED, *ENDED]
    assert jobs.text("out/job/output/model/x") == expected_result()
    assert len(jobs.streams("job")) == 2
    wait_for_log(jobs.site, "job", "noticed")
    wait_for_log(jobs.site, "job", "resumed=")
    assert jobs.keys("checkpoints/job/") == ["state"]
    assert jobs.text("checkpoints/job/state") == f"30 {expected_result()}"
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] > 0


@pytest.mark.parametrize("moment", ["before", "in-notice", "after"])
def test_interruption_survives_a_killed_platform(jobs: Jobs, moment: str) -> None:
    notice = "echo noticed; while [ ! -e /opt/ml/output/go ]; do sleep 0.02; done; exit 0"
    jobs.create("job", TRAIN.replace("echo noticed; exit 0", notice) if moment == "in-notice" else TRAIN, **SPOT)
    wait_for_log(jobs.site, "job", "step=8")
    if moment == "before":
        jobs.interrupt("job", "--after", "0.5")
        jobs.site.kill()
    elif moment == "in-notice":
        jobs.interrupt("job")
        wait_for_log(jobs.site, "job", "noticed")
        jobs.site.kill()
        (jobs.site.home / "jobs/job/ml/output/go").touch()
    else:
        jobs.interrupt("job")
        wait_for_log(jobs.site, "job", "resumed=")
        jobs.site.kill()
    jobs.site.up()
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Completed", job
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]] == [*RESTARTED, *ENDED]
    assert jobs.text("out/job/output/model/x") == expected_result()


@pytest.mark.parametrize("kill_count", [int(os.environ.get("KILLS", "6"))])
def test_kills_at_any_moment_of_an_interruption_lose_nothing(jobs: Jobs, kill_count: int) -> None:
    """``KILLS=100 make test PYTEST_ARGS="-k any_moment_of_an"`` for a long run."""
    chance = random.Random(11)
    for number in range(kill_count):
        name = f"job-{number}"
        checkpoints = {"CheckpointConfig": {"S3Uri": f"s3://bucket/checkpoints/{name}"}}
        jobs.create(name, TRAIN, **{**SPOT, **checkpoints})
        wait_for_log(jobs.site, name, "step=3")
        jobs.interrupt(name)
        time.sleep(chance.uniform(0, 1.2))
        jobs.site.kill()
        jobs.site.up()
        job = wait(jobs.site, name)

        assert job["TrainingJobStatus"] == "Completed", (number, job)
        assert jobs.text(f"out/{name}/output/model/x") == expected_result(), number
        assert jobs.keys(f"checkpoints/{name}/") == ["state"]


def test_checkpoints_are_restored_synced_and_deleted(jobs: Jobs) -> None:
    script = """
cd /opt/ml/checkpoints/deep
cat old/weights; rm old/weights
echo one > first; echo two > second; echo no > third.sagemaker-ignore
ln -s first link; ln -s /etc/hostname out
while [ ! -e first.sagemaker-uploaded ] || [ -e first.sagemaker-uploading ]; do sleep 0.02; done
rm second; echo changed > first; echo synced
while [ ! -e /opt/ml/output/go ]; do sleep 0.02; done
echo last > third
"""
    s3 = jobs.site.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="ck/old/weights", Body=b"restored\n")
    s3.put_object(Bucket="bucket", Key="ck-2/other", Body=b"of another job")
    config = {"S3Uri": "s3://bucket/ck", "LocalPath": "/opt/ml/checkpoints/deep"}
    jobs.create("job", script, CheckpointConfig=config)
    wait_for_log(jobs.site, "job", "restored")
    wait_for_log(jobs.site, "job", "synced")
    jobs.site.kill()
    (jobs.site.home / "jobs/job/ml/output/go").touch()
    jobs.site.up()
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Completed", job
    assert job["CheckpointConfig"] == config
    assert jobs.keys("ck/") == ["first", "link", "third"]
    assert [jobs.text(f"ck/{name}") for name in ("first", "link", "third")] == ["changed", "changed", "last"]
    assert jobs.keys("ck-2/") == ["other"]
    wait_for_log(jobs.site, "job", "passed over")


def test_stop_in_the_notice_of_an_interruption_ends_the_job(jobs: Jobs) -> None:
    notice = "echo noticed; while [ ! -e /opt/ml/output/go ]; do sleep 0.02; done; echo kept > /opt/ml/model/m; exit 0"
    jobs.create("job", TRAIN.replace("echo noticed; exit 0", notice), **SPOT)
    wait_for_log(jobs.site, "job", "step=2")
    jobs.interrupt("job")
    wait_for_log(jobs.site, "job", "noticed")
    jobs.site.client("sagemaker").stop_training_job(TrainingJobName="job")
    (jobs.site.home / "jobs/job/ml/output/go").touch()
    job = wait(jobs.site, "job")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert jobs.phases("job")[3:] == ["Interrupted", "Stopping", "Uploading", "Stopped"]
    assert jobs.text("out/job/output/model/m") == "kept"


def test_wait_that_is_used_up_stops_the_job_also_after_a_kill(jobs: Jobs) -> None:
    limits = {"MaxRuntimeInSeconds": 4, "MaxWaitTimeInSeconds": 4}
    jobs.create("job", TRAIN.replace("sleep 0.1", "sleep 1"), **{**SPOT, "StoppingCondition": limits})
    wait_for_log(jobs.site, "job", "step=2")
    jobs.site.kill()
    jobs.site.up()
    job = wait(jobs.site, "job")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")


def test_lost_container_is_started_again_with_its_checkpoints(jobs: Jobs) -> None:
    from tests.integration.platform.test_kill import _lose_container

    jobs.create("job", TRAIN, **{**SPOT, "RetryStrategy": {"MaximumRetryAttempts": 1}})
    wait_for_log(jobs.site, "job", "step=8")
    jobs.site.kill()
    _lose_container(jobs.site.home / "jobs/job/container")
    jobs.site.up()
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Completed", job
    assert "Restarting" in jobs.phases("job")
    wait_for_log(jobs.site, "job", "resumed=")
    assert jobs.text("out/job/output/model/x") == expected_result()

"""A platform that is killed loses no job: the next one finds the container and brings the job to its end."""

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.integration.platform.site import LOG_GROUP, Site, create, wait, wait_for_log

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DOCKER_IMAGE = "debian:bookworm-slim"
ENGINES = ["process", pytest.param("docker", marks=pytest.mark.docker)]

COUNT_AND_WAIT = """
ml=/opt/ml
trap 'echo stopped; echo kept > $ml/model/m; exit 0' TERM
for i in 1 2 3 4 5; do echo "step=$i"; done
while [ ! -e $ml/input/data/go ]; do sleep 0.02; done
for i in 6 7 8 9 10; do echo "step=$i"; done
echo result > $ml/model/m
"""
STEPS = [f"step={number}" for number in range(1, 11)]


class Jobs:
    """Creates shell jobs on one engine."""

    def __init__(self, site: Site, engine: str, program: Callable[[str], str]) -> None:
        self.site = site
        self._engine = engine
        self._program = program

    def create(self, name: str, script: str, **members: Any) -> None:
        definitions = [{"Name": "step", "Regex": "step=([0-9]+)"}]
        algorithm: dict[str, Any] = {"TrainingInputMode": "File", "MetricDefinitions": definitions}
        if self._engine == "process":
            algorithm["TrainingImage"] = self._program(f"#!/bin/sh\n{script}")
        else:
            algorithm["TrainingImage"] = DOCKER_IMAGE
            algorithm["ContainerEntrypoint"] = ["/bin/sh", "-c"]
            algorithm["ContainerArguments"] = ['eval "$SCRIPT"']  # an argument is short
            members["Environment"] = {"SCRIPT": script}
        create(self.site, name, "", AlgorithmSpecification=algorithm, **members)

    def let_go(self, name: str) -> None:
        (self.site.home / "jobs" / name / "ml/input/data/go").touch()

    def lines(self, name: str) -> list[str]:
        logs = self.site.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")
        return [
            event["message"]
            for page in pages
            for event in page["events"]
            if not event["message"].startswith("seatrial: ")
        ]

    def check_nothing_is_left(self) -> None:
        """No directory, and no container."""
        deadline = time.monotonic() + 30
        while any((self.site.home / "jobs").iterdir()):
            assert time.monotonic() < deadline, list((self.site.home / "jobs").iterdir())
            time.sleep(0.02)
        if self._engine == "docker":
            label = f"seatrial.platform={(self.site.home / 'id').read_text()}"
            with contextlib.closing(docker.from_env()) as client:
                assert client.containers.list(all=True, filters={"label": label}) == []


@pytest.fixture(params=ENGINES)
def jobs(request: pytest.FixtureRequest, site: Site, program: Callable[[str], str]) -> Jobs:
    return Jobs(site, request.param, program)


@pytest.mark.parametrize("ends_meanwhile", [True, False])
def test_running_job_is_found_again(jobs: Jobs, *, ends_meanwhile: bool) -> None:
    jobs.create("job", COUNT_AND_WAIT)
    wait_for_log(jobs.site, "job", "step=5")
    jobs.site.kill()
    if ends_meanwhile:
        jobs.let_go("job")
    jobs.site.up()
    if not ends_meanwhile:
        jobs.let_go("job")
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Completed", job
    phases = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert phases == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert jobs.lines("job") == STEPS
    assert [(one["MetricName"], one["Value"]) for one in job["FinalMetricDataList"]] == [("step", 10.0)]
    assert jobs.site.client("s3").head_object(Bucket="bucket", Key="out/job/output/model.tar.gz")
    jobs.check_nothing_is_left()


def test_job_that_was_being_stopped_is_stopped(jobs: Jobs) -> None:
    jobs.create(
        "job", COUNT_AND_WAIT.replace("exit 0'", "while [ ! -e $ml/input/data/go ]; do sleep 0.02; done; exit 0'")
    )
    wait_for_log(jobs.site, "job", "step=5")
    jobs.site.client("sagemaker").stop_training_job(TrainingJobName="job")
    wait_for_log(jobs.site, "job", "stopped")
    jobs.site.kill()
    jobs.let_go("job")
    jobs.site.up()
    job = wait(jobs.site, "job")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert jobs.lines("job") == [*STEPS[:5], "stopped"]
    assert jobs.site.client("s3").head_object(Bucket="bucket", Key="out/job/output/model.tar.gz")
    jobs.check_nothing_is_left()


def test_time_in_which_the_platform_was_dead_counts(jobs: Jobs) -> None:
    jobs.create("job", COUNT_AND_WAIT, StoppingCondition={"MaxRuntimeInSeconds": 3})
    wait_for_log(jobs.site, "job", "step=5")
    jobs.site.kill()
    jobs.site.up()
    job = wait(jobs.site, "job")

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    began = {one["Status"]: one["StartTime"] for one in job["SecondaryStatusTransitions"]}
    assert 2.5 < (began["Stopping"] - began["Training"]).total_seconds() < 10
    jobs.check_nothing_is_left()


def test_container_that_somebody_removed_fails_the_job_with_that_reason(jobs: Jobs) -> None:
    jobs.create("job", COUNT_AND_WAIT)
    wait_for_log(jobs.site, "job", "step=5")
    jobs.site.kill()
    keep = jobs.site.home / "jobs/job/container"
    _lose_container(keep)
    jobs.site.up()
    job = wait(jobs.site, "job")

    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
    assert jobs.lines("job")[:5] == STEPS[:5]
    jobs.check_nothing_is_left()


@pytest.mark.parametrize("kill_count", [12])
def test_kills_at_any_moment_lose_no_job(jobs: Jobs, tmp_path: Path, kill_count: int) -> None:
    """``KILLS=100 make test PYTEST_ARGS="-k any_moment"`` for a long run."""
    chance = random.Random(7)
    script = 'for i in 1 2 3 4 5 6 7 8 9 10; do echo "step=$i"; sleep 0.03; done; echo result > /opt/ml/model/m'
    for number in range(kill_count):
        name = f"job-{number}"
        jobs.create(name, script)
        time.sleep(chance.uniform(0, 0.8))
        jobs.site.kill()
        jobs.site.up()
        job = wait(jobs.site, name)

        assert job["TrainingJobStatus"] == "Completed", (number, job)
        assert jobs.lines(name) == STEPS, number
        assert job["FinalMetricDataList"][0]["Value"] == 10.0
    jobs.check_nothing_is_left()


def _lose_container(keep: Path) -> None:
    """Kill what holds the container, as a restart of the machine does."""
    if (keep / "container.json").exists():
        import json

        with contextlib.closing(docker.from_env()) as client:
            client.api.remove_container(json.loads((keep / "container.json").read_text())["id"], force=True)
        return
    import os
    import signal

    lease = os.stat(keep / "lease").st_ino
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.stat(fd).st_ino == lease for fd in (process / "fd").iterdir()):
                os.kill(int(process.name), signal.SIGKILL)

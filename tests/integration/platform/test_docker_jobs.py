"""Training jobs in Docker containers, through the platform."""

import contextlib
import json
import os
import signal
import time

import docker
import pytest
from tests.integration.platform.site import Site, create, wait, wait_for_log

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(120)]

IMAGE = "debian:bookworm-slim"


def create_shell_job(site: Site, name: str, script: str) -> None:
    """A job whose image is nothing but a shell."""
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c"],
        "ContainerArguments": [script],
    }
    create(site, name, IMAGE, AlgorithmSpecification=algorithm)


def test_job_in_an_image_leaves_its_model_and_log(site: Site) -> None:
    create_shell_job(site, "shell", "cat /opt/ml/input/config/resourceconfig.json && echo 1 > /opt/ml/model/m")
    job = wait(site, "shell")

    assert job["TrainingJobStatus"] == "Completed", job
    assert site.client("s3").head_object(Bucket="bucket", Key="out/shell/output/model.tar.gz")
    wait_for_log(site, "shell", "current_host")


def test_containers_of_a_killed_platform_are_gone_when_the_next_one_answers(site: Site) -> None:
    create_shell_job(site, "lost", "echo ready; sleep 1000")
    wait_for_log(site, "lost", "ready")
    platform_id = (site.home / "id").read_text()
    with contextlib.closing(docker.from_env()) as client:
        ours = {"label": f"seatrial.platform={platform_id}"}
        assert len(client.containers.list(filters=ours)) == 1
        os.kill(json.loads((site.home / "platform.json").read_text())["pid"], signal.SIGKILL)
        while site.command("status").returncode == 0:
            time.sleep(0.05)
        assert len(client.containers.list(filters=ours)) == 1
        site.up()
        assert client.containers.list(all=True, filters=ours) == []

    assert wait(site, "lost")["TrainingJobStatus"] == "Failed"
    assert not (site.home / "jobs" / "lost").exists()

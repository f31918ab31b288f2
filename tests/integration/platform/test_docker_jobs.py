"""Training jobs in Docker containers, through the platform."""

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

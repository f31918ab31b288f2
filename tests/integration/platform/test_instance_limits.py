"""An instance type's size is the container's, and what it lacks is AWS's error."""

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.integration.platform.site import Site, create, wait, wait_for_log

from seatrial.contract.failure import OUT_OF_MEMORY_REASON
from seatrial.engines.base import Engine, ResourceLimits
from seatrial.engines.docker import DockerEngine
from seatrial.engines.process import ProcessEngine
from seatrial.platform.jobs.instance_limits import this_machine
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
GPU = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
NO_GPU = pytest.mark.skipif(this_machine().has_accelerator_of("ml.p3.2xlarge"), reason="this machine has a GPU")
EATER = "x=$(head -c 200m /dev/zero | tr '\\0' x); echo \"has ${#x}\""


@pytest.mark.parametrize("engine", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_container_that_takes_more_than_its_machine_fails_with_that_reason(
    engine: str, program: Callable[[str], str], tmp_path: Path
) -> None:
    runs: Engine = ProcessEngine() if engine == "process" else DockerEngine()
    image = program(f"#!/bin/sh\n{EATER}\n") if engine == "process" else "debian:bookworm-slim"
    request = TrainingRequest(
        training_job_name="job",
        image=image,
        entrypoint=None if engine == "process" else ("/bin/sh", "-c", EATER),
        output_dir=tmp_path / "out",
        limits=ResourceLimits(memory_bytes=64 << 20),
    )
    (tmp_path / "work").mkdir()
    lines: list[str] = []
    result = TrainingJob(runs, request, on_phase=lambda _: None, on_line=lines.append).run(tmp_path / "work")

    assert result.failure_reason == OUT_OF_MEMORY_REASON, (result, lines)


def test_type_that_is_bigger_than_any_machine_here_is_told_once(site: Site, program: Callable[[str], str]) -> None:
    resources = {"InstanceType": "ml.r8i.96xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    create(site, "big", program("#!/bin/sh\necho ran\n"), ResourceConfig=resources)

    assert wait(site, "big")["TrainingJobStatus"] == "Completed"
    wait_for_log(site, "big", "seatrial: ml.r8i.96xlarge has 384 vCPU, 3072 GiB, this machine")


@NO_GPU
def test_gpu_type_is_refused_where_there_is_none(site: Site, program: Callable[[str], str]) -> None:
    with pytest.raises(ClientError, match="This machine has no GPU") as caught:
        create(site, "gpu", program("#!/bin/sh\n"), ResourceConfig=GPU)

    assert caught.value.response["Error"]["Code"] == "ResourceLimitExceeded"


@NO_GPU
def test_gpu_type_is_a_name_only_without_instance_limits(site: Site, program: Callable[[str], str]) -> None:
    assert site.command("down").returncode == 0
    site.up("--no-instance-limits")
    config = "cat /opt/ml/input/config/resourceconfig.json\n"
    create(site, "gpu", program(f"#!/bin/sh\n{config}"), ResourceConfig=GPU)

    assert wait(site, "gpu")["TrainingJobStatus"] == "Completed"
    wait_for_log(site, "gpu", "ml.p3.2xlarge")

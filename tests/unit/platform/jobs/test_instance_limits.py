"""What an instance type means on a machine."""

from pathlib import Path

from seatrial.contract.instance_types import GIB, Accelerator
from seatrial.engines.base import ResourceLimits
from seatrial.platform.jobs.instance_limits import Machine, limits_of, this_machine

SMALL = Machine(cpu_count=4, memory_bytes=12 * GIB)
WITH_GPU = Machine(cpu_count=64, memory_bytes=512 * GIB, accelerator_counts={Accelerator.GPU: 1})


def test_type_that_is_smaller_than_the_machine_is_its_limit() -> None:
    found = limits_of("ml.m5.large", SMALL)
    assert (found.limits, found.notices) == (ResourceLimits(cpu_count=2, memory_bytes=8 * GIB), ())


def test_type_that_is_bigger_has_the_machine_and_says_so() -> None:
    found = limits_of("ml.c5.xlarge", SMALL)
    assert found.limits == ResourceLimits(memory_bytes=8 * GIB)
    assert found.notices == ()
    found = limits_of("ml.m5.2xlarge", SMALL)
    assert found.limits == ResourceLimits()
    assert found.notices == (
        "ml.m5.2xlarge has 8 vCPU, 32 GiB, this machine 4 vCPU, 12.0 GiB: the container has those",
    )


def test_type_of_unknown_size_has_no_limits_and_says_so() -> None:
    found = limits_of("ml.g7.2xlarge", WITH_GPU)
    assert found.limits == ResourceLimits(has_gpus=True)
    assert "not known" in found.notices[0]


def test_gpus_of_the_machine_are_given_and_their_number_is_told() -> None:
    assert limits_of("ml.g5.xlarge", WITH_GPU).limits.has_gpus
    assert limits_of("ml.g5.xlarge", WITH_GPU).notices == ()
    assert "4 GPUs, this machine 1 GPUs" in limits_of("ml.g5.12xlarge", WITH_GPU).notices[0]


def test_accelerators_are_found_by_their_devices(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "null"):
        (tmp_path / name).touch()
    machine = this_machine(tmp_path)

    assert machine.accelerator_counts == {Accelerator.GPU: 2, Accelerator.NEURON: 0}
    assert machine.has_accelerator_of("ml.p3.2xlarge")
    assert machine.has_accelerator_of("ml.m5.large")
    assert not machine.has_accelerator_of("ml.trn1.2xlarge")
    assert machine.cpu_count >= 1

"""The table of instance types."""

import botocore.session
import pytest

from seatrial.contract.instance_types import Accelerator, InstanceSize, find_accelerator, find_size

UNKNOWN_FAMILIES = ("ml.g7.", "ml.g7e.")


@pytest.mark.parametrize(
    ("instance_type", "size"),
    [
        ("ml.m5.large", InstanceSize(2, 8)),
        ("ml.m5.24xlarge", InstanceSize(96, 384)),
        ("ml.m4.10xlarge", InstanceSize(40, 160)),
        ("ml.c5.xlarge", InstanceSize(4, 8)),
        ("ml.c4.8xlarge", InstanceSize(36, 60)),
        ("ml.r5.2xlarge", InstanceSize(8, 64)),
        ("ml.t3.medium", InstanceSize(2, 4)),
        ("ml.g4dn.12xlarge", InstanceSize(48, 192, 4)),
        ("ml.g6e.xlarge", InstanceSize(4, 32, 1)),
        ("ml.p3.8xlarge", InstanceSize(32, 244, 4)),
        ("ml.trn1.32xlarge", InstanceSize(128, 512, 16)),
    ],
)
def test_size_of_a_known_type(instance_type: str, size: InstanceSize) -> None:
    assert find_size(instance_type) == size


@pytest.mark.parametrize(
    "text", ["", "m5.large", "ml.m5", "ml.m5.medium", "ml.m5.2large", "ml.t3.24xlarge", "ml.x.large"]
)
def test_size_of_an_unknown_type(text: str) -> None:
    assert find_size(text) is None


def test_every_type_that_the_model_allows_is_known_or_told() -> None:
    shape = botocore.session.Session().get_service_model("sagemaker").shape_for("TrainingInstanceType")
    unknown = [one for one in shape.enum if find_size(one) is None and not one.startswith(UNKNOWN_FAMILIES)]

    assert unknown == []
    for one in shape.enum:
        size = find_size(one)
        if size is not None:
            assert (size.accelerator_count > 0) is (find_accelerator(one) is not None), one


@pytest.mark.parametrize(
    ("instance_type", "accelerator"),
    [
        ("ml.g7.2xlarge", Accelerator.GPU),
        ("ml.p6-b200.48xlarge", Accelerator.GPU),
        ("ml.trn2.48xlarge", Accelerator.NEURON),
        ("ml.m5.large", None),
    ],
)
def test_accelerator_of_a_family(instance_type: str, accelerator: Accelerator | None) -> None:
    assert find_accelerator(instance_type) is accelerator

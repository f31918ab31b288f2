"""The page of supported operations, drawn from what the door goes by."""

from __future__ import annotations

import operations_tables

from seatrial.platform.services.declarations import DECLARATIONS
from seatrial.platform.wire.operations import Declaration

CREATE = Declaration(
    service="sagemaker",
    operation="CreateTrainingJob",
    acted_on=("TrainingJobName", "ResourceConfig.InstanceCount"),
    only={"ResourceConfig.InstanceCount": (1, 2), "EnableManagedSpotTraining": (False,)},
    echoed=("VpcConfig",),
    no_effect=("RoleArn",),
    refused={"ServerlessJobConfig": "no containers are run", "RetryStrategy": "", "EnableManagedSpotTraining": ""},
    note="Runs the container.",
)


def test_page_has_a_section_for_every_operation() -> None:
    page = operations_tables.page_of_operations()

    for declarations in DECLARATIONS.values():
        for operation in declarations:
            assert f"\n### {operation}\n" in page


def test_section_tells_what_becomes_of_every_member() -> None:
    section = operations_tables.section_of_operation(CREATE)

    assert section.startswith("### CreateTrainingJob\n\nRuns the container.\n")
    for row in (
        "| `TrainingJobName` | acted on |",
        "| `ResourceConfig` | in part, see below |",
        "| `ResourceConfig.InstanceCount` | acted on: `1`, `2` only, the rest is refused |",
        "| `VpcConfig` | echoed |",
        "| `RoleArn` | no effect |",
        "| `ServerlessJobConfig` | refused: no containers are run |",
        "| `RetryStrategy` | refused |",
        "| `EnableManagedSpotTraining` | refused, but for `False` |",
        "| `HyperParameters` | undeclared |",
    ):
        assert f"{row}\n" in section


def test_section_of_a_refused_operation_says_why() -> None:
    refused = Declaration(service="logs", operation="StartLiveTail", refused={"": "read on"})

    assert operations_tables.section_of_operation(refused) == "### StartLiveTail\n\nRefused: read on.\n"


def test_page_has_no_undeclared_member() -> None:
    assert "undeclared" not in operations_tables.page_of_operations()


def test_section_of_s3_has_every_route_and_header() -> None:
    section = operations_tables.section_of_s3()

    assert "| bucket | `tagging` | DELETE, GET, PUT |\n" in section
    assert "| object |  | DELETE, GET, HEAD, PUT |\n" in section
    assert "| `x-amz-storage-class` | echoed |\n" in section
    assert "| `x-amz-meta-…` | acted on |\n" in section
    assert "| `x-amz-object-lock-…` | refused |\n" in section

"""What becomes of a member: for the log, and on the reference page."""

from __future__ import annotations

import pytest

from seatrial.core.errors import InternalError
from seatrial.platform.wire.operations import (
    Declaration,
    Use,
    check_declaration,
    member_paths,
    members_without_effect,
    render_supported_operations,
)

CREATE = Declaration(
    service="sagemaker",
    operation="CreateTrainingJob",
    acted_on=frozenset(
        {"TrainingJobName", "HyperParameters", "ResourceConfig.InstanceCount", "InputDataConfig[].ChannelName"}
    ),
    echoed=frozenset({"Tags", "ResourceConfig.VolumeSizeInGB"}),
    refused={"ServerlessJobConfig": "no containers are run"},
    note="Runs the container.",
)


@pytest.mark.parametrize(
    ("path", "use"),
    [
        ("TrainingJobName", Use.ACTED_ON),
        ("HyperParameters.alpha", Use.ACTED_ON),
        ("Tags[].Key", Use.ECHOED),
        ("ResourceConfig.InstanceCount", Use.ACTED_ON),
        ("ResourceConfig.InstanceType", Use.IGNORED),
        ("ResourceConfig", Use.IGNORED),
        ("ServerlessJobConfig.JobType", Use.REFUSED),
    ],
)
def test_use_of(path: str, use: Use) -> None:
    assert CREATE.use_of(path) is use


def test_members_without_effect_names_the_shortest_paths_once() -> None:
    parameters = {
        "TrainingJobName": "job",
        "HyperParameters": {"alpha": "1"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        "InputDataConfig": [{"ChannelName": "a", "ContentType": "b"}, {"ChannelName": "b", "ContentType": "b"}],
        "VpcConfig": {"Subnets": ["a"], "SecurityGroupIds": ["b"]},
        "ServerlessJobConfig": {"JobType": "x"},
    }

    assert members_without_effect(CREATE, parameters) == (
        "InputDataConfig[].ContentType",
        "ResourceConfig.InstanceType",
        "VpcConfig",
    )


def test_check_declaration_accepts_members_of_the_model() -> None:
    check_declaration(CREATE)
    assert "InputDataConfig[].DataSource.S3DataSource.S3Uri" in member_paths("sagemaker", "CreateTrainingJob")


@pytest.mark.parametrize(
    "declaration",
    [
        Declaration(service="sagemaker", operation="CreateTrainingJob", acted_on=frozenset({"JobName"})),
        Declaration(
            service="sagemaker",
            operation="StopTrainingJob",
            acted_on=frozenset({"TrainingJobName"}),
            refused={"TrainingJobName": "x"},
        ),
        Declaration(service="sagemaker", operation="NoSuchOperation", echoed=frozenset({"Name"})),
    ],
)
def test_check_declaration_refuses_what_the_model_does_not_have(declaration: Declaration) -> None:
    with pytest.raises(InternalError, match="declared"):
        check_declaration(declaration)


def test_render_supported_operations_has_a_row_for_every_member() -> None:
    page = render_supported_operations([CREATE, Declaration(service="sts", operation="GetCallerIdentity")])

    assert "## sagemaker\n\n1 of " in page
    assert "Runs the container." in page
    assert "| `HyperParameters` | acted on |" in page
    assert "| `Tags` | echoed |" in page
    assert "| `ServerlessJobConfig` | refused: no containers are run |" in page
    assert "| `ResourceConfig` | in part, see below |" in page
    assert "| `ResourceConfig.InstanceCount` | acted on |" in page
    assert "| `VpcConfig` | no effect |" in page
    assert "### GetCallerIdentity\n\nIt takes no members." in page

"""What becomes of a member, by what its operation declares."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.core.errors import InternalError
from seatrial.platform.wire.operations import (
    WHOLE,
    Declaration,
    Use,
    asks_for_nothing,
    check_declaration,
    member_paths,
    members_not_acted_on,
    render_without_effect,
    undeclared_members,
)

CREATE = Declaration(
    service="sagemaker",
    operation="CreateTrainingJob",
    acted_on=(
        "TrainingJobName",
        "HyperParameters",
        "ResourceConfig.InstanceCount",
        "InputDataConfig[].ChannelName",
        "InputDataConfig[].InputMode",
    ),
    echoed=("VpcConfig", "ResourceConfig.VolumeSizeInGB", "DebugHookConfig"),
    no_effect=("RoleArn",),
    refused={
        "ServerlessJobConfig": "no containers are run",
        "DebugHookConfig.LocalPath": "",
        "ResourceConfig.KeepAlivePeriodInSeconds": "",
        "EnableManagedSpotTraining": "",
    },
    only={
        "InputDataConfig[].InputMode": ("File",),
        "ResourceConfig.InstanceCount": (1,),
        "ResourceConfig.KeepAlivePeriodInSeconds": (0,),
    },
)


@pytest.mark.parametrize(
    ("path", "use"),
    [
        ("TrainingJobName", Use.ACTED_ON),
        ("HyperParameters.alpha", Use.ACTED_ON),
        ("VpcConfig.Subnets[]", Use.ECHOED),
        ("RoleArn", Use.NO_EFFECT),
        ("ResourceConfig.InstanceCount", Use.ACTED_ON),
        ("ResourceConfig.InstanceType", Use.UNDECLARED),
        ("ResourceConfig", Use.UNDECLARED),
        ("ServerlessJobConfig.JobType", Use.REFUSED),
        ("DebugHookConfig.LocalPath", Use.REFUSED),
        ("DebugHookConfig.S3OutputPath", Use.ECHOED),
    ],
)
def test_use_of(path: str, use: Use) -> None:
    assert CREATE.use_of(path) is use


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"TrainingJobName": "job", "HyperParameters": {"alpha": "1"}}, []),
        ({"VpcConfig": {"Subnets": ["a"], "SecurityGroupIds": ["b"]}}, [("VpcConfig", Use.ECHOED)]),
        ({"RoleArn": "arn"}, [("RoleArn", Use.NO_EFFECT)]),
        ({"ServerlessJobConfig": {"JobType": "x"}}, [("ServerlessJobConfig", Use.REFUSED)]),
        ({"ServerlessJobConfig": {"AcceptEula": False}}, []),
        ({"EnableManagedSpotTraining": False}, []),
        ({"EnableManagedSpotTraining": True}, [("EnableManagedSpotTraining", Use.REFUSED)]),
        ({"ResourceConfig": {"InstanceCount": 1, "KeepAlivePeriodInSeconds": 0}}, []),
        ({"ResourceConfig": {"InstanceCount": 2}}, [("ResourceConfig.InstanceCount", Use.REFUSED)]),
        (
            {"ResourceConfig": {"KeepAlivePeriodInSeconds": 60}},
            [("ResourceConfig.KeepAlivePeriodInSeconds", Use.REFUSED)],
        ),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large"}}, [("ResourceConfig.InstanceType", Use.UNDECLARED)]),
        ({"Brand": {"New": False}}, [("Brand", Use.UNDECLARED)]),
        (
            {"InputDataConfig": [{"ChannelName": "a", "InputMode": "File"}, {"InputMode": "Pipe"}]},
            [("InputDataConfig[1].InputMode", Use.REFUSED)],
        ),
        (
            {"DebugHookConfig": {"S3OutputPath": "s3://b", "LocalPath": "/x"}},
            [("DebugHookConfig.S3OutputPath", Use.ECHOED), ("DebugHookConfig.LocalPath", Use.REFUSED)],
        ),
    ],
)
def test_members_not_acted_on(parameters: dict[str, Any], expected: list[tuple[str, Use]]) -> None:
    assert [(found.place, found.use) for found in members_not_acted_on(CREATE, parameters)] == expected


def test_members_not_acted_on_of_a_refused_operation_is_the_whole_request() -> None:
    refused = Declaration(service="logs", operation="StartLiveTail", refused={WHOLE: "read on"})

    assert [found.use for found in members_not_acted_on(refused, {})] == [Use.REFUSED]


def test_render_without_effect_names_the_declared_path() -> None:
    parameters = {"DebugHookConfig": {"S3OutputPath": "s3://b"}, "RoleArn": "arn"}

    assert [render_without_effect(CREATE, found) for found in members_not_acted_on(CREATE, parameters)] == [
        "DebugHookConfig of CreateTrainingJob is kept and given back, nothing acts on it",
        "RoleArn of CreateTrainingJob has no effect here",
    ]


@pytest.mark.parametrize("value", [None, False, "", [], {}, [False], {"a": {"b": [""]}}])
def test_asks_for_nothing(value: Any) -> None:
    assert asks_for_nothing(value)


@pytest.mark.parametrize("value", [0, 0.0, True, "no", [1], {"a": {"b": 0}}])
def test_asks_for_something(value: Any) -> None:
    assert not asks_for_nothing(value)


def test_check_declaration_accepts_members_of_the_model() -> None:
    check_declaration(CREATE)
    assert "InputDataConfig[].DataSource.S3DataSource.S3Uri" in member_paths("sagemaker", "CreateTrainingJob")


@pytest.mark.parametrize(
    "wrong",
    [
        {"acted_on": ("JobName",)},
        {"acted_on": ("TrainingJobName",), "refused": {"TrainingJobName": "x"}},
        {"acted_on": ("ResourceConfig",)},
        {"acted_on": ("Tags",)},
        {"only": {"RoleArn": ("a",)}},
    ],
)
def test_check_declaration_refuses_what_does_not_fit_the_model(wrong: dict[str, Any]) -> None:
    with pytest.raises(InternalError, match="declared"):
        check_declaration(Declaration(service="sagemaker", operation="CreateTrainingJob", **wrong))


def test_undeclared_members_are_the_leaves_of_the_model_that_are_forgotten() -> None:
    whole = Declaration(service="sagemaker", operation="AddTags", acted_on=("ResourceArn", "Tags[].Key"))

    assert undeclared_members(whole) == ("Tags[].Value",)

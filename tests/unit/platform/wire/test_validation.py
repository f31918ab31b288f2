"""The model's constraints in AWS's wording. The texts are those of contract.md §6.3 and of public issues."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.unit.platform.wire.shape_values import Values

from seatrial.platform.wire import models, validation
from seatrial.platform.wire.errors import ServiceError

NAME_PATTERN = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
JOB: dict[str, Any] = {
    "TrainingJobName": "job-1",
    "RoleArn": "arn:aws:iam::111122223333:role/service-role/SageMaker",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
}


def violations(changes: dict[str, Any], operation: str = "CreateTrainingJob", service: str = "sagemaker") -> list[str]:
    model = models.find_operation(service, operation)
    assert model is not None
    parameters = JOB | changes if operation == "CreateTrainingJob" else changes
    return validation.find_violations(model, {name: value for name, value in parameters.items() if value is not None})


def test_validate_accepts_a_right_request() -> None:
    assert violations({"HyperParameters": {"alpha": "0.1"}, "Tags": [{"Key": "team", "Value": ""}]}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"TrainingJobName": None},
            "Value null at 'trainingJobName' failed to satisfy constraint: Member must not be null",
        ),
        (
            {"TrainingJobName": "my_job"},
            "Value 'my_job' at 'trainingJobName' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {NAME_PATTERN}",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.huge", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "Value 'ml.huge' at 'resourceConfig.instanceType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ml.",
        ),
        (
            {"ResourceConfig": {"InstanceCount": -1}},
            "Value '-1' at 'resourceConfig.instanceCount' failed to satisfy constraint: "
            "Member must have value greater than or equal to 0",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 0}},
            "Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            {"InputDataConfig": [{"ChannelName": "a b", "DataSource": {}}]},
            "Value 'a b' at 'inputDataConfig.1.member.channelName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [A-Za-z0-9\\.\\-_]+",
        ),
        (
            {"InputDataConfig": [{"ChannelName": "a", "DataSource": {}}, {"ChannelName": "b"}]},
            "Value null at 'inputDataConfig.2.member.dataSource' failed to satisfy constraint: Member must not be null",
        ),
        (
            {"HyperParameters": {"alpha": "x" * 2501}},
            f"Value '{{alpha={'x' * 2501}}}' at 'hyperParameters' failed to satisfy constraint: Map value must satisfy "
            "constraint: [Member must have length less than or equal to 2500, Member must have length greater than or "
            "equal to 0, Member must satisfy regular expression pattern: .*]",
        ),
        (
            {"HyperParameters": {"k" * 257: "1"}},
            f"Value '{{{'k' * 257}=1}}' at 'hyperParameters' failed to satisfy constraint: Map keys must satisfy "
            "constraint: [Member must have length less than or equal to 256, Member must have length greater than or "
            "equal to 0, Member must satisfy regular expression pattern: .*]",
        ),
        (
            {"HyperParameters": {f"k{number}": "1" for number in range(101)}},
            f"Value '{{{', '.join(f'k{number}=1' for number in range(101))}}}' at 'hyperParameters' failed to satisfy "
            "constraint: Member must have length less than or equal to 100",
        ),
        (
            {"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["not a subnet"]}},
            "Value '[not a subnet]' at 'vpcConfig.subnets' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must have length less than or equal to 32, Member must have length greater than or "
            "equal to 0, Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]",
        ),
        (
            {"VpcConfig": {"SecurityGroupIds": [], "Subnets": ["subnet-1"]}},
            "Value '[]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            {"HyperParameters": {"alpha": None}},
            "Value '{alpha=null}' at 'hyperParameters' failed to satisfy constraint: Map value must satisfy "
            "constraint: [Member must not be null]",
        ),
        (
            {"Tags": [{"Key": "a;b", "Value": "c"}]},
            "Value 'a;b' at 'tags.1.member.key' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)",
        ),
    ],
)
def test_find_violations_words_as_aws(changes: dict[str, Any], expected: str) -> None:
    found = violations(changes)

    assert len(found) == 1
    assert found[0].startswith(expected)
    if not expected.endswith("[ml."):
        assert found[0] == expected


def test_validate_several_errors_are_counted_and_joined_in_the_order_of_the_model() -> None:
    model = models.find_operation("sagemaker", "CreateTrainingJob")
    assert model is not None
    with pytest.raises(ServiceError) as caught:
        validation.validate(model, {"OutputDataConfig": {}, "TrainingJobName": "_" * 64})

    name = "Value '" + "_" * 64 + "' at 'trainingJobName' failed to satisfy constraint: "
    assert caught.value.code == "ValidationException"
    assert caught.value.message == (
        f"4 validation errors detected: {name}Member must have length less than or equal to 63; "
        f"{name}Member must satisfy regular expression pattern: {NAME_PATTERN}; "
        "Value null at 'roleArn' failed to satisfy constraint: Member must not be null; "
        "Value null at 'outputDataConfig.s3OutputPath' failed to satisfy constraint: Member must not be null"
    )


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("sagemaker", "ListTrainingJobs", {"MaxResults": 101}, "ValidationException"),
        ("sagemaker", "ListTags", {"ResourceArn": "arn:aws:x", "MaxResults": 49}, "ValidationException"),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "-"}, "ValidationError"),
        ("logs", "GetLogEvents", {"logStreamName": "a:b"}, "InvalidParameterException"),
        ("sts", "AssumeRole", {"RoleArn": "short", "RoleSessionName": "a b"}, "ValidationError"),
        ("iam", "GetRole", {"RoleName": "a b"}, "ValidationError"),
    ],
)
def test_validate_gives_the_code_of_the_service(
    service: str, operation: str, parameters: dict[str, Any], code: str
) -> None:
    model = models.find_operation(service, operation)
    assert model is not None

    with pytest.raises(ServiceError) as caught:
        validation.validate(model, parameters)

    assert caught.value.code == code


def test_find_violations_union_takes_exactly_one_member() -> None:
    model = models.service_model("sagemaker")
    union = next(
        shape for shape in map(model.shape_for, sorted(model.shape_names)) if getattr(shape, "is_tagged_union", False)
    )
    first = Values(1, is_full=False).value(union)

    assert [path for path, _, _ in validation._check_structure(union, first, "union")] == [
        path for path, _, _ in validation._check_structure(union, first, "union") if path != "union"
    ]
    found = list(validation._check_structure(union, {}, "union"))
    assert found[0][2].startswith("Member must have exactly one of [")


def test_string_length_counts_as_java_does() -> None:
    job = violations({"HyperParameters": {"a": "\U0001d11e" * 1250}})
    too_long = violations({"HyperParameters": {"a": "\U0001d11e" * 1251}})

    assert (len(job), len(too_long)) == (0, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ([1, "a", None], "[1, a, null]"),
        ({"a": 1, "b": [True]}, "{a=1, b=[true]}"),
        (b"ab", "java.nio.HeapByteBuffer[pos=0 lim=2 cap=2]"),
        (1.5, "1.5"),
    ],
)
def test_render_java(value: Any, text: str) -> None:
    assert validation.render_java(value) == text


@pytest.mark.slow
@pytest.mark.parametrize("service", ["sagemaker", "sagemaker-runtime", "logs", "sts", "iam", "ecr"])
def test_find_violations_of_any_values_of_every_operation_gives_only_texts(service: str) -> None:
    """Values of random letters break patterns here and there; nothing may fail, and the answer never changes."""
    model = models.service_model(service)
    for number, name in enumerate(model.operation_names):
        operation = model.operation_model(name)
        if operation.input_shape is None:
            continue
        parameters = Values(number, is_full=True).value(operation.input_shape)
        first = validation.find_violations(operation, parameters)
        shuffled = dict(random.Random(number).sample(sorted(parameters.items()), len(parameters)))
        assert validation.find_violations(operation, shuffled) == first
        assert all(" failed to satisfy constraint: " in text for text in first)
        assert not [text for text in first if "must not be null" in text]


def test_find_violations_leaves_out_a_sensitive_value() -> None:
    model = models.find_operation("iam", "CreateLoginProfile")
    assert model is not None

    found = validation.find_violations(model, {"UserName": "a", "Password": "s3cret" * 30})

    assert found == [
        "Value at 'password' failed to satisfy constraint: Member must have length less than or equal to 128"
    ]

"""The door goes by what an operation declares: it refuses, or says once that nothing acts on a member."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from seatrial.platform.app import Door, Services
from seatrial.platform.services.declarations import DECLARATIONS

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
JOB = {
    "TrainingJobName": "job",
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "Tags": [{"Key": "a", "Value": "b"}],
}
TARGETS = {"sagemaker": "SageMaker", "logs": "Logs_20140328"}


class Asked:
    """A door with handlers that note what reaches them."""

    def __init__(self) -> None:
        self.reached: list[dict[str, Any]] = []
        handlers = {
            service: dict.fromkeys(operations, self._handle)
            for service, operations in DECLARATIONS.items()
            if service in TARGETS
        }
        self._door = Door(Services(s3=_no_s3, handlers=handlers, declarations=DECLARATIONS))

    def _handle(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self.reached.append(parameters)
        return {"TrainingJobArn": "arn"}

    def call(self, service: str, operation: str, parameters: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(parameters).encode()}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": [(b"host", b"127.0.0.1"), (b"x-amz-target", f"{TARGETS[service]}.{operation}".encode())],
        }
        asyncio.run(self._door.answer(scope, receive, send, keyring=None))  # type: ignore[arg-type]
        return sent[0]["status"], json.loads(sent[1]["body"])


async def _no_s3(*_: object) -> None:
    raise AssertionError("no request for S3")


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.mark.parametrize(
    ("operation", "more", "text"),
    [
        ("CreateTrainingJob", {"EnableManagedSpotTraining": True}, "does not emulate EnableManagedSpotTraining yet"),
        ("CreateTrainingJob", {"ResourceConfig": {"InstanceCount": 2}}, "2 for ResourceConfig.InstanceCount yet"),
        (
            "CreateTrainingJob",
            {
                "InputDataConfig": [
                    {
                        "ChannelName": "a",
                        "DataSource": {"S3DataSource": {"S3DataType": "Converse", "S3Uri": "s3://b/p"}},
                    }
                ]
            },
            "Converse for InputDataConfig[0].DataSource.S3DataSource.S3DataType yet",
        ),
        ("CreateTrainingJob", {"SessionChainingConfig": {"EnableSessionTagChaining": True}}, "SessionChainingConfig"),
        ("CreateTrainingJob", {"NoSuchMember": 1}, "has no member 'NoSuchMember'"),
    ],
)
def test_what_is_not_emulated_does_not_reach_the_handler(
    asked: Asked, operation: str, more: dict[str, Any], text: str
) -> None:
    status, answer = asked.call("sagemaker", operation, JOB | more)

    assert (status, answer["__type"]) == (400, "ValidationException")
    assert text in answer["message"]
    assert asked.reached == []


@pytest.mark.parametrize(
    ("operation", "parameters", "text"),
    [
        ("StartLiveTail", {"logGroupIdentifiers": ["g"]}, "does not emulate StartLiveTail yet"),
        ("StartLiveTail", {"logGroupIdentifiers": ["g"]}, "aws logs tail GROUP --follow"),
        ("FilterLogEvents", {"logGroupName": "g", "startFromHead": False}, "false for startFromHead"),
        ("CreateLogGroup", {"logGroupName": "g", "deletionProtectionEnabled": True}, "deletionProtectionEnabled"),
        ("CreateLogGroup", {"logGroupName": "g", "logGroupClass": "INFREQUENT_ACCESS"}, "INFREQUENT_ACCESS"),
    ],
)
def test_refusal_has_the_code_of_its_service(
    asked: Asked, operation: str, parameters: dict[str, Any], text: str
) -> None:
    status, answer = asked.call("logs", operation, parameters)

    assert (status, answer["__type"]) == (400, "InvalidParameterException")
    assert text in answer["message"]
    assert asked.reached == []


def test_operation_that_aws_has_and_we_do_not_is_unknown(asked: Asked) -> None:
    status, answer = asked.call("sagemaker", "CreateModel", {"ModelName": "m"})

    assert (status, answer["__type"]) == (400, "UnknownOperationException")
    assert "CreateModel" in answer["Message"]


def test_member_without_effect_is_said_once(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    kept = {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
    with caplog.at_level(logging.INFO):
        for name in ("first", "second"):
            status, _ = asked.call("sagemaker", "CreateTrainingJob", JOB | kept | {"TrainingJobName": name})
            assert status == 200

    assert len(asked.reached) == 2
    assert sorted(record.getMessage() for record in caplog.records if record.name == "seatrial.platform.app") == [
        "RoleArn of CreateTrainingJob is kept and given back, nothing acts on it",
        "VpcConfig of CreateTrainingJob is kept and given back, nothing acts on it",
    ]

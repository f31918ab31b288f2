"""The door goes by what an operation declares: it refuses, or says once that nothing acts on a member."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
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
TARGETS = {
    "sagemaker": "SageMaker",
    "logs": "Logs_20140328",
    "ecr": "AmazonEC2ContainerRegistry_V20150921",
    "dynamodb": "DynamoDB_20120810",
}


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

    def call(
        self, service: str, operation: str, parameters: dict[str, Any], **headers: str
    ) -> tuple[int, dict[str, Any]]:
        given = {"host": "127.0.0.1", "x-amz-target": f"{TARGETS[service]}.{operation}", **headers}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(parameters).encode()}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
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
        ("CreateTrainingJob", {"RemoteDebugConfig": {"EnableRemoteDebug": True}}, "not emulate RemoteDebugConfig"),
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
    assert answer["Message"].startswith(
        "Seatrial does not implement sagemaker CreateModel; of sagemaker it has AddTags, "
    )


@pytest.mark.parametrize(("service", "operation"), [("ecr", "DescribeRepositories"), ("dynamodb", "ListTables")])
def test_service_that_an_upstream_could_answer_for_is_refused_with_that_hint(
    asked: Asked, service: str, operation: str
) -> None:
    status, answer = asked.call(service, operation, {})

    assert status == 400
    assert "; pass --upstream URL to send its requests elsewhere" in str(answer)


@pytest.mark.parametrize(
    ("header", "value", "said"),
    [
        ("origin", "https://evil.example", "Seatrial answers no web page; found Origin 'https://evil.example'."),
        (
            "host",
            "evil.example",
            "Seatrial answers without a key at its loopback address only; found Host 'evil.example'.",
        ),
    ],
)
def test_web_page_is_refused_for_what_it_sent(asked: Asked, header: str, value: str, said: str) -> None:
    status, answer = asked.call("sagemaker", "ListTrainingJobs", {}, **{header: value})

    assert (status, answer["Message"]) == (403, said)


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


def test_slow_operations_keep_no_describe_waiting() -> None:
    """Issue 3: eight CreateTrainingJob that wait for Docker took every thread that there was."""
    released, answered = threading.Event(), threading.Event()

    def create(_: Any) -> dict[str, Any]:
        assert released.wait(30)
        return {"TrainingJobArn": "arn"}

    def describe(_: Any) -> dict[str, Any]:
        answered.set()
        return {}

    handlers = {"sagemaker": {"CreateTrainingJob": create, "ListTrainingJobs": describe}}
    slow = frozenset({"CreateTrainingJob"})
    door = Door(Services(s3=_no_s3, handlers=handlers, declarations=DECLARATIONS, slow=slow))

    async def call(operation: str, parameters: dict[str, Any]) -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(parameters).encode()}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"127.0.0.1"), (b"x-amz-target", f"SageMaker.{operation}".encode())]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        await door.answer(scope, receive, send, keyring=None)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    async def all_at_once() -> list[int]:
        creations = [asyncio.create_task(call("CreateTrainingJob", JOB)) for _ in range(20)]
        try:
            statuses = [await asyncio.wait_for(call("ListTrainingJobs", {}), 20)]
        finally:
            released.set()
        return statuses + list(await asyncio.gather(*creations))

    assert asyncio.run(all_at_once()) == [200] * 21
    assert answered.is_set()
    door.close()


def ask(method: str, query: str, headers: dict[str, str], *, body: bytes = b"") -> tuple[int, list[str]]:
    """The status, and the operations of IAM and STS that were reached."""
    reached: list[str] = []
    sent: list[Any] = []
    handlers = {
        service: {name: lambda _, name=name: reached.append(name) or {} for name in names}
        for service, names in (("iam", ["CreateRole", "ListRoles"]), ("sts", ["GetCallerIdentity"]))
    }
    door = Door(Services(s3=_no_s3, handlers=handlers, declarations=DECLARATIONS))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    named = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1", **headers}.items()]
    scope = {"type": "http", "method": method, "path": "/", "query_string": query.encode(), "headers": named}
    asyncio.run(door.answer(scope, receive, send, keyring=None))  # type: ignore[arg-type]
    return sent[0]["status"], reached


CREATE_ROLE = "Action=CreateRole&Version=2010-05-08&RoleName=role&AssumeRolePolicyDocument=%7B%7D"
SIGNED = "&X-Amz-Credential=x%2F20261123%2Fus-east-1%2Fiam%2Faws4_request&X-Amz-Signature=0"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
@pytest.mark.parametrize("query", [CREATE_ROLE, CREATE_ROLE + SIGNED])
def test_image_of_a_web_page_changes_nothing(method: str, query: str) -> None:
    """Issue 3: an image's address made a role; it sends neither an Origin nor a foreign Host."""
    assert ask(method, query, {}) == (403, [])


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_browser_that_says_whose_request_it_is_gets_no_answer(site: str) -> None:
    assert ask("GET", "Action=ListRoles&Version=2010-05-08", {"sec-fetch-site": site}) == (403, [])
    assert ask("POST", "", {"sec-fetch-site": site, **FORM}, body=CREATE_ROLE.encode()) == (403, [])


def test_query_protocol_is_read_by_get_and_changed_by_post() -> None:
    assert ask("GET", "Action=GetCallerIdentity&Version=2011-06-15", {}) == (200, ["GetCallerIdentity"])
    assert ask("GET", "Action=ListRoles&Version=2010-05-08", {"sec-fetch-site": "none"}) == (200, ["ListRoles"])
    assert ask("POST", "", FORM, body=CREATE_ROLE.encode()) == (200, ["CreateRole"])

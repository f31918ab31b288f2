"""The door decides who answers: us, or the upstream. See ``wire`` for what the steps do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.platform.app import Door, Message, Receive, Scope, Send, Services
from seatrial.platform.keys import Keyring
from seatrial.platform.services.declarations import DECLARATIONS
from seatrial.platform.services.sessions import Sessions
from seatrial.platform.wire.errors import ServiceError

UNSIGNED: dict[str, str] = {}


def signed(service: str) -> dict[str, str]:
    scope = f"AKIA/20261123/us-east-1/{service}/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


class Called:
    """An ASGI application that keeps what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def upstream() -> Called:
    return Called()


@pytest.fixture
def s3() -> Called:
    return Called()


def open_door(s3: Called, upstream: Called | None) -> Door:
    handlers = {
        "sagemaker": {"ListTrainingJobs": lambda _request: {"TrainingJobSummaries": []}},
        "sts": {},
    }
    return Door(Services(s3=s3, handlers=handlers, declarations=DECLARATIONS, upstream=upstream))


@pytest.fixture
def door(s3: Called, upstream: Called) -> Iterator[Door]:
    door = open_door(s3, upstream)
    yield door
    door.close()


async def ask(
    door: Door, headers: dict[str, str], body: bytes = b"{}", path: str = "/", *, keyring: Keyring | None = None
) -> int:
    chunks = [body[:1], body[1:]]
    status: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    raw = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1", **headers}.items()]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "headers": raw}
    await door.answer(scope, receive, send, keyring=keyring)
    return status[0]


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        (signed("dynamodb") | {"x-amz-target": "DynamoDB_20120810.ListTables"}, b"{}", "/"),
        (signed("monitoring"), b"{}", "/"),  # known to us by its model only
        (signed("ec2"), b"Action=DescribeVpcs&Version=2016-11-15", "/"),
        (signed("lambda"), b"{}", "/2015-03-31/functions"),
        (signed("s3-object-lambda"), b"{}", "/key"),
        (UNSIGNED | {"x-amz-target": "AWSCognitoIdentityService.GetId"}, b"{}", "/"),
        (
            UNSIGNED | {"content-type": "application/x-www-form-urlencoded"},
            b"Action=DescribeVpcs&Version=2016-11-15",
            "/",
        ),
    ],
)
async def test_service_of_somebody_else_goes_upstream_with_its_body(
    door: Door, upstream: Called, headers: dict[str, str], body: bytes, path: str
) -> None:
    assert await ask(door, headers, body, path) == 299
    assert upstream.bodies == [body]


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        (signed("sagemaker") | {"x-amz-target": "SageMaker.ListTrainingJobs"}, "/", 200),
        (signed("sagemaker") | {"x-amz-target": "SageMaker.ListEndpoints"}, "/", 400),
        (signed("sagemaker") | {"x-amz-target": "SageMaker.NoSuchThing"}, "/", 400),
        (signed("sagemaker"), "/endpoints/a/invocations", 404),
        (signed("sagemaker"), "/FeatureGroup/a", 404),
    ],
)
async def test_sagemaker_is_ours_also_where_it_is_not_emulated(
    door: Door, upstream: Called, headers: dict[str, str], path: str, status: int
) -> None:
    assert await ask(door, headers, path=path) == status
    assert upstream.bodies == []


async def test_s3_does_not_go_upstream(door: Door, upstream: Called, s3: Called) -> None:
    assert await ask(door, signed("s3"), b"object", "/bucket/key") == 299
    assert (s3.bodies, upstream.bodies) == ([b"object"], [])


async def test_service_of_somebody_else_is_refused_without_an_upstream(s3: Called) -> None:
    door = open_door(s3, None)

    assert await ask(door, signed("dynamodb") | {"x-amz-target": "DynamoDB_20120810.ListTables"}) == 400
    door.close()


async def test_upstream_is_behind_the_same_lock(s3: Called, upstream: Called) -> None:
    door = open_door(s3, upstream)
    headers = signed("dynamodb") | {"x-amz-target": "DynamoDB_20120810.ListTables"}

    status = await ask(door, headers, keyring=Keyring(sessions=Sessions(b"secret")))

    assert status in {400, 403}
    assert upstream.bodies == []
    door.close()


async def test_web_page_does_not_reach_the_upstream(door: Door, upstream: Called) -> None:
    assert await ask(door, signed("dynamodb") | {"origin": "http://evil.example"}) == 403
    assert upstream.bodies == []


async def test_error_of_the_upstream_is_told_in_the_services_protocol(s3: Called) -> None:
    class Unreachable(Called):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise ServiceError("ServiceUnavailable", "no server", 503, is_sender_fault=False)

    door = open_door(s3, Unreachable())

    assert await ask(door, signed("dynamodb") | {"x-amz-target": "DynamoDB_20120810.ListTables"}) == 503
    assert await ask(door, signed("ec2"), b"Action=DescribeVpcs") == 503
    door.close()

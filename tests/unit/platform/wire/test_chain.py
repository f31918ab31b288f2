"""The whole order of steps, with real boto3 clients on one side and a handful of handlers on the other."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.unit.platform.wire.clients import ENDPOINT, wire_request

from seatrial.platform.wire import errors, identify, protocols, validation
from seatrial.platform.wire.authentication import authenticate
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.request import Headers, WireRequest, WireResponse
from seatrial.platform.wire.signing import SecretKey

pytestmark = pytest.mark.slow  # making a client of boto3 is

ACCESS_KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG"
KEYS = {ACCESS_KEY: SecretKey(secret_access_key=SECRET)}
WHEN = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.timezone.utc)


def raising(error: ServiceError) -> Callable[[Any], Any]:
    def handler(_parameters: Any) -> Any:
        raise error

    return handler


HANDLERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("sagemaker", "CreateTrainingJob"): lambda parameters: {
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:111122223333:training-job/{parameters['TrainingJobName']}"
    },
    ("sagemaker", "DescribeTrainingJob"): raising(ServiceError("ValidationException", "Requested resource not found.")),
    ("sagemaker", "ListModels"): lambda _: {"Models": [{"ModelName": "m", "CreationTime": WHEN}]},
    ("sagemaker-runtime", "InvokeEndpoint"): lambda parameters: {
        "Body": parameters["Body"].upper(),
        "ContentType": parameters["ContentType"],
    },
    ("sts", "GetCallerIdentity"): lambda _: {"Account": "111122223333"},
    ("iam", "GetRole"): raising(ServiceError("NoSuchEntity", "The role with name a cannot be found.")),
    ("logs", "DescribeLogStreams"): lambda parameters: {"logStreams": [{"logStreamName": parameters["logGroupName"]}]},
}


def answer(request: WireRequest) -> WireResponse:
    """What ``platform/app.py`` does, in short."""
    identified = identify.identify(request)
    try:
        authenticate(request, identified, find_key=KEYS.get, now=datetime.datetime.now(datetime.timezone.utc))
        operation = identify.resolve_operation(identified)
        handler = HANDLERS.get((identified.service, operation.name))
        if handler is None:
            raise errors.unsupported_operation(operation.name, service=identified.service, protocol=identified.protocol)
        parsed = protocols.parse_request(identified, operation, request)
        if parsed.unknown:
            raise errors.unknown_members(parsed.unknown, operation=operation.name, service=identified.service)
        validation.validate(operation, parsed.parameters)
        return protocols.serialise_output(identified, operation, handler(parsed.parameters), "request-1")
    except ServiceError as error:
        return protocols.serialise_error(identified, error, "request-1", request=request)


class _Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, *_args: Any, **_options: Any) -> list[bytes]:
        return [self.body]

    def read(self, _amount: int | None = None) -> bytes:
        body, self.body = self.body, b""
        return body


def client(service: str, secret: str = SECRET) -> Any:
    def send(request: Any, **_: Any) -> AWSResponse:
        response = answer(wire_request(_Unprepared(request)))
        assert isinstance(response.body, bytes)
        return AWSResponse(request.url, response.status, dict(response.headers), _Raw(response.body))

    session = boto3.session.Session(ACCESS_KEY, secret, region_name="us-east-1")
    config = Config(retries={"max_attempts": 0})
    made = session.client(service, endpoint_url=ENDPOINT, config=config)
    made.meta.events.register("before-send", send)
    return made


class _Unprepared(AWSRequest):
    """A prepared request in the clothes of an unprepared one."""

    def __init__(self, prepared: Any) -> None:
        self.prepared = prepared

    def prepare(self) -> Any:
        return self.prepared


JOB = {
    "RoleArn": "arn:aws:iam::111122223333:role/SageMaker",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def test_boto3_creates_a_training_job() -> None:
    created = client("sagemaker").create_training_job(TrainingJobName="job", **JOB)

    assert created["TrainingJobArn"].endswith(":training-job/job")
    assert created["ResponseMetadata"]["RequestId"] == "request-1"


@pytest.mark.parametrize(
    ("service", "call", "arguments", "code", "text"),
    [
        (
            "sagemaker",
            "create_training_job",
            {"TrainingJobName": "my_job", **JOB},
            "ValidationException",
            "1 validation error detected: Value 'my_job' at 'trainingJobName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        ),
        (
            "sagemaker",
            "describe_training_job",
            {"TrainingJobName": "job"},
            "ValidationException",
            "Requested resource not found.",
        ),
        ("sagemaker", "list_domains", {}, "UnknownOperationException", None),
        ("iam", "get_role", {"RoleName": "a"}, "NoSuchEntity", "The role with name a cannot be found."),
        ("iam", "list_users", {}, "InvalidAction", None),
        ("dynamodb", "list_tables", {}, "UnknownOperationException", None),
        ("cloudwatch", "list_metrics", {}, "UnknownOperationException", None),
    ],
)
def test_boto3_shows_the_error(service: str, call: str, arguments: dict[str, Any], code: str, text: str | None) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client(service), call)(**arguments)

    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert error["Message"] == (text or error["Message"])
    assert error["Message"]


@pytest.mark.parametrize(
    ("service", "call", "arguments", "code"),
    [
        ("sagemaker", "list_models", {}, "InvalidSignatureException"),
        ("sts", "get_caller_identity", {}, "SignatureDoesNotMatch"),
        ("s3", "list_buckets", {}, "SignatureDoesNotMatch"),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "a", "Body": b"x"}, "InvalidSignatureException"),
    ],
)
def test_boto3_with_a_wrong_secret_is_refused(service: str, call: str, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(client(service, "wrong"), call)(**arguments)

    assert caught.value.response["Error"]["Code"] == code


def test_boto3_reads_answers_of_every_protocol() -> None:
    invoked = client("sagemaker-runtime").invoke_endpoint(EndpointName="demo", ContentType="text/csv", Body=b"a,b")

    assert client("sagemaker").list_models(MaxResults=5)["Models"][0]["CreationTime"] == WHEN
    assert client("sts").get_caller_identity()["Account"] == "111122223333"
    assert client("logs").describe_log_streams(logGroupName="/aws/x")["logStreams"] == [{"logStreamName": "/aws/x"}]
    assert (invoked["ContentType"], invoked["Body"].read()) == ("text/csv", b"A,B")


def test_boto3_presigned_address_is_let_in() -> None:
    url = client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    path, _, query = url.removeprefix(ENDPOINT).partition("?")
    headers = Headers([("host", ENDPOINT.removeprefix("http://"))])

    response = answer(WireRequest(method="GET", path=path, query=query, headers=headers))

    assert response.status == 200
    assert isinstance(response.body, bytes)
    assert b"<Account>111122223333</Account>" in response.body

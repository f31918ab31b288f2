"""What is no plain round trip: errors as clients see them, wrong types, unknown members, streams."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.core.errors import InternalError
from seatrial.platform.wire import errors, models
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.identify import SERVICES, Identified, identify, resolve_operation
from seatrial.platform.wire.protocols import COMPRESSED_LIMIT_BYTES, parse_request, serialise_error, serialise_output
from seatrial.platform.wire.protocols.json_values import decode_document
from seatrial.platform.wire.request import Headers, WireRequest, WireResponse
from seatrial.platform.wire.timestamps import parse_timestamp, render_timestamp, to_epoch

REQUEST_ID = "5d5b6c9e-1c8e-4d0b-b6b1-2f6a3a4fb5a1"
UTC = datetime.timezone.utc


def json_request(operation: str, body: bytes, target: str = "SageMaker") -> WireRequest:
    return WireRequest(method="POST", path="/", headers=Headers([("x-amz-target", f"{target}.{operation}")]), body=body)


def parse(request: WireRequest) -> Any:
    identified = identify(request)
    return parse_request(identified, resolve_operation(identified), request)


def client_error(identified: Identified, response: WireResponse) -> dict[str, Any]:
    """The error as botocore reads it."""
    headers = HeadersDict()
    for name, value in response.headers:
        headers[name] = value
    shape = None
    if identified.protocol != "rest-xml" and identified.operation is not None:
        operation = models.find_operation(identified.service, identified.operation)
        shape = operation.output_shape if operation is not None else None
    parsed: dict[str, Any] = botocore.parsers.create_parser(identified.protocol).parse(
        {"headers": headers, "status_code": response.status, "body": response.body, "context": {}}, shape
    )
    return parsed


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
@pytest.mark.parametrize("message", ["plain", "a <b> & 'c' \"d\"\n é \x00"])
def test_serialise_error_is_read_by_botocore(service: Any, message: str) -> None:
    identified = Identified(service=service.name, protocol=service.protocol, operation=None)
    if service.protocol in ("query", "rest-xml"):
        message = message.replace("\x00", "\ufffd")

    response = serialise_error(identified, ServiceError("ValidationException", message), REQUEST_ID)

    parsed = client_error(identified, response)
    assert parsed["Error"]["Code"] == "ValidationException"
    assert parsed["Error"]["Message"] == message
    assert parsed["ResponseMetadata"]["RequestId"] == REQUEST_ID
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    ("service", "protocol", "code", "status", "body"),
    [
        ("sagemaker", "json", "ValidationException", 400, {"__type": "ValidationException", "message": "m"}),
        ("sagemaker", "json", "ResourceInUse", 400, {"__type": "ResourceInUse", "Message": "m"}),
        ("sagemaker", "json", "AccessDeniedException", 400, {"__type": "AccessDeniedException", "Message": "m"}),
        ("sagemaker-runtime", "rest-json", "ValidationError", 400, {"Message": "m"}),
        ("sagemaker-runtime", "rest-json", "ServiceUnavailable", 503, {"Message": "m"}),
        ("sagemaker-runtime", "rest-json", "InternalDependencyException", 530, {"Message": "m"}),
        ("sagemaker-runtime", "rest-json", "Undeclared", 400, {"Message": "m"}),
        ("logs", "json", "ResourceNotFoundException", 400, {"__type": "ResourceNotFoundException", "message": "m"}),
    ],
)
def test_serialise_error_has_the_status_and_the_spelling_of_the_model(
    service: str, protocol: Any, code: str, status: int, body: dict[str, str]
) -> None:
    response = serialise_error(Identified(service=service, protocol=protocol), ServiceError(code, "m"), REQUEST_ID)

    assert isinstance(response.body, bytes)
    assert (response.status, json.loads(response.body)) == (status, body)
    if protocol == "rest-json":
        assert dict(response.headers)["x-amzn-ErrorType"] == code


def test_serialise_error_carries_the_members_of_a_declared_shape() -> None:
    identified = Identified(service="sagemaker-runtime", protocol="rest-json", operation="InvokeEndpoint")
    error = ServiceError(
        "ModelError", "Received server error (500) …", members={"OriginalStatusCode": 500, "OriginalMessage": "boom"}
    )

    response = serialise_error(identified, error, REQUEST_ID)

    assert response.status == 424
    assert isinstance(response.body, bytes)
    assert client_error(identified, response)["Error"]["Code"] == "ModelError"
    assert json.loads(response.body) == {
        "Message": "Received server error (500) …",
        "OriginalStatusCode": 500,
        "OriginalMessage": "boom",
    }


def test_serialise_error_of_iam_has_the_status_of_the_model() -> None:
    identified = Identified(service="iam", protocol="query", operation="GetRole")
    response = serialise_error(identified, ServiceError("NoSuchEntity", "no role"), REQUEST_ID)

    assert response.status == 404
    assert client_error(identified, response)["Error"] == {
        "Type": "Sender",
        "Code": "NoSuchEntity",
        "Message": "no role",
    }


def test_serialise_error_of_s3_names_the_resource_and_has_no_body_for_head() -> None:
    identified = Identified(service="s3", protocol="rest-xml")
    error = ServiceError("NoSuchKey", "The specified key does not exist.", 404, members={"Key": "a&b"})
    head = WireRequest(method="HEAD", path="/bucket/a%26b")
    get = WireRequest(method="GET", path="/bucket/a%26b")

    assert serialise_error(identified, error, REQUEST_ID, request=head).body == b""
    parsed = client_error(identified, serialise_error(identified, error, REQUEST_ID, request=get))
    assert parsed["Error"] | {"Code": "NoSuchKey", "Key": "a&b", "Resource": "/bucket/a%26b"} == parsed["Error"]


def test_serialise_error_of_an_unknown_service_is_read_by_botocore() -> None:
    for protocol in ("json", "query", "rest-json"):
        identified = Identified(service="dynamodb", protocol=protocol, is_known=False)  # type: ignore[arg-type]
        response = serialise_error(identified, errors.unsupported_service("dynamodb"), REQUEST_ID)
        assert client_error(identified, response)["Error"]["Code"] == "UnknownOperationException"


def test_serialise_error_of_cloudwatch_tells_clients_of_the_query_protocol() -> None:
    identified = Identified(service="cloudwatch", protocol="json", operation="GetMetricData")
    response = serialise_error(identified, ServiceError("MissingParameter", "m"), REQUEST_ID)

    assert dict(response.headers)["x-amzn-query-error"] == "MissingParameter;Sender"
    assert dict(response.headers)["content-type"] == "application/x-amz-json-1.0"
    assert client_error(identified, response)["Error"]["Code"] == "MissingParameter"


def test_rpc_v2_is_refused_in_its_own_form() -> None:
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    request = WireRequest(method="POST", path=path, headers=Headers([("smithy-protocol", "rpc-v2-cbor")]))
    identified = identify(request)

    with pytest.raises(ServiceError) as caught:
        parse(request)
    response = serialise_error(identified, caught.value, REQUEST_ID)

    parsed = client_error(identified, response)
    assert parsed["Error"]["Code"] == "UnknownOperationException"
    assert "smithy-rpc-v2-cbor" in parsed["Error"]["Message"]


@pytest.mark.parametrize(
    "error",
    [errors.throttled(), errors.access_denied("User: a is not authorized"), errors.internal_failure(REQUEST_ID)],
)
def test_common_errors_have_a_code_and_a_text(error: ServiceError) -> None:
    assert error.code in ("ThrottlingException", "AccessDeniedException", "InternalFailure")
    assert error.message


def test_unknown_members_are_named() -> None:
    error = errors.unknown_members(("ResourceConfig.InstanceCnt",), operation="CreateTrainingJob")

    assert error.code == "ValidationException"
    assert "CreateTrainingJob has no member 'ResourceConfig.InstanceCnt'" in error.message


def test_operation_that_seatrial_lacks_is_told_from_one_that_aws_lacks() -> None:
    error = errors.unsupported_operation("CreateDomain", service="sagemaker", protocol="json")

    assert (error.code, error.status) == ("UnknownOperationException", 400)
    assert error.message == "Seatrial does not implement sagemaker CreateDomain; of sagemaker it has nothing yet"
    assert errors.unsupported_operation("GetUser", service="iam", protocol="query").code == "InvalidAction"


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"TrainingJobName": 1}', "NUMBER_VALUE can not be converted to a String (at 'TrainingJobName')"),
        (b'{"TrainingJobName": true}', "TRUE_VALUE can not be converted to a String (at 'TrainingJobName')"),
        (
            b'{"ResourceConfig": {"InstanceCount": "1"}}',
            "STRING_VALUE can not be converted to an Integer (at 'ResourceConfig.InstanceCount')",
        ),
        (
            b'{"ResourceConfig": {"InstanceCount": 1.5}}',
            "NUMBER_VALUE can not be converted to an Integer (at 'ResourceConfig.InstanceCount')",
        ),
        (
            b'{"ResourceConfig": {"InstanceCount": 2147483648}}',
            "NUMBER_VALUE can not be converted to an Integer (at 'ResourceConfig.InstanceCount')",
        ),
        (b'{"HyperParameters": {"a": 1}}', "NUMBER_VALUE can not be converted to a String (at 'HyperParameters.a')"),
        (b'{"HyperParameters": []}', "Start of list found where not expected (at 'HyperParameters')"),
        (b'{"HyperParameters": 1}', "Expected map or null (at 'HyperParameters')"),
        (b'{"InputDataConfig": {}}', "Start of structure or map found where not expected. (at 'InputDataConfig')"),
        (b'{"InputDataConfig": 1}', "Expected list or null (at 'InputDataConfig')"),
        (b'{"InputDataConfig": [1]}', "Unexpected field type (at 'InputDataConfig[0]')"),
        (
            b'{"EnableNetworkIsolation": "true"}',
            "STRING_VALUE can not be converted to a Boolean (at 'EnableNetworkIsolation')",
        ),
        (b"[]", "Start of list found where not expected"),
        (
            b'{"ResourceConfig": {"InstanceCount": false}}',
            "FALSE_VALUE can not be converted to an Integer (at 'ResourceConfig.InstanceCount')",
        ),
        (b'{"TrainingJobName": {}}', "Start of structure or map found where not expected. (at 'TrainingJobName')"),
    ],
)
def test_parse_json_of_a_wrong_type_is_refused_in_corals_words(body: bytes, text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse(json_request("CreateTrainingJob", body))

    assert (caught.value.code, caught.value.message) == ("SerializationException", text)


@pytest.mark.parametrize(
    "body", [b"{", b'{"a": NaN}', b"\xff", b'{"a": "\\ud800"}', b"{'a': 1}", b"[" * 100_000, b"{} {}"]
)
def test_parse_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceError, match="SerializationException"):
        parse(json_request("CreateTrainingJob", body))


@pytest.mark.parametrize("text", [r"\ud800", r"\uDFFF", r"a\ud83dA", r"\\\ud800\u0041", r"\ud83d\ude00\ud83d"])
def test_parse_json_with_half_of_a_surrogate_pair_says_so(text: str) -> None:
    with pytest.raises(ServiceError, match=r"no JSON: \\u[dD]\w\w\w is half of a surrogate pair and no character"):
        parse(json_request("CreateTrainingJob", b'{"TrainingJobName": "%s"}' % text.encode()))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_parse_json_with_any_escaped_character_is_no_half_of_a_pair(text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        decode_document(json.dumps({"TrainingJobName": text}).encode()[:-1])

    assert "surrogate" not in caught.value.message


def test_parse_json_reports_unknown_members_and_drops_nulls() -> None:
    body = {
        "TrainingJobName": "job",
        "Trainingjobname": "x",
        "ResourceConfig": {"InstanceCnt": 1, "InstanceCount": None},
        "InputDataConfig": [{"ChannelName": "a"}, {"Foo": {"Bar": 1}}],
        "Tags": None,
        "HyperParameters": {"a": None},
    }

    parsed = parse(json_request("CreateTrainingJob", json.dumps(body).encode()))

    assert parsed.unknown == ("Trainingjobname", "ResourceConfig.InstanceCnt", "InputDataConfig[1].Foo")
    assert parsed.parameters == {
        "TrainingJobName": "job",
        "ResourceConfig": {},
        "InputDataConfig": [{"ChannelName": "a"}, {}],
        "HyperParameters": {"a": None},
    }


def test_parse_json_empty_body_has_no_members() -> None:
    assert parse(json_request("ListTrainingJobs", b"")).parameters == {}


@pytest.mark.slow
@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "TrainingJobName",
                        "ResourceConfig",
                        "InputDataConfig",
                        "Tags",
                        "HyperParameters",
                        "ChannelName",
                        "Key",
                    ]
                )
                | st.text(),
                inner,
            )
        ),
    )
)
def test_parse_json_any_document_gives_parameters_or_a_service_error(document: Any) -> None:
    try:
        parsed = parse(json_request("CreateTrainingJob", json.dumps(document).encode()))
    except ServiceError as error:
        code: str | None = error.code
    else:
        code = None
        assert isinstance(parsed.parameters, dict)

    assert code in (None, "SerializationException")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Tags.member.1.Key",
                    "Tags.member.x",
                    "RoleArn",
                    "RoleArn.a",
                    "DurationSeconds",
                    "Tags",
                    "PolicyArns.member.01.arn",
                ]
            )
            | st.text("aT.1", max_size=6),
            st.text(max_size=5),
        )
    )
)
def test_parse_query_any_form_gives_parameters_or_a_service_error(pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    form = urlencode(
        [("Action", "AssumeRole"), ("Version", "2011-06-15"), *((n, v.encode("utf-8", "replace")) for n, v in pairs)]
    )
    headers = Headers([("content-type", "application/x-www-form-urlencoded")])
    code: str | None = None
    try:
        parse(WireRequest(method="POST", path="/", headers=headers, body=form.encode()))
    except ServiceError as error:
        code = error.code

    assert code in (None, "SerializationException")


@pytest.mark.parametrize("depth", [70, 5000])
def test_parse_nested_too_deep_is_refused(depth: int) -> None:
    """A recursive shape: SearchExpression holds SubExpressions."""
    search = b'{"Resource":"Endpoint","SearchExpression":' + b'{"SubExpressions":[' * depth + b"]}" * depth + b"}"
    form = b"Action=AssumeRole&Version=2011-06-15&" + b"a." * depth + b"a=1"
    headers = Headers([("content-type", "application/x-www-form-urlencoded")])

    with pytest.raises(ServiceError, match="SerializationException"):
        parse(json_request("Search", search))
    with pytest.raises(ServiceError, match="SerializationException"):
        parse(WireRequest(method="POST", path="/", headers=headers, body=form))


def test_parse_query_reports_unknown_members() -> None:
    tags = b"Tags.member.1.Key=a&Tags.member.1.Foo=b&Tags.member.3.Key=c"
    body = b"Action=AssumeRole&Version=2011-06-15&RoleArn=arn&Rolearn=x&" + tags
    headers = Headers([("content-type", "application/x-www-form-urlencoded")])

    parsed = parse(WireRequest(method="POST", path="/", headers=headers, body=body))

    assert parsed.unknown == ("Rolearn", "Tags.member.1.Foo")
    assert parsed.parameters == {"RoleArn": "arn", "Tags": [{"Key": "a"}, {"Key": "c"}]}


def test_parse_rest_json_reports_unknown_headers_and_query_and_hands_over_a_stream() -> None:
    stream = iter([b"1,", b"2"])
    request = WireRequest(
        method="POST",
        path="/endpoints/demo/invocations",
        query="foo=1&X-Amz-Date=x",
        headers=Headers(
            [("Content-Type", "text/csv"), ("X-Amzn-SageMaker-Foo", "1"), ("X-Amzn-SageMaker-Target-Model", "m")]
        ),
        stream=stream,
    )

    parsed = parse(request)

    assert parsed.unknown == ("?foo", "x-amzn-sagemaker-foo")
    assert parsed.parameters == {"EndpointName": "demo", "ContentType": "text/csv", "TargetModel": "m", "Body": stream}


@pytest.mark.parametrize("name", ["X-Amzn-SageMaker-RequestTTLSeconds", "X-Amzn-SageMaker-InvocationTimeoutSeconds"])
def test_parse_rest_json_header_of_a_wrong_type_is_refused(name: str) -> None:
    request = WireRequest(method="POST", path="/endpoints/x/async-invocations", headers=Headers([(name, "soon")]))

    with pytest.raises(ServiceError, match="SerializationException: 'soon' can not be converted to integer"):
        parse(request)


# --- writing --------------------------------------------------------------------------------------------------------


def output_response(operation: str, output: Any, service: str = "sagemaker", protocol: Any = "json") -> WireResponse:
    model = models.find_operation(service, operation)
    assert model is not None
    return serialise_output(
        Identified(service=service, protocol=protocol, operation=operation), model, output, REQUEST_ID
    )


def test_serialise_output_leaves_out_none_and_writes_epoch_seconds() -> None:
    when = datetime.datetime(2026, 11, 23, 12, 0, 0, 123_456, UTC)
    output = {"TrainingJobName": "job", "CreationTime": when, "TrainingEndTime": None, "FailureReason": None}

    response = output_response("DescribeTrainingJob", output)

    assert response.body == b'{"TrainingJobName":"job","CreationTime":1795435200.123}'
    assert response.headers == (("content-type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", REQUEST_ID))


def test_serialise_output_without_a_shape_is_empty() -> None:
    assert output_response("StopTrainingJob", None).body == b""


@pytest.mark.parametrize(
    ("output", "where"),
    [
        ({"TrainingJobNam": "x"}, "TrainingJobNam"),
        ({"ResourceConfig": {"Foo": 1}}, "ResourceConfig.Foo"),
        ({"CreationTime": "yesterday"}, "CreationTime"),
        ({"ResourceConfig": 1}, "ResourceConfig"),
        ({"InputDataConfig": [{"ChannelName": "a", "Foo": 1}]}, "InputDataConfig[].Foo"),
    ],
)
def test_serialise_output_that_does_not_fit_the_model_is_our_fault(output: Any, where: str) -> None:
    with pytest.raises(InternalError) as caught:
        output_response("DescribeTrainingJob", output)

    assert (caught.value.code, caught.value.where) == ("output-unfit", where)


EVENTS = [("PayloadPart", {"Bytes": b"one"}), ("PayloadPart", {"Bytes": b"two"})]


def failing_events() -> Iterator[tuple[str, dict[str, Any]]]:
    yield EVENTS[0]
    raise ServiceError("ModelStreamError", "the model broke", members={"ErrorCode": "ModelInvocationTimeExceeded"})


async def later_events() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for event in EVENTS:
        yield event
    raise ServiceError("InternalFailure", "boom")


def read_events(data: bytes) -> list[tuple[dict[str, Any], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(event.headers, event.payload) for event in buffer]


def test_event_stream_is_read_by_botocore() -> None:
    output = {"Body": iter(EVENTS), "ContentType": "text/plain"}
    response = output_response("InvokeEndpointWithResponseStream", output, "sagemaker-runtime", "rest-json")
    assert dict(response.headers)["X-Amzn-SageMaker-Content-Type"] == "text/plain"
    assert dict(response.headers)["content-type"] == "application/vnd.amazon.eventstream"

    events = read_events(b"".join(response.body))  # type: ignore[arg-type]

    assert [payload for _, payload in events] == [b"one", b"two"]
    assert events[0][0][":event-type"] == "PayloadPart"


def test_event_stream_that_fails_ends_with_the_declared_exception() -> None:
    output = {"Body": failing_events()}
    response = output_response("InvokeEndpointWithResponseStream", output, "sagemaker-runtime", "rest-json")

    headers, payload = read_events(b"".join(response.body))[-1]  # type: ignore[arg-type]

    assert (headers[":message-type"], headers[":exception-type"]) == ("exception", "ModelStreamError")
    assert json.loads(payload) == {"Message": "the model broke", "ErrorCode": "ModelInvocationTimeExceeded"}


def test_event_stream_is_written_from_async_events_too() -> None:
    async def collect() -> bytes:
        output = {"Body": later_events()}
        response = output_response("InvokeEndpointWithResponseStream", output, "sagemaker-runtime", "rest-json")
        return b"".join([piece async for piece in response.body])  # type: ignore[union-attr]

    events = read_events(asyncio.run(collect()))

    assert [payload for _, payload in events] == [b"one", b"two", b""]
    assert (events[2][0][":message-type"], events[2][0][":error-code"]) == ("error", "InternalFailure")


# --- timestamps and headers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, datetime.datetime(1970, 1, 1, tzinfo=UTC)),
        (1795435200.123, datetime.datetime(2026, 11, 23, 12, 0, 0, 123_000, UTC)),
        ("1795435200", datetime.datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23", datetime.datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T12:00:00Z", datetime.datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("2026-11-23T12:00:00.5+02:00", datetime.datetime(2026, 11, 23, 10, 0, 0, 500_000, UTC)),
        ("Mon, 23 Nov 2026 12:00:00 GMT", datetime.datetime(2026, 11, 23, 12, tzinfo=UTC)),
        (-1, datetime.datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_parse_timestamp(value: Any, expected: datetime.datetime) -> None:
    assert parse_timestamp(value) == expected


@pytest.mark.parametrize(
    "value", [True, None, [], "", "soon", 1e300, float("nan"), float("inf"), "2026-13-01", "9999-12-31T23:59:59-01:00"]
)
def test_parse_timestamp_of_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"timestamp|years|month"):
        parse_timestamp(value)


@given(st.text(max_size=30))
def test_parse_timestamp_any_text_gives_a_time_or_a_value_error(text: str) -> None:
    try:
        assert parse_timestamp(text).tzinfo is not None
    except ValueError:
        return


@given(st.datetimes(min_value=datetime.datetime(1971, 1, 1), timezones=st.just(UTC)))
def test_render_timestamp_is_read_again(when: datetime.datetime) -> None:
    assert render_timestamp(when, "rfc822").endswith("GMT")
    assert abs(parse_timestamp(render_timestamp(when, "iso8601")) - when) < datetime.timedelta(milliseconds=1)
    assert abs(parse_timestamp(to_epoch(when)) - when) <= datetime.timedelta(milliseconds=1)


def test_headers_compare_names_without_case_and_hide_secrets() -> None:
    headers = Headers.from_asgi([(b"X-A", b"1"), (b"x-a", b"2"), (b"Authorization", b"AWS4 secret")])

    assert (headers.get("x-A"), headers.get_all("X-a"), headers.names()) == ("1", ("1", "2"), ("x-a", "authorization"))
    assert "X-a" in headers
    assert "b" not in headers
    assert 1 not in headers
    assert headers == Headers(headers)
    assert hash(headers) == hash(Headers(headers))
    assert "secret" not in repr(headers)


@pytest.mark.parametrize(
    ("service", "operation", "body", "text"),
    [
        (
            "SageMaker",
            "ListTrainingJobs",
            b'{"CreationTimeAfter": "soon"}',
            "STRING_VALUE can not be converted to a Date",
        ),
        ("SageMaker", "ListTrainingJobs", b'{"CreationTimeAfter": [1]}', "Start of list found where not expected"),
        (
            "Logs_20140328",
            "PutMetricFilter",
            b'{"metricTransformations": [{"defaultValue": "x"}]}',
            "STRING_VALUE can not be converted to a Double",
        ),
        (
            "AmazonEC2ContainerRegistry_V20150921",
            "UploadLayerPart",
            b'{"layerPartBlob": 1}',
            "NUMBER_VALUE can not be converted to a ByteBuffer",
        ),
        (
            "AmazonEC2ContainerRegistry_V20150921",
            "UploadLayerPart",
            b'{"layerPartBlob": "!"}',
            "only base64-encoded strings are convertible to bytes",
        ),
    ],
)
def test_parse_json_of_a_wrong_type_in_other_services(service: str, operation: str, body: bytes, text: str) -> None:
    with pytest.raises(ServiceError, match="SerializationException") as caught:
        parse(json_request(operation, body, target=service))

    assert caught.value.message.startswith(text)


@pytest.mark.parametrize(("value", "read"), [(b"1", 1.0), (b"1.5", 1.5), (b'"Infinity"', float("inf"))])
def test_parse_json_numbers_of_a_double(value: bytes, read: float) -> None:
    body = b'{"metricTransformations": [{"defaultValue": %b}]}' % value

    parsed = parse(json_request("PutMetricFilter", body, target="Logs_20140328"))

    assert parsed.parameters["metricTransformations"][0]["defaultValue"] == read


def gzipped_request(body: bytes) -> WireRequest:
    headers = Headers([("x-amz-target", "SageMaker.ListTrainingJobs"), ("content-encoding", "gzip")])
    return WireRequest(method="POST", path="/", headers=headers, body=body)


def test_parse_compressed_body() -> None:
    assert parse(gzipped_request(gzip.compress(b'{"MaxResults": 5}'))).parameters == {"MaxResults": 5}


@pytest.mark.parametrize(
    "body",
    [b"{}", gzip.compress(b'{"MaxResults": 5}')[:-9], gzip.compress(b" " * (COMPRESSED_LIMIT_BYTES + 1), 1)],
    ids=["plain", "cut off", "too much"],
)
def test_parse_broken_compressed_body_is_refused(body: bytes) -> None:
    with pytest.raises(ServiceError, match="SerializationException"):
        parse(gzipped_request(body))

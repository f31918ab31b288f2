"""Which service and operation a request is for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.wire import models
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.identify import SERVICES, Service, identify, resolve_operation
from seatrial.platform.wire.request import Headers, WireRequest
from seatrial.platform.wire.uri_templates import match_operation, read_labels

FORM = ("content-type", "application/x-www-form-urlencoded; charset=utf-8")


def scope(name: str) -> tuple[str, str]:
    credential = f"AKIDEXAMPLE/20261123/eu-west-1/{name}/aws4_request"
    return ("authorization", f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=ab")


def request(
    *headers: tuple[str, str], method: str = "POST", path: str = "/", query: str = "", body: bytes = b""
) -> WireRequest:
    return WireRequest(method=method, path=path, query=query, headers=Headers(headers), body=body)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_table_agrees_with_botocores_model(service: Service) -> None:
    metadata = models.service_model(service.name).metadata
    protocol = models.service_model(service.name).resolved_protocol

    assert models.service_model(service.name).signing_name == service.signing_name
    assert protocol == service.protocol
    assert metadata.get("targetPrefix") == service.target_prefix
    assert service.query_version == (metadata["apiVersion"] if "query" in metadata["protocols"] else None)


@pytest.mark.parametrize(
    ("sent", "service", "operation", "protocol"),
    [
        (request(scope("sagemaker"), ("X-Amz-Target", "SageMaker.ListModels")), "sagemaker", "ListModels", "json"),
        (request(("x-amz-target", "SageMaker.ListModels")), "sagemaker", "ListModels", "json"),
        (
            request(scope("sagemaker"), path="/endpoints/a%2Fb/invocations"),
            "sagemaker-runtime",
            "InvokeEndpoint",
            "rest-json",
        ),
        (request(path="/endpoints/x/async-invocations"), "sagemaker-runtime", "InvokeEndpointAsync", "rest-json"),
        (request(scope("s3"), path="/endpoints/x/invocations"), "s3", None, "rest-xml"),
        (
            request(scope("sagemaker"), path="/endpoints/x/invocations", method="GET"),
            "sagemaker-runtime",
            None,
            "rest-json",
        ),
        (
            request(scope("sagemaker"), path="/BatchPutMetrics", method="PUT"),
            "sagemaker-metrics",
            "BatchPutMetrics",
            "rest-json",
        ),
        (request(scope("sagemaker"), path="/human-loops"), "sagemaker", None, "rest-json"),
        (request(scope("sagemaker")), "sagemaker", None, "json"),
        (request(scope("logs"), ("x-amz-target", "Logs_20140328.GetLogEvents")), "logs", "GetLogEvents", "json"),
        (
            request(FORM, body=b"Action=GetCallerIdentity&Version=2011-06-15"),
            "sts",
            "GetCallerIdentity",
            "query",
        ),
        (request(scope("iam"), FORM, body=b"Version=2010-05-08&Action=GetRole"), "iam", "GetRole", "query"),
        (
            request(scope("monitoring"), FORM, body=b"Action=ListMetrics&Version=2010-08-01"),
            "cloudwatch",
            "ListMetrics",
            "query",
        ),
        (
            request(
                scope("monitoring"),
                ("smithy-protocol", "rpc-v2-cbor"),
                path="/service/GraniteServiceVersion20100801/operation/ListMetrics",
            ),
            "cloudwatch",
            "ListMetrics",
            "smithy-rpc-v2-cbor",
        ),
        (
            request(
                method="GET",
                query="Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=A%2F20261123%2Fus-east-1%2Fsts%2Faws4_request",
            ),
            "sts",
            "GetCallerIdentity",
            "query",
        ),
        (request(method="GET", path="/bucket/key"), "s3", None, "rest-xml"),
        (request(method="GET"), "s3", None, "rest-xml"),
        (request(("authorization", "AWS AKID:abc="), method="GET", path="/b"), "s3", None, "rest-xml"),
        (request(method="GET", path="/b/k", query="AWSAccessKeyId=A&Signature=b&Expires=1"), "s3", None, "rest-xml"),
        (request(scope("s3express"), path="/b"), "s3", None, "rest-xml"),
        (request(path="/bucket/key", query="x=Action=1", body=b"Action=x"), "s3", None, "rest-xml"),
    ],
)
def test_identify(sent: WireRequest, service: str, operation: str | None, protocol: str) -> None:
    found = identify(sent)

    assert (found.service, found.operation, found.protocol, found.is_known) == (service, operation, protocol, True)


@pytest.mark.parametrize(
    ("sent", "service", "operation", "protocol"),
    [
        (
            request(scope("dynamodb"), ("x-amz-target", "DynamoDB_20120810.ListTables")),
            "dynamodb",
            "ListTables",
            "json",
        ),
        (request(("x-amz-target", "DynamoDB_20120810.ListTables")), "DynamoDB_20120810", "ListTables", "json"),
        (request(scope("ec2"), FORM, body=b"Action=DescribeVpcs&Version=2016-11-15"), "ec2", "DescribeVpcs", "query"),
        (request(scope("lambda"), path="/2015-03-31/functions"), "lambda", None, "rest-xml"),
    ],
)
def test_identify_a_service_that_we_do_not_have(
    sent: WireRequest, service: str, operation: str | None, protocol: str
) -> None:
    found = identify(sent)

    assert (found.service, found.operation, found.protocol, found.is_known) == (service, operation, protocol, False)
    with pytest.raises(ServiceError, match=f"does not emulate the service '{service}'"):
        resolve_operation(found)


def test_identify_reads_key_and_region() -> None:
    credential = identify(request(scope("sagemaker"))).credential

    assert credential is not None
    assert (credential.access_key_id, credential.region, credential.date) == ("AKIDEXAMPLE", "eu-west-1", "20261123")
    assert identify(request()).credential is None


@pytest.mark.parametrize(
    ("sent", "code", "status", "text"),
    [
        (
            request(("x-amz-target", "SageMaker.Foo")),
            "UnknownOperationException",
            400,
            "sagemaker has no operation Foo",
        ),
        (
            request(scope("sagemaker"), path="/endpoints/x/invocations", method="GET"),
            "UnknownOperationException",
            404,
            "sagemaker-runtime has no operation with this method and path",
        ),
        (
            request(FORM, body=b"Action=Foo&Version=2011-06-15"),
            "InvalidAction",
            400,
            "Could not find operation Foo for version 2011-06-15",
        ),
    ],
)
def test_resolve_operation_unknown_one_is_refused_in_its_protocol(
    sent: WireRequest, code: str, status: int, text: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        resolve_operation(identify(sent))

    assert (caught.value.code, caught.value.status, caught.value.message) == (code, status, text)


@given(
    target=st.text(max_size=20),
    authorization=st.text(max_size=40),
    path=st.text(max_size=20),
    query=st.text(max_size=20),
)
def test_identify_any_request_gives_an_answer(target: str, authorization: str, path: str, query: str) -> None:
    for prefix in ("", "AWS ", "AWS4-HMAC-SHA256 Credential="):
        headers = [("x-amz-target", target), ("authorization", prefix + authorization)]
        assert identify(request(*headers, path="/" + path, query=query)).service is not None


def test_read_labels_keeps_an_encoded_slash_inside_a_value() -> None:
    assert read_labels("/endpoints/{EndpointName}/invocations", "/endpoints/a%2Fb/invocations") == {
        "EndpointName": "a/b"
    }
    assert read_labels("/endpoints/{EndpointName}/invocations", "/endpoints/a/b/invocations") is None
    assert read_labels("/{Bucket}/{Key+}?acl", "/b/x/y%20z") == {"Bucket": "b", "Key": "x/y z"}
    assert match_operation(models.service_model("sagemaker-runtime"), "POST", "/endpoints/a") is None

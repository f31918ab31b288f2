"""Requests as botocore makes them and answers as botocore reads them, without a network."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import botocore.model
import botocore.parsers
import botocore.serialize
from botocore.awsrequest import AWSRequest, HeadersDict, prepare_request_dict

from seatrial.platform.wire.request import Headers, WireRequest, WireResponse

ENDPOINT = "http://127.0.0.1:4577"


def wire_request(request: AWSRequest) -> WireRequest:
    """What a server would see of a request that botocore is about to send."""
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    pairs = [
        (name, value if isinstance(value, str) else value.decode("latin-1")) for name, value in prepared.headers.items()
    ]
    if "host" not in {name.lower() for name, _ in pairs}:
        pairs.append(("host", url.netloc))
    body = prepared.body if prepared.body is not None else b""
    return WireRequest(
        method=prepared.method,
        path=url.path or "/",
        query=url.query,
        headers=Headers(pairs),
        body=body.encode() if isinstance(body, str) else bytes(body),
    )


def client_request(operation: botocore.model.OperationModel, parameters: dict[str, Any], protocol: str) -> AWSRequest:
    """botocore's own request for these parameters, unsigned."""
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    as_dict = serializer.serialize_to_request(parameters, operation)
    prepare_request_dict(as_dict, endpoint_url=ENDPOINT)
    as_dict.pop("context", None)
    return AWSRequest(method=as_dict["method"], url=as_dict["url"], data=as_dict["body"], headers=as_dict["headers"])


def client_reads(operation: botocore.model.OperationModel, response: WireResponse, protocol: str) -> dict[str, Any]:
    """What boto3's user would get of an answer."""
    parser = botocore.parsers.create_parser(protocol)
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)  # type: ignore[arg-type]
    if operation.has_streaming_output:
        body = io.BytesIO(body)  # as botocore's endpoint hands it over
    headers = HeadersDict()
    for name, value in response.headers:
        headers[name] = value
    found: dict[str, Any] = parser.parse(
        {
            "headers": headers,
            "status_code": response.status,
            "body": body,
            "context": {"operation_name": operation.name},
        },
        operation.output_shape,
    )
    return {name: value.read() if isinstance(value, io.BytesIO) else value for name, value in found.items()}

"""Every operation of every service: botocore writes what we read, and reads what we write."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from tests.unit.platform.wire.clients import client_reads, client_request, wire_request
from tests.unit.platform.wire.shape_values import Values

from seatrial.platform.wire import models
from seatrial.platform.wire.identify import SERVICES, Identified, identify, resolve_operation
from seatrial.platform.wire.protocols import parse_request, serialise_output

REQUEST_ID = "5d5b6c9e-1c8e-4d0b-b6b1-2f6a3a4fb5a1"
PROTOCOLS = [(service.name, service.protocol) for service in SERVICES if service.name != "s3"]
PROTOCOLS.append(("cloudwatch", "query"))


def _without_empty(value: Any) -> Any:
    """The query protocol cannot tell an empty structure or list from none, nor REST an empty payload."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ({}, [], b"")}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _is_event_stream(operation: Any) -> bool:
    return bool(operation.has_event_stream_output or operation.has_event_stream_input)


@pytest.mark.slow
@pytest.mark.parametrize("is_full", [False, True], ids=["required", "all"])
@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
def test_parse_request_of_every_operation_gives_what_botocore_sent(service: str, protocol: str, is_full: bool) -> None:
    model = models.service_model(service)
    for number, name in enumerate(model.operation_names):
        operation = model.operation_model(name)
        if operation.has_event_stream_input:
            continue
        shape = operation.input_shape
        sent = Values(number, is_full=is_full).value(shape) if shape is not None else {}

        request = wire_request(client_request(operation, sent, protocol))
        identified = identify(request)

        assert (identified.service, identified.operation, identified.protocol) == (service, name, protocol)
        assert resolve_operation(identified).name == name
        parsed = parse_request(identified, operation, request)
        assert (name, _without_empty(parsed.parameters)) == (name, _without_empty(sent))
        assert (name, parsed.unknown) == (name, ())


@pytest.mark.slow
@pytest.mark.parametrize("is_full", [False, True], ids=["required", "all"])
@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
def test_serialise_output_of_every_operation_is_read_by_botocore(service: str, protocol: Any, is_full: bool) -> None:
    model = models.service_model(service)
    for number, name in enumerate(model.operation_names):
        operation = model.operation_model(name)
        if _is_event_stream(operation):
            continue
        shape = operation.output_shape
        output = Values(number, is_full=is_full).value(shape) if shape is not None else {}
        identified = Identified(service=service, protocol=protocol, operation=name)

        response = serialise_output(identified, operation, output, REQUEST_ID)

        read = client_reads(operation, response, protocol)
        metadata = read.pop("ResponseMetadata")
        assert metadata["RequestId"] == REQUEST_ID
        if "ContentType" not in output and protocol == "rest-json":
            read.pop("ContentType", None)  # HTTP's own, when the output has none
        assert (name, _in_utc(_without_empty(read))) == (name, _without_empty(output))


def _in_utc(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_utc(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_utc(item) for item in value]
    return value.astimezone(datetime.timezone.utc) if isinstance(value, datetime.datetime) else value

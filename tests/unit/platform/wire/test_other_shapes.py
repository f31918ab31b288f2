"""What the protocols have and none of our services uses today: a model of our own, again with botocore as oracle."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from botocore.model import OperationModel, ServiceModel
from tests.unit.platform.wire.clients import client_reads, client_request, wire_request

from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.protocols import query, rest_json

WHEN = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.timezone.utc)

MEMBERS: dict[str, Any] = {
    "Text": {"shape": "Text", "location": "querystring", "locationName": "text"},
    "Texts": {"shape": "Texts", "location": "querystring", "locationName": "texts"},
    "IsOn": {"shape": "Bool", "location": "querystring", "locationName": "on"},
    "Since": {"shape": "Time", "location": "querystring", "locationName": "since"},
    "Prefixed": {"shape": "Map", "location": "headers", "locationName": "x-extra-"},
    "Modified": {"shape": "Time", "location": "header", "locationName": "Last-Modified"},
    "Count": {"shape": "Int", "location": "header", "locationName": "x-count"},
    "Ratio": {"shape": "Float", "location": "header", "locationName": "x-ratio"},
    "Names": {"shape": "Texts", "location": "header", "locationName": "x-names"},
}
SHAPES: dict[str, Any] = {
    "Text": {"type": "string"},
    "Bool": {"type": "boolean"},
    "Int": {"type": "integer"},
    "Float": {"type": "double"},
    "Time": {"type": "timestamp"},
    "Blob": {"type": "blob"},
    "Texts": {"type": "list", "member": {"shape": "Text"}},
    "FlatTexts": {"type": "list", "member": {"shape": "Text", "locationName": "Item"}, "flattened": True},
    "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
    "FlatMap": {
        "type": "map",
        "key": {"shape": "Text", "locationName": "Name"},
        "value": {"shape": "Text", "locationName": "Value"},
        "flattened": True,
    },
    "Inner": {"type": "structure", "members": {"A": {"shape": "Text"}, "B": {"shape": "Blob"}}},
    "RestInput": {
        "type": "structure",
        "members": {
            "Id": {"shape": "Text", "location": "uri", "locationName": "id"},
            **MEMBERS,
            "Inner": {"shape": "Inner"},
        },
    },
    "PayloadInput": {
        "type": "structure",
        "members": {"Inner": {"shape": "Inner"}, "Text": MEMBERS["Text"]},
        "payload": "Inner",
    },
    "TextInput": {"type": "structure", "members": {"Body": {"shape": "Text"}}, "payload": "Body"},
    "RestOutput": {
        "type": "structure",
        "members": {
            **{name: MEMBERS[name] for name in ("Prefixed", "Modified", "Count", "Ratio")},
            "Status": {"shape": "Int", "location": "statusCode"},
            "Inner": {"shape": "Inner"},
        },
        "payload": "Inner",
    },
    "BodyOutput": {
        "type": "structure",
        "members": {"Inner": {"shape": "Inner"}, "Ratio": {"shape": "Float"}, "At": {"shape": "Time"}},
    },
    "Form": {
        "type": "structure",
        "members": {
            "Flat": {"shape": "FlatTexts"},
            "Map": {"shape": "Map"},
            "FlatMap": {"shape": "FlatMap"},
            "Inner": {"shape": "Inner"},
            "IsOn": {"shape": "Bool"},
            "Ratio": {"shape": "Float"},
            "At": {"shape": "Time"},
        },
    },
}


def operation(protocol: str, input_shape: str, output_shape: str = "BodyOutput") -> OperationModel:
    uri = "/things/{id}" if input_shape == "RestInput" else "/things"
    described = {
        "name": "Do",
        "http": {"method": "POST", "requestUri": uri if protocol == "rest-json" else "/"},
        "input": {"shape": input_shape},
        "output": {"shape": output_shape, "resultWrapper": "DoResult"},
    }
    metadata = {
        "apiVersion": "2026-11-23",
        "endpointPrefix": "things",
        "protocol": protocol,
        "protocols": [protocol],
        "serviceId": "Things",
        "xmlNamespace": "https://things/",
    }
    model = ServiceModel({"metadata": metadata, "operations": {"Do": described}, "shapes": SHAPES}, "things")
    return model.operation_model("Do")


INNER = {"A": "é", "B": b"\x00\xff"}


@pytest.mark.parametrize(
    ("input_shape", "sent"),
    [
        (
            "RestInput",
            {
                "Id": "a/b c",
                "Text": "a&b=ü",
                "Texts": ["x", "y z"],
                "IsOn": True,
                "Since": WHEN,
                "Prefixed": {"one": "1", "two": "2"},
                "Modified": WHEN,
                "Count": 3,
                "Ratio": 0.5,
                "Names": ["a", "b"],
                "Inner": INNER,
            },
        ),
        ("RestInput", {"Id": "a", "IsOn": False, "Prefixed": {}}),
        ("PayloadInput", {"Inner": INNER, "Text": "a"}),
        ("PayloadInput", {"Text": "a", "Inner": {}}),
        ("TextInput", {"Body": "ü"}),
    ],
)
def test_parse_rest_json(input_shape: str, sent: dict[str, Any]) -> None:
    model = operation("rest-json", input_shape)

    parsed = rest_json.parse_request(model, wire_request(client_request(model, sent, "rest-json")))

    assert (parsed.parameters, parsed.unknown) == (sent, ())


def test_parse_rest_json_body_member_that_belongs_elsewhere_is_unknown() -> None:
    model = operation("rest-json", "RestInput")
    request = wire_request(client_request(model, {"Id": "a", "Inner": INNER}, "rest-json"))
    request = type(request)(method="POST", path=request.path, body=b'{"Text": "a", "Foo": 1, "Inner": {"A": "b"}}')

    parsed = rest_json.parse_request(model, request)

    assert parsed.parameters == {"Id": "a", "Prefixed": {}, "Inner": {"A": "b"}}
    assert parsed.unknown == ("Foo", "Text")


@pytest.mark.parametrize(
    ("output_shape", "output"),
    [
        (
            "RestOutput",
            {"Prefixed": {"a": "1"}, "Modified": WHEN, "Count": 3, "Ratio": 0.5, "Status": 201, "Inner": INNER},
        ),
        ("BodyOutput", {"Inner": INNER, "Ratio": float("inf"), "At": WHEN}),
        ("BodyOutput", {"Ratio": -1.5}),
    ],
)
def test_serialise_rest_json(output_shape: str, output: dict[str, Any]) -> None:
    model = operation("rest-json", "RestInput", output_shape)

    read = client_reads(model, rest_json.serialise_output(model, output), "rest-json")

    del read["ResponseMetadata"]
    assert read == output


def test_serialise_rest_json_sets_the_status() -> None:
    model = operation("rest-json", "RestInput", "RestOutput")

    assert rest_json.serialise_output(model, {"Status": 202}).status == 202


@pytest.mark.parametrize(
    "values",
    [
        {
            "Flat": ["a", "b"],
            "Map": {"a": "1", "b": "<2>\r\n"},
            "FlatMap": {"x": "y"},
            "Inner": INNER,
            "IsOn": True,
            "Ratio": 0.25,
            "At": WHEN,
        },
        {"IsOn": False, "Map": {"a": ""}},
    ],
)
def test_query_both_ways(values: dict[str, Any]) -> None:
    model = operation("query", "Form", "Form")

    parsed = query.parse_request(model, wire_request(client_request(model, values, "query")))
    read = client_reads(model, query.serialise_output(model, values, "id"), "query")

    del read["ResponseMetadata"]
    assert (parsed.parameters, parsed.unknown) == (values, ())
    assert read == values


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("Inner.B=%21", "only base64-encoded strings are convertible to bytes"),
        ("IsOn=maybe", "'maybe' can not be converted to boolean"),
        ("Map.entry.1.value=a", "a map entry has no key"),
        ("At=soon", "'soon' can not be converted to timestamp"),
    ],
)
def test_parse_query_of_a_wrong_type_is_refused(form: str, text: str) -> None:
    model = operation("query", "Form")
    request = wire_request(client_request(model, {}, "query"))

    with pytest.raises(ServiceError, match=text):
        query.parse_request(model, type(request)(method="POST", path="/", body=request.body + b"&" + form.encode()))

"""Which service and operation a request is for, read from tables.

Every AWS client can be pointed at one port, so a request says by itself where it wants to go, in this order:

1. the signing name, in the credential scope of ``Authorization`` or ``X-Amz-Credential``; an S3 signature of version 2
   names no service and is S3's;
2. the prefix of ``X-Amz-Target``;
3. the path (``/endpoints/{name}/invocations``, RPC v2's ``/service/…``);
4. ``Version`` of a form body with ``Action``;
5. what is left is S3.

The signing name ``sagemaker`` is shared by several services, which 2 and 3 tell apart. Nothing here trusts the key:
that is ``signing``'s work.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl

from seatrial.platform.wire import models
from seatrial.platform.wire.errors import unknown_operation, unsupported_service
from seatrial.platform.wire.request import WireRequest
from seatrial.platform.wire.uri_templates import match_operation

if TYPE_CHECKING:
    from botocore.model import OperationModel

Protocol: TypeAlias = Literal["json", "rest-json", "query", "rest-xml", "smithy-rpc-v2-cbor"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How requests for one service are known; every field agrees with botocore's model (a test compares them)."""

    name: str
    """botocore's name."""
    signing_name: str
    protocol: Protocol
    """The protocol when the request does not show another one."""
    target_prefix: str | None = None
    query_version: str | None = None
    path: re.Pattern[str] | None = None
    """Paths that only this one of the services with the same signing name has."""


SERVICES: tuple[Service, ...] = (
    Service(name="sagemaker", signing_name="sagemaker", protocol="json", target_prefix="SageMaker"),
    Service(
        name="sagemaker-runtime",
        signing_name="sagemaker",
        protocol="rest-json",
        path=re.compile(r"/endpoints/[^/]+/(invocations|async-invocations|invocations-response-stream)"),
    ),
    Service(
        name="sagemaker-metrics",
        signing_name="sagemaker",
        protocol="rest-json",
        path=re.compile(r"/Batch(Put|Get)Metrics"),
    ),
    Service(name="logs", signing_name="logs", protocol="json", target_prefix="Logs_20140328"),
    Service(
        name="cloudwatch",
        signing_name="monitoring",
        protocol="json",
        target_prefix="GraniteServiceVersion20100801",
        query_version="2010-08-01",
    ),
    Service(name="sts", signing_name="sts", protocol="query", query_version="2011-06-15"),
    Service(name="iam", signing_name="iam", protocol="query", query_version="2010-05-08"),
    Service(
        name="ecr",
        signing_name="ecr",
        protocol="json",
        target_prefix="AmazonEC2ContainerRegistry_V20150921",
    ),
    Service(
        name="application-autoscaling",
        signing_name="application-autoscaling",
        protocol="json",
        target_prefix="AnyScaleFrontendService",
    ),
    Service(name="s3", signing_name="s3", protocol="rest-xml"),
)

SERVICE_BY_NAME: Mapping[str, Service] = MappingProxyType({service.name: service for service in SERVICES})
_BY_TARGET = {service.target_prefix: service for service in SERVICES if service.target_prefix}
_BY_VERSION = {service.query_version: service for service in SERVICES if service.query_version}
_S3 = SERVICE_BY_NAME["s3"]

_RPC_V2_PATH = re.compile(r"/service/(?P<target>[^/]+)/operation/(?P<operation>[^/]+)/?")
_RPC_V2: Protocol = "smithy-rpc-v2-cbor"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who signed, as the request claims it.

    ``date`` (``YYYYMMDD``), ``region`` and ``signing_name`` are empty for S3's signature of version 2.
    """

    access_key_id: str
    date: str = ""
    region: str = ""
    signing_name: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """Where a request wants to go.

    Attributes:
        service: botocore's name, or, for a service that is not in ``SERVICES``, what the request calls it.
        protocol: The one that this request uses; the answer uses the same.
        operation: As the request names it, or found by method and path; ``None`` for S3 and for an unknown path.
        credential: Whose key and region the request claims; ``None`` for an unsigned request.
        is_known: The service is in ``SERVICES``; otherwise an upstream may know it.
    """

    service: str
    protocol: Protocol
    operation: str | None = None
    credential: Credential | None = None
    is_known: bool = True


def identify(request: WireRequest) -> Identified:
    """Tell which service and operation a request is for. Never fails: an unknown one is said to be unknown.

    REST-JSON needs the service's model, which is loaded for it; the other protocols are told from tables alone.
    """
    credential = read_credential(request)
    target_prefix, _, target_operation = (request.headers.get("x-amz-target") or "").rpartition(".")
    rpc_v2 = _RPC_V2_PATH.fullmatch(request.path) if request.headers.get("smithy-protocol") else None
    if rpc_v2 is not None:
        target_prefix, target_operation = rpc_v2["target"], rpc_v2["operation"]
    action = _read_action(request) if not target_operation else {}

    service = _find_service(request, credential, target_prefix, action.get("Version"))
    if service is None:
        name = (credential and credential.signing_name) or target_prefix
        protocol: Protocol = "json" if target_prefix else "query" if action else "rest-xml"
        operation = target_operation or action.get("Action")
        return Identified(service=name, protocol=protocol, operation=operation, credential=credential, is_known=False)
    protocol = _read_protocol(request, service, is_rpc_v2=rpc_v2 is not None, is_action=bool(action))
    operation = target_operation or action.get("Action") or _find_rest_operation(request, service, protocol)
    return Identified(service=service.name, protocol=protocol, operation=operation, credential=credential)


def resolve_operation(identified: Identified) -> OperationModel:
    """The model of the operation that was identified; not for S3, which is written by hand.

    Raises:
        ServiceError: UnknownOperationException, or InvalidAction in the query protocol: there is no such service here,
            or the service has no such operation in botocore's model.
    """
    if not identified.is_known:
        raise unsupported_service(identified.service)
    found = models.find_operation(identified.service, identified.operation) if identified.operation else None
    if found is None:
        raise unknown_operation(
            identified.operation,
            service=identified.service,
            protocol=identified.protocol,
            version=SERVICE_BY_NAME[identified.service].query_version or "",
        )
    return found


def read_credential(request: WireRequest) -> Credential | None:
    """The key and scope that a request claims, in a header or in a presigned query; ``None`` when there are none."""
    authorization = request.headers.get("authorization") or ""
    if authorization.startswith("AWS "):
        return Credential(access_key_id=authorization[4:].partition(":")[0].strip())
    if authorization.startswith("AWS4-"):
        found = re.search(r"Credential=([^,\s]+)", authorization)
        return _parse_credential(found[1]) if found else None
    query = dict(request.query_pairs()) if request.query else {}
    if "X-Amz-Credential" in query:
        return _parse_credential(query["X-Amz-Credential"])
    if "AWSAccessKeyId" in query:
        return Credential(access_key_id=query["AWSAccessKeyId"])
    return None


def _parse_credential(text: str) -> Credential | None:
    """``KEY/20261123/us-east-1/sagemaker/aws4_request``; a key may hold slashes, so read from the right."""
    parts = text.rsplit("/", 4)
    if len(parts) != 5:
        return None
    return Credential(access_key_id=parts[0], date=parts[1], region=parts[2], signing_name=parts[3])


def _read_action(request: WireRequest) -> dict[str, str]:
    """``Action`` and ``Version`` of the query protocol, from a form body, or from the query of a presigned GET."""
    pairs: list[tuple[str, str]] = []
    if "Action=" in request.query:
        pairs = request.query_pairs()
    content_type = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if request.path == "/" and content_type == "application/x-www-form-urlencoded" and b"Action=" in request.body:
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    found = {name: value for name, value in pairs if name in ("Action", "Version")}
    return found if "Action" in found else {}


def _find_service(
    request: WireRequest, credential: Credential | None, target_prefix: str, version: str | None
) -> Service | None:
    """``None``: the request names a service that is not in the table."""
    if credential is not None:
        if not credential.signing_name or credential.signing_name == "s3express":
            return _S3
        candidates = tuple(service for service in SERVICES if service.signing_name == credential.signing_name)
        return _narrow(candidates, request.path, target_prefix) if candidates else None
    if target_prefix:
        return _BY_TARGET.get(target_prefix)
    by_path = (service for service in SERVICES if service.path is not None and service.path.fullmatch(request.path))
    return next(by_path, None) or _BY_VERSION.get(version or "") or (None if version else _S3)


def _narrow(candidates: tuple[Service, ...], path: str, target_prefix: str) -> Service:
    """The one of the services with the same signing name; the first row when nothing else speaks for another."""
    if not target_prefix:
        for service in candidates:
            if service.path is not None and service.path.fullmatch(path):
                return service
    return candidates[0]


def _read_protocol(request: WireRequest, service: Service, *, is_rpc_v2: bool, is_action: bool) -> Protocol:
    if is_rpc_v2:
        return _RPC_V2
    if is_action and service.query_version is not None:
        return "query"
    if service.protocol == "json" and "x-amz-target" not in request.headers and request.path != "/":
        return "rest-json"  # a service with the same signing name that we do not have; answered in its protocol
    return service.protocol


def _find_rest_operation(request: WireRequest, service: Service, protocol: Protocol) -> str | None:
    if protocol != "rest-json" or service.protocol != "rest-json":
        return None
    return match_operation(models.service_model(service.name), request.method, request.path)

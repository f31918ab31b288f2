"""The one door: what happens to a request, step by step.

    identify → authenticate → parse → validate → dispatch → serialise

S3 goes its own way after the second step: its bodies are streams. Everything else is a small document that a handler
turns into another one. A Describe of a botocore waiter is answered when the resource has changed, so that a waiter
learns of a job's end at once (design.md, "Waiters").
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from seatrial.platform.services.members import Handler
from seatrial.platform.wire import protocols
from seatrial.platform.wire.authentication import authenticate
from seatrial.platform.wire.errors import ServiceError, validation_error
from seatrial.platform.wire.identify import Identified, identify, resolve_operation
from seatrial.platform.wire.request import Headers, WireRequest, WireResponse
from seatrial.platform.wire.signing import SIGNATURE, FindKey, Signature
from seatrial.platform.wire.validation import validate
from seatrial.platform.wire.waiters import is_waiter

LOG = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_MAX_BYTES = 32 << 20
"""Of a request that is no object's: far above any document that AWS takes."""

HANDLER_THREADS = 8

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "host.docker.internal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What stands behind the door."""

    s3: ASGIApplication
    handlers: Mapping[str, Mapping[str, Handler]]
    """Service → operation → handler; each runs in a thread."""
    hold: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[None]]] = field(default_factory=dict)
    """Operation of SageMaker → returns when what a waiter asks about has changed."""


class Door:
    """The ASGI application of the platform.

    Args:
        services: Where requests go.
        find_key: The configured keys; ``None`` lets everybody in, which only a loopback address may do.
    """

    def __init__(self, services: Services, *, find_key: FindKey | None = None) -> None:
        self._services = services
        self._find_key = find_key
        self._threads = ThreadPoolExecutor(HANDLER_THREADS, thread_name_prefix="handler")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = _head_of(scope)
        identified = identify(request)
        request_id = secrets.token_hex(16)
        try:
            self._check_origin(request)
            if identified.service == "s3" and not _is_form(request):
                # The service reads the body; what it has to agree with goes along.
                signature = self._authenticate(dataclasses.replace(request, stream=iter(())), identified)
                await self._services.s3({**scope, SIGNATURE: signature}, receive, send)
                return
            request = await _with_body(request, receive)
            identified = identify(request)
            self._authenticate(request, identified)
            response = await self._answer(request, identified, request_id)
        except ServiceError as error:
            response = protocols.serialise_error(identified, error, request_id, request=request)
        except Exception as error:
            LOG.exception("request %s for %s failed", request_id, identified.operation)
            what = f"Seatrial itself failed ({type(error).__name__}); its log has request {request_id}"
            response = protocols.serialise_error(
                identified, ServiceError("InternalFailure", what, 500, is_sender_fault=False), request_id
            )
        await _send(response, send)

    def close(self) -> None:
        """Wait for the handlers that are at work."""
        self._threads.shutdown()

    def _authenticate(self, request: WireRequest, identified: Identified) -> Signature | None:
        if self._find_key is None:
            return None
        now = datetime.datetime.now(datetime.timezone.utc)
        return authenticate(request, identified, find_key=self._find_key, now=now)

    def _check_origin(self, request: WireRequest) -> None:
        """A web page must not use a door that asks for no key: neither with its own name for us nor from elsewhere."""
        if self._find_key is not None:
            return
        host = urlsplit(f"//{request.headers.get('host') or ''}")
        name = f"[{host.hostname}]" if ":" in (host.hostname or "") else host.hostname or ""
        is_ours = name in LOOPBACK_HOSTS or name.endswith((".localhost", ".127.0.0.1"))
        if not is_ours or request.headers.get("origin"):
            raise ServiceError(
                "AccessDeniedException",
                f"Seatrial answers without a key at its loopback address only, and no web page; found Host {name!r}.",
                403,
            )

    async def _answer(self, request: WireRequest, identified: Identified, request_id: str) -> WireResponse:
        operation = resolve_operation(identified)
        handler = self._services.handlers.get(identified.service, {}).get(operation.name)
        if handler is None:
            raise ServiceError(
                "UnknownOperationException",
                f"Seatrial does not emulate {operation.name} of {identified.service}.",
                400,
            )
        parsed = protocols.parse_request(identified, operation, request)
        if parsed.unknown:
            raise validation_error(
                f"{operation.name} has no member {', '.join(parsed.unknown)}.", service=identified.service
            )
        validate(operation, parsed.parameters)
        hold = self._services.hold.get(operation.name) if is_waiter(request.headers) else None
        if hold is not None:
            await hold(parsed.parameters)
        loop = asyncio.get_running_loop()
        output = await loop.run_in_executor(self._threads, handler, dict(parsed.parameters))
        return protocols.serialise_output(identified, operation, output, request_id)


def _head_of(scope: Scope) -> WireRequest:
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return WireRequest(
        method=scope["method"],
        path=raw_path.decode("latin-1"),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=Headers.from_asgi(scope["headers"]),
    )


def _is_form(request: WireRequest) -> bool:
    """An unsigned form without a path may be a request of the query protocol."""
    content_type = request.headers.get("content-type") or ""
    return request.path == "/" and content_type.startswith("application/x-www-form-urlencoded")


async def _with_body(request: WireRequest, receive: Receive) -> WireRequest:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ServiceError("IncompleteBody", "The connection was closed before the body had come.", 400)
        body += message.get("body", b"")
        if len(body) > BODY_MAX_BYTES:
            raise ServiceError("RequestEntityTooLargeException", f"The body has more than {BODY_MAX_BYTES} bytes.", 413)
        if not message.get("more_body", False):
            break
    return WireRequest(
        method=request.method, path=request.path, query=request.query, headers=request.headers, body=bytes(body)
    )


async def _send(response: WireResponse, send: Send) -> None:
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("a handler of the platform answers with one document")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

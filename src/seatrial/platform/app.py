"""The one door: what happens to a request, step by step.

    identify → authenticate → parse → validate → judge members → dispatch → serialise

S3 goes its own way after the second step: its bodies are streams. So does a service that is somebody else's, when there
is an upstream for it. Everything else is a small document that a handler turns into another one. A Describe of a
botocore waiter is answered when the resource has changed, so that a waiter learns of a job's end at once (design.md,
"Waiters").
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from seatrial.platform.controls import PREFIX as CONTROLS_PREFIX
from seatrial.platform.keys import Keyring
from seatrial.platform.services.handlers import CallerHandler, Handler
from seatrial.platform.services.s3.requests import SIGNATURE, BodySource
from seatrial.platform.services.sessions import Session
from seatrial.platform.wire import protocols
from seatrial.platform.wire.authentication import authenticate, security_token
from seatrial.platform.wire.errors import (
    ServiceError,
    not_emulated,
    unknown_members,
    unsupported_operation,
    unsupported_service,
)
from seatrial.platform.wire.identify import SERVICE_BY_NAME, Identified, identify, resolve_operation
from seatrial.platform.wire.operations import (
    Declaration,
    Found,
    Use,
    members_not_acted_on,
    render_without_effect,
)
from seatrial.platform.wire.request import Headers, WireRequest, WireResponse
from seatrial.platform.wire.signing import Signature
from seatrial.platform.wire.validation import render_java, validate
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
SLOW_HANDLER_THREADS = 8
"""Of their own for ``Services.slow``: however many of these wait for somebody, a Describe does not."""

_UNREAD: Iterator[bytes] = iter(())
"""Says that a body is still to come; nobody reads it from here."""

LOOPBACK_NAMES = frozenset({"localhost", "host.docker.internal"})
"""What a loopback address is called beside its number; the second is Docker Desktop's for its host."""

_OF_NO_PAGE = frozenset({"none", "same-origin"})
"""``Sec-Fetch-Site`` of what a browser asks for by itself, or for a page of ours, of which there is none."""
_READING = ("Get", "List", "Describe")
"""How the operations begin that change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What stands behind the door."""

    s3: ASGIApplication
    handlers: Mapping[str, Mapping[str, Handler]]
    """Service → operation → handler; each runs in a thread."""
    declarations: Mapping[str, Mapping[str, Declaration]]
    """Service → operation → what it does with each member."""
    caller_handlers: Mapping[str, Mapping[str, CallerHandler]] = field(default_factory=dict)
    """As ``handlers``, for operations whose answer depends on who asks."""
    find_session: Callable[[str], Session | None] = lambda _token: None
    """The session that a security token is of, if we issued it."""
    host_bucket: Callable[[str], str] = lambda _host: ""
    """The bucket that a ``Host`` header names, which S3's old signatures cover."""
    checks_of_callers_with_keys: Mapping[str, Callable[[Mapping[str, Any]], None]] = field(default_factory=dict)
    """Operation of SageMaker → refuses what only callers at a loopback address may ask for."""
    hold: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[None]]] = field(default_factory=dict)
    """Operation of SageMaker → returns when what a waiter asks about has changed."""
    controls: Callable[[WireRequest], WireResponse] | None = None
    """Answers below ``controls.PREFIX``, where no key is asked for; runs in a thread."""
    slow: frozenset[str] = frozenset()
    """Operations that ask others before they answer: Docker, the object store, the disk."""
    upstream: ASGIApplication | None = None
    """Answers for every service that has no handler here; those that share a signing name with one that has are ours,
    also where we do not emulate them: nobody else knows our endpoints."""

    def is_ours(self, identified: Identified) -> bool:
        """Whether nobody but us answers a request, also with an upstream."""
        ours = {"s3"} | {SERVICE_BY_NAME[name].signing_name for name in self.handlers}
        known = SERVICE_BY_NAME.get(identified.service) if identified.is_known else None
        named = identified.credential.signing_name if identified.credential else ""
        return (known.signing_name if known else named or identified.service) in ours

    def upstream_for(self, identified: Identified) -> ASGIApplication | None:
        """Who answers a request that is not for us."""
        return None if self.is_ours(identified) else self.upstream


class Door:
    """What all listeners of the platform lead to.

    Args:
        services: Where requests go.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._said: set[str] = set()
        self._threads = ThreadPoolExecutor(HANDLER_THREADS, thread_name_prefix="handler")
        self._slow_threads = ThreadPoolExecutor(SLOW_HANDLER_THREADS, thread_name_prefix="slow-handler")

    async def answer(self, scope: Scope, receive: Receive, send: Send, *, keyring: Keyring | None) -> None:
        """Answer one request, as an ASGI application does.

        Args:
            scope: ASGI's.
            receive: ASGI's.
            send: ASGI's.
            keyring: The keys to ask for; ``None`` lets everybody in, which only a loopback address may do.
        """
        if scope["type"] != "http":
            return
        request = _head_of(scope)
        identified = identify(request)
        request_id = secrets.token_hex(16)
        body = BodySource(receive, dict(request.headers))
        try:
            if keyring is None:
                _check_origin(request)
            if self._services.controls is not None and keyring is None and request.path.startswith(CONTROLS_PREFIX):
                answer = functools.partial(self._services.controls, await _with_body(request, body.receive))
                response = await asyncio.get_running_loop().run_in_executor(self._threads, answer)
                await _send(response, send, is_last=False)
                return
            if identified.service == "s3" and not _is_form(request):
                # The body is not here yet, and so is compared with its signature by the service.
                scope[SIGNATURE] = self._authenticate(request, identified, keyring, has_body=False)
                await self._services.s3(scope, body.receive, send)
                return
            upstream = self._services.upstream_for(identified)
            if upstream is not None and keyring is None and not _is_form(request):
                await upstream(scope, body.receive, send)
                return
            request = await _with_body(request, body.receive)
            identified = identify(request)
            if keyring is None:
                _check_method(request, identified)
            self._authenticate(request, identified, keyring)
            upstream = self._services.upstream_for(identified)
            if upstream is not None:
                await upstream(scope, _replay(request.body, body.receive), send)
                return
            response = await self._answer(request, identified, request_id, is_keyless=keyring is None)
        except ServiceError as error:
            response = protocols.serialise_error(identified, error, request_id, request=request)
        except Exception as error:
            LOG.exception("request %s for %s failed", request_id, identified.operation)
            what = f"Seatrial itself failed ({type(error).__name__}); its log has request {request_id}"
            response = protocols.serialise_error(
                identified, ServiceError("InternalFailure", what, 500, is_sender_fault=False), request_id
            )
        await _send(response, send, is_last=not await body.drain())

    def close(self) -> None:
        """Wait for the handlers that are at work."""
        self._threads.shutdown()
        self._slow_threads.shutdown()

    def _authenticate(
        self, request: WireRequest, identified: Identified, keyring: Keyring | None, *, has_body: bool = True
    ) -> Signature | None:
        if keyring is None:
            return None
        return authenticate(
            request if has_body else replace(request, stream=_UNREAD),
            identified,
            find_key=keyring.finder(security_token(request)),
            now=datetime.datetime.now(datetime.timezone.utc),
            host_bucket=self._services.host_bucket(request.headers.get("host") or ""),
        )

    def _find_handler(self, request: WireRequest, service: str, operation: str) -> Handler:
        of_caller = self._services.caller_handlers.get(service, {}).get(operation)
        if of_caller is None:
            return self._services.handlers[service][operation]
        token = security_token(request)
        return functools.partial(of_caller, None if token is None else self._services.find_session(token))

    async def _answer(
        self, request: WireRequest, identified: Identified, request_id: str, *, is_keyless: bool
    ) -> WireResponse:
        operation = resolve_operation(identified)
        declaration = self._services.declarations.get(identified.service, {}).get(operation.name)
        if declaration is None:
            raise self._unsupported(identified, operation.name)
        parsed = protocols.parse_request(identified, operation, request)
        if parsed.unknown:
            raise unknown_members(parsed.unknown, operation=operation.name, service=identified.service)
        validate(operation, parsed.parameters, extensions=declaration.extensions)
        self._judge_members(declaration, parsed.parameters)
        if not is_keyless and operation.name in self._services.checks_of_callers_with_keys:
            self._services.checks_of_callers_with_keys[operation.name](parsed.parameters)
        handler = self._find_handler(request, identified.service, operation.name)
        hold = self._services.hold.get(operation.name) if is_waiter(request.headers) else None
        if hold is not None:
            await hold(parsed.parameters)

        def respond() -> WireResponse:
            output = handler(dict(parsed.parameters))
            return protocols.serialise_output(identified, operation, output, request_id)

        threads = self._slow_threads if operation.name in self._services.slow else self._threads
        return await asyncio.get_running_loop().run_in_executor(threads, respond)

    def _unsupported(self, identified: Identified, operation: str) -> ServiceError:
        """An upstream would help where it would get the request."""
        if not self._services.is_ours(identified):
            return unsupported_service(identified.service)
        return unsupported_operation(
            operation,
            service=identified.service,
            protocol=identified.protocol,
            implemented=self._services.declarations.get(identified.service, ()),
        )

    def _judge_members(self, declaration: Declaration, parameters: Mapping[str, Any]) -> None:
        """Refuse what is not emulated; say once what nothing acts on."""
        for found in members_not_acted_on(declaration, parameters):
            if found.use in {Use.REFUSED, Use.UNDECLARED}:
                raise _refusal(declaration, found)
            line = render_without_effect(declaration, found)
            if line not in self._said:
                self._said.add(line)
                LOG.warning("%s", line)


def _refusal(declaration: Declaration, found: Found) -> ServiceError:
    value = render_java(found.value) if found.path in declaration.only else None
    why = declaration.refused.get(found.path, "")
    return not_emulated(found.place or declaration.operation, value, service=declaration.service, why=why)


def is_loopback(address: str) -> bool:
    """Whether a text is a loopback address; a name is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _check_origin(request: WireRequest) -> None:
    """A web page must not use a door that asks for no key: neither with its own name for us nor from elsewhere."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site") or "none"
    if origin or site not in _OF_NO_PAGE:
        found = f"Origin {origin!r}" if origin else f"Sec-Fetch-Site {site!r}"
        raise ServiceError("AccessDeniedException", f"Seatrial answers no web page; found {found}.", 403)
    name = urlsplit(f"//{request.headers.get('host') or ''}").hostname or ""
    if not (name in LOOPBACK_NAMES or is_loopback(name) or name.endswith((".localhost", ".127.0.0.1"))):
        raise ServiceError(
            "AccessDeniedException",
            f"Seatrial answers without a key at its loopback address only; found Host {name!r}.",
            403,
        )


def _check_method(request: WireRequest, identified: Identified) -> None:
    """An image of a web page is a GET, and an old browser says no more of it: by GET nothing is changed."""
    operation = identified.operation or ""
    if identified.protocol == "query" and request.method != "POST" and not operation.startswith(_READING):
        raise ServiceError(
            "AccessDeniedException",
            f"Seatrial takes {operation} without a key by POST only; found {request.method}.",
            403,
        )


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


def _replay(body: bytes, receive: Receive) -> Receive:
    """A body that was read, for somebody who reads it too."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def _send(response: WireResponse, send: Send, *, is_last: bool) -> None:
    """Send an answer; after the last one the connection is closed, as a part of the request is still to come on it."""
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("a handler of the platform answers with one document")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"content-length", str(len(body)).encode()))
    if is_last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Requests that somebody else answers: sent on as they came, and the answer sent back as it comes.

A forwarder is an ASGI application behind the door. Method, path, query, headers and body go through unchanged, so that
a signature stays valid (``Host`` is the one that the client used); what belongs to one connection does not
(``wire.hops``). Bodies stream both ways at the pace of the slower side, and nothing is tried a second time: that is the
client's decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import aiohttp
from yarl import URL

from seatrial.platform.wire import hops
from seatrial.platform.wire.errors import ServiceError

LOG = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 900.0
"""Without a byte of the answer: as long as the longest call of AWS takes (a Lambda function's 15 minutes). A client
that gives up earlier ends the exchange."""
HEADER_MAX_BYTES = 65_536

_CONNECTION_KEPT_SECONDS = 4.0
"""Less than servers keep an idle connection, so that a request rarely meets one that has just been closed."""
_ADDED_BY_AIOHTTP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Forwarder:
    """Sends requests on to one server.

    Args:
        origin: ``http://host:port`` or ``https://host``, nothing behind it.
        option: What the user named it with, for error messages.
    """

    def __init__(self, origin: str, *, option: str) -> None:
        self._origin = origin
        self._option = option
        self._name = f"seatrial-{secrets.token_hex(8)}"
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            ServiceError: there is no answer to send back. Nothing is raised once the answer has begun: an upstream
                that fails then leaves the answer unfinished, which makes the server close the client's connection.
        """
        if hops.has_passed(scope["headers"], self._name):
            what = f"{self._option} {self._origin} leads back to this platform; name another server."
            raise ServiceError("LoopDetected", what, 508, is_sender_fault=False)
        body = _RequestBody(receive, hops.has_body(scope["headers"]))
        exchange = asyncio.create_task(self._exchange(scope, body, send))
        departure = asyncio.create_task(body.wait_until_client_is_gone())
        try:
            await asyncio.wait({exchange, departure}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            departure.cancel()
            if not exchange.done():
                exchange.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await exchange

    async def close(self) -> None:
        """Close the connections; in the event loop that has used them."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _exchange(self, scope: Scope, body: _RequestBody, send: Send) -> None:
        async with self._ask(scope, body) as response:
            headers = hops.response_headers(response.raw_headers)
            if headers is None or not 200 <= response.status <= 599:
                raise self._bad_gateway("what it answers is no HTTP")
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            try:
                async for chunk in response.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except (aiohttp.ClientError, asyncio.TimeoutError) as error:
                LOG.warning("%s %s broke off in the middle of an answer: %s", self._option, self._origin, error)
                return
            await send({"type": "http.response.body", "body": b""})

    @contextlib.asynccontextmanager
    async def _ask(self, scope: Scope, body: _RequestBody) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = hops.request_headers(scope["headers"], passed=self._name)
        try:
            response = await self._open_session().request(
                scope["method"],
                self._target(scope),
                headers=headers,
                data=body.chunks() if body.is_there else None,
                allow_redirects=False,
                skip_auto_headers=_ADDED_BY_AIOHTTP,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            what = f"Seatrial cannot reach {self._origin}, which {self._option} names: {_reason(error)}."
            raise ServiceError("ServiceUnavailable", what, 503, is_sender_fault=False) from error
        except asyncio.TimeoutError as error:
            raise self._bad_gateway(f"no answer within {IDLE_SECONDS:g} seconds") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise self._bad_gateway(_reason(error)) from error
        try:
            yield response
        except BaseException:
            response.close()
            raise
        response.release()  # it is used again when it is at the answer's end, and closed otherwise

    def _target(self, scope: Scope) -> URL:
        """The address at the upstream, byte for byte as the client wrote it."""
        raw: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        query: bytes = scope.get("query_string", b"")
        if not raw.startswith(b"/") or not (raw + query).isascii() or b"#" in raw + query:
            raise ServiceError("InvalidRequest", "Seatrial does not send this request on: its path is no path.", 400)
        suffix = b"?" + query if query else b""
        return URL(self._origin + (raw + suffix).decode("ascii"), encoded=True)

    def _bad_gateway(self, what: str) -> ServiceError:
        text = f"{self._origin}, which {self._option} names, did not answer: {what}."
        return ServiceError("BadGateway", text, 502, is_sender_fault=False)

    def _open_session(self) -> aiohttp.ClientSession:
        """Made at the first request: it belongs to the event loop that serves."""
        if self._session is None:
            context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_CONNECTION_KEPT_SECONDS, ssl=context)
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS),
                max_line_size=HEADER_MAX_BYTES,
                max_field_size=HEADER_MAX_BYTES,
            )
        return self._session


class _RequestBody:
    """A client's body, which can be read once; what comes behind it is the client's departure."""

    def __init__(self, receive: Receive, is_there: bool) -> None:
        self._receive = receive
        self.is_there = is_there
        self._is_begun = False
        self._is_over = asyncio.Event()
        if not is_there:
            self._is_over.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body.

        Raises:
            ClientConnectionError: the client went away, or the body was asked for again, for a second attempt.
        """
        if self._is_begun:
            raise aiohttp.ClientConnectionError("a body that streams can be sent once")
        self._is_begun = True
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._is_over.set()
                raise aiohttp.ClientConnectionError("the client went away")
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self._is_over.set()

    async def wait_until_client_is_gone(self) -> None:
        await self._is_over.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _reason(error: Exception) -> str:
    """Why, without the address that the sentence around it has."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, OSError):
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, asyncio.TimeoutError):
        return f"no connection within {CONNECT_SECONDS:g} seconds"
    if isinstance(error, aiohttp.ClientResponseError):
        return "what it answers is no HTTP"
    return str(error) or type(error).__name__

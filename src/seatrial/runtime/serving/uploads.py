"""Read request bodies up to the limit, and refuse larger ones so that the client gets to read why.

A server that answers and closes while the client still sends makes the client's kernel throw the answer away (TCP
reset). So a refused upload is answered first, then read and thrown away for a while, then closed. A client that waits
for ``100 Continue`` sends nothing: it is answered and closed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping

from seatrial.core.errors import RequestError
from seatrial.runtime.http.asgi import Message, Receive, Send
from seatrial.runtime.serving.replies import Reply, reply_to_exception

LINGER_SECONDS = 10.0
"""How long a refused upload is read on."""

_MIB = 1024 * 1024


class ClientGoneError(Exception):
    """The client closed the connection before the body was complete."""


async def read_body(first: Message, receive: Receive, limit_bytes: int | None) -> bytes:
    """Read the rest of a body whose first part has been received.

    Raises:
        ClientGoneError: the connection was closed.
        RequestError: the body is over the limit.
    """
    parts = [first["body"]]
    size = len(parts[0])
    more = first["more_body"]
    while more:
        if limit_bytes is not None and size > limit_bytes:
            break
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message["body"])
        size += len(parts[-1])
        more = message["more_body"]
    if limit_bytes is not None and size > limit_bytes:
        raise too_large(limit_bytes)
    return b"".join(parts)


def too_large(limit_bytes: int) -> RequestError:
    """The error for a body over the limit."""
    return RequestError(
        "payload-too-large",
        f"the request body is larger than {limit_bytes / _MIB:g} MiB",
        fix="send less, or set SAGEMAKER_MAX_PAYLOAD_IN_MB",
    )


async def refuse_too_large(headers: Mapping[bytes, bytes], limit_bytes: int, receive: Receive, send: Send) -> None:
    """Answer 413 to a body whose announced length is over the limit, without taking it."""
    reply = reply_to_exception(too_large(limit_bytes), ())
    if headers.get(b"expect", b"").lower() == b"100-continue":
        await _send_closing(reply, send)
        await send({"type": "http.response.body", "body": b""})
    else:
        await linger(reply, receive, send)


async def linger(reply: Reply, receive: Receive, send: Send) -> None:
    """Answer, read the rest of the request and throw it away, then let the connection be closed."""
    await _send_closing(reply, send)
    deadline = time.monotonic() + LINGER_SECONDS
    with contextlib.suppress(asyncio.TimeoutError):
        while (remaining := deadline - time.monotonic()) > 0:
            message = await asyncio.wait_for(receive(), remaining)
            if message["type"] != "http.request" or not message["more_body"]:
                break
    await send({"type": "http.response.body", "body": b""})


async def _send_closing(reply: Reply, send: Send) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"connection", b"close"),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    # All of the answer, but not its end: the server closes at the end, and the client may still be sending.
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})

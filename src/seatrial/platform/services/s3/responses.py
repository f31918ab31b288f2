"""Answers, and how they go out: small ones whole, files piece by piece while the next piece is read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate

from seatrial.objects.base import OpenObject
from seatrial.platform.services.s3.requests import Receive, Send

READ_BYTES = 1 << 20
"""One read of a large object; measured best of 64 KiB to 4 MiB through uvicorn."""


@dataclass(slots=True)
class FileBody:
    """A stretch of an open object."""

    file: OpenObject
    offset: int
    size_bytes: int


@dataclass(slots=True, kw_only=True)
class S3Response:
    """What goes back to the client."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FileBody = b""


def xml_response(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> S3Response:
    """An answer in XML."""
    return S3Response(status=status, headers={"content-type": "application/xml", **(headers or {})}, body=body)


def http_date(time_ns: int) -> str:
    """As in ``Last-Modified``."""
    return formatdate(time_ns // 1_000_000_000, usegmt=True)


def iso_date(time_ns: int) -> str:
    """As in S3's XML: milliseconds, UTC."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns // 1_000_000 % 1000:03}Z"


async def send_response(
    response: S3Response, *, is_head: bool, receive: Receive, send: Send, executor: Executor
) -> None:
    """Send an answer; the body of a HEAD stays here."""
    body = response.body
    size = body.size_bytes if isinstance(body, FileBody) else len(body)
    if response.status not in (204, 304) and "content-length" not in response.headers:
        response.headers["content-length"] = str(size)
    headers = [(name.encode("latin-1"), _header_value(value)) for name, value in response.headers.items()]
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if is_head or isinstance(body, bytes):
            await send({"type": "http.response.body", "body": b"" if is_head else body})
        else:
            await _send_file(body, receive, send, executor)
    finally:
        if isinstance(body, FileBody):
            body.file.close()


async def _send_file(body: FileBody, receive: Receive, send: Send, executor: Executor) -> None:
    loop = asyncio.get_running_loop()
    descriptor = body.file.fileno()
    end = body.offset + body.size_bytes

    def read(offset: int) -> asyncio.Future[bytes]:
        return loop.run_in_executor(executor, os.pread, descriptor, min(READ_BYTES, end - offset), offset)

    disconnected = asyncio.ensure_future(_wait_for_disconnect(receive))
    pending = read(body.offset)
    offset = body.offset
    try:
        while offset < end and not disconnected.done():
            chunk = await pending
            if not chunk:
                raise OSError("an object's file was cut while it was read")
            offset += len(chunk)
            if offset < end:
                pending = read(offset)
            await send({"type": "http.response.body", "body": chunk, "more_body": offset < end})
    finally:
        disconnected.cancel()
        # The descriptor may be closed only when nobody reads it any more.
        await asyncio.gather(pending, disconnected, return_exceptions=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _header_value(value: str) -> bytes:
    """Line ends, which a presigned ``response-*`` parameter may hold, never reach the wire."""
    return value.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")

"""Answers that wait for gigabytes to be copied: 200 and white space first, so that no client gives the connection up.

An error after that is told in the body of the 200; AWS's clients look for it there.
Source: Amazon S3 API reference, CompleteMultipartUpload and CopyObject.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from seatrial.platform.services.s3.requests import Send
from seatrial.platform.services.s3.responses import S3Response
from seatrial.platform.services.s3.xml import DECLARATION

FIRST_SPACE_SECONDS = 10.0
"""An answer that is there before is an ordinary one, with its own status."""


def may_take_long(method: str, query: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a request is a copy, or joins the parts of an upload."""
    return "x-amz-copy-source" in headers or (method == "POST" and b"uploadId=" in query)


async def wait_with_spaces(
    answer: asyncio.Future[S3Response | None], headers: Mapping[str, str], send: Send, *, seconds: float
) -> S3Response | None:
    """Wait for an answer; from ``seconds`` on send it piece by piece, and return ``None`` when all of it was sent
    or nobody waits.

    Args:
        answer: In XML, errors included.
        headers: Of every answer.
        send: As ASGI's.
        seconds: Until the answer begins, and between two pieces of white space.
    """
    done, _ = await asyncio.wait([answer], timeout=seconds)
    if done:
        return await answer
    named = {**headers, "content-type": "application/xml"}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": 200, "headers": encoded})
    await send({"type": "http.response.body", "body": DECLARATION, "more_body": True})
    while not answer.done():
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.wait([answer], timeout=seconds)
    response = await answer
    body = response.body if response is not None else b""
    await send(
        {"type": "http.response.body", "body": body.removeprefix(DECLARATION) if isinstance(body, bytes) else b""}
    )
    return None

"""One request to S3, and where its query and headers are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.wire.numbers import INT_MAX, parse_digits
from seatrial.platform.wire.signing import Signature

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


SIGNATURE = "seatrial.signature"
"""Key of an ASGI scope under which the door hands on the signature that it has verified."""


class BodySource:
    """A request's body, and whether all of it was taken.

    A connection on which a part of a body is still to come cannot be used for another request.
    """

    DRAIN_MAX_BYTES = 8 << 20
    """What is thrown away so that the client reads our answer; for more the connection is closed."""

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        self._receive = receive
        self._is_complete = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._waits_for_us = headers.get("expect", "").lower() == "100-continue"

    async def receive(self) -> Message:
        """As ASGI's."""
        self._waits_for_us = False  # the server now tells the client to go on
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._is_complete = True
        return message

    async def drain(self) -> bool:
        """Throw the rest away; false when the connection has to be closed."""
        size = 0
        while not self._is_complete:
            if self._waits_for_us or size > self.DRAIN_MAX_BYTES:
                return False
            size += len((await self.receive()).get("body", b""))
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Request:
    """A request whose bucket and key are known."""

    method: str
    bucket: str
    key: str
    resource: str
    """The path as it was sent, for error answers."""
    query: Mapping[str, str]
    """The first value of each name."""
    headers: Mapping[str, str]
    """Names in lower case."""
    receive: Receive
    account_id: str
    region: str
    signature: Signature | None = None
    """What the door has verified; the body is still to be compared with it. ``None``: nobody asked for a key."""

    def number(self, name: str, default: int, *, maximum: int) -> int:
        """A number of the query.

        Raises:
            S3Error: ``InvalidArgument``.
        """
        text = self.query.get(name, "")
        if not text:
            return default
        number = parse_digits(text)
        if number is None or number > INT_MAX:
            raise S3Error(
                "InvalidArgument",
                f"Argument {name} must be an integer between 0 and 2147483647",
                ArgumentName=name,
                ArgumentValue=text,
            )
        return min(number, maximum)

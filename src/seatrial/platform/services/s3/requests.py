"""One request to S3, and where its query and headers are read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from seatrial.platform.services.s3.errors import S3Error

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


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

    def number(self, name: str, default: int, *, maximum: int) -> int:
        """A number of the query.

        Raises:
            S3Error: ``InvalidArgument``.
        """
        text = self.query.get(name, "")
        if not text:
            return default
        if not text.isascii() or not text.isdigit() or int(text) > 2_147_483_647:
            raise S3Error(
                "InvalidArgument",
                f"Argument {name} must be an integer between 0 and 2147483647",
                ArgumentName=name,
                ArgumentValue=text,
            )
        return min(int(text), maximum)

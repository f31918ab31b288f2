"""A request and a response as the wire layer sees them, free of any web server."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TypeAlias
from urllib.parse import unquote

ByteStream: TypeAlias = "Iterator[bytes] | AsyncIterator[bytes]"
"""A body that is read piece by piece: once, front to back."""


class Headers:
    """HTTP headers: names compare without case, a name may come several times, the order is kept."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple((name.lower(), value) for name, value in pairs)

    @classmethod
    def from_asgi(cls, pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
        """The ``headers`` of an ASGI scope; bytes are Latin-1, as in HTTP/1.1."""
        return cls((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)

    def get(self, name: str) -> str | None:
        """The first value, or ``None``."""
        name = name.lower()
        return next((value for key, value in self._pairs if key == name), None)

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value, in the order received."""
        name = name.lower()
        return tuple(value for key, value in self._pairs if key == name)

    def names(self) -> tuple[str, ...]:
        """Each name once, in lower case, in the order first received."""
        return tuple(dict.fromkeys(key for key, _ in self._pairs))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        hidden = {"authorization", "x-amz-security-token"}
        return f"Headers({[(name, '…' if name in hidden else value) for name, value in self._pairs]})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One HTTP request.

    Attributes:
        method: In upper case.
        path: As it was sent, percent-encoded, from the first ``/`` and without the query. Signatures and S3 keys need
            these very bytes, so never pass a path that a server has decoded.
        query: As it was sent, without ``?``; empty when there is none.
        headers: All of them, ``Host`` included.
        body: The whole body; empty when ``stream`` holds it.
        stream: The body unread, for what is too big to hold (S3 objects).
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = dataclasses.field(default_factory=Headers)
    body: bytes = b""
    stream: ByteStream | None = None

    def query_pairs(self) -> list[tuple[str, str]]:
        """Names and values of the query, decoded, in their order; a name without ``=`` has an empty value.

        A ``+`` stays a plus sign, as AWS reads it (SigV4's canonical query has ``%20`` for a space).
        """
        return split_query(self.query)


def split_query(query: str) -> list[tuple[str, str]]:
    """The decoded pairs of a raw query string. See ``WireRequest.query_pairs``."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in pairs]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WireResponse:
    """One HTTP response; ``headers`` go out as they are; a stream is chunked unless they tell its length."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | ByteStream = b""

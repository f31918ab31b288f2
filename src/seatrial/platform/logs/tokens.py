"""Where a page ended, as the opaque text that a client sends back.

A token of GetLogEvents has CloudWatch's form, ``f/<56 digits>/s`` (forwards) or ``b/…/s`` (backwards), around an offset
in the stream. The others are base64 of JSON.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

_STREAM_TOKEN = re.compile(r"([fb])/(\d{56})/s", re.ASCII)
_T = TypeVar("_T")


class TokenError(Exception):
    """A text that is no token of ours, or one of another operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamToken:
    """A place in one stream and the way to go on from it."""

    offset: int
    is_forward: bool

    def render(self) -> str:
        return f"{'f' if self.is_forward else 'b'}/{self.offset:056d}/s"


def parse_stream_token(text: str) -> StreamToken:
    """Raises TokenError."""
    found = _STREAM_TOKEN.fullmatch(text)
    if found is None:
        raise TokenError(text)
    return StreamToken(offset=int(found[2]), is_forward=found[1] == "f")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterToken:
    """Everything up to a time has been searched, but for some of the events at that very millisecond."""

    timestamp_ms: int
    offsets: dict[str, int] = field(default_factory=dict)
    """Stream → offset behind its last searched event of that millisecond; others have none of it searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameToken:
    """The last item of a page of a list."""

    name: str
    time_ms: int | None = None
    """What the list is sorted by first, if by time."""


def render_token(token: FilterToken | NameToken) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def parse_token(text: str, kind: type[_T]) -> _T:
    """Raises TokenError."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise TokenError(text) from None

"""The headers of a message that is sent on: what belongs to one connection stays there, everything else goes through.

A name that a peer could misread is refused rather than mended, so that we and the next server never see two different
messages. Source: RFC 9110, section 7.6; RFC 9112, section 6.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from seatrial.platform.wire.errors import ServiceError

RawHeaders: TypeAlias = Iterable[tuple[bytes, bytes]]

_OF_ONE_CONNECTION = frozenset(
    (
        b"connection",
        b"expect",  # our server has answered it
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def request_headers(headers: RawHeaders, *, passed: str) -> list[tuple[str, str]]:
    """The headers of a request as the next server gets them: ``Host`` and ``Authorization`` as they are.

    Args:
        headers: As they came, names in lower case.
        passed: Who sends it on, for ``Via``.

    Raises:
        ServiceError: two ``Host`` or ``Content-Length`` headers, a transfer coding other than ``chunked``, or a value
            that is no UTF-8.
    """
    pairs = list(headers)
    for name in (b"host", b"content-length", b"transfer-encoding"):
        if sum(key == name for key, _ in pairs) > 1:
            raise _unclear(f"{name.decode()} comes more than once")
    if (value_of(pairs, b"transfer-encoding") or b"chunked").strip().lower() != b"chunked":
        raise _unclear("the only transfer coding that is understood is chunked")
    dropped = _of_this_connection(pairs) - {b"host", b"content-length"}
    if value_of(pairs, b"transfer-encoding") is not None:
        dropped |= {b"content-length"}
    try:
        kept = [(name.decode("ascii"), value.decode()) for name, value in pairs if name not in dropped]
    except UnicodeDecodeError as error:
        raise _unclear("a header is neither ASCII nor UTF-8") from error
    return [*kept, ("via", f"1.1 {passed}")]


def response_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]] | None:
    """The headers of a response as the client gets them; ``None`` when one of them is no header.

    ``Date`` is left to our own server. A chunked response is chunked anew, and a length beside that means nothing.
    """
    pairs = [(name.lower(), value) for name, value in headers]
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in pairs):
        return None
    dropped = {*_of_this_connection(pairs), b"date"}
    if value_of(pairs, b"transfer-encoding") is not None:
        dropped.add(b"content-length")
    return [(name, value) for name, value in pairs if name not in dropped]


def has_body(headers: RawHeaders) -> bool:
    """Whether a request says that a body follows."""
    pairs = list(headers)
    return value_of(pairs, b"transfer-encoding") is not None or value_of(pairs, b"content-length") not in (None, b"0")


def has_passed(headers: RawHeaders, who: str) -> bool:
    """Whether somebody has sent this request on before."""
    return any(name == b"via" and who.encode() in value.split() for name, value in headers)


def value_of(headers: RawHeaders, name: bytes) -> bytes | None:
    """The first value; the name in lower case."""
    return next((value for key, value in headers if key == name), None)


def _of_this_connection(pairs: RawHeaders) -> frozenset[bytes]:
    named = {one.strip().lower() for name, value in pairs if name == b"connection" for one in value.split(b",")}
    return _OF_ONE_CONNECTION | named


def _unclear(what: str) -> ServiceError:
    return ServiceError("InvalidRequest", f"Seatrial does not send this request on: {what}.", 400)

"""``application/vnd.amazon.eventstream``: framed messages with headers and checksums, as answers stream them.

A message is: total length, length of the headers, CRC-32 of these two; headers; payload; CRC-32 of all before it. All
numbers are big-endian. Source: https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.protocols.json_values import write_value
from seatrial.platform.wire.request import ByteStream

if TYPE_CHECKING:
    from botocore.model import StructureShape

Event: TypeAlias = "tuple[str, Mapping[str, Any]]"
"""A member of the stream's shape and its value, such as ``("PayloadPart", {"Bytes": b"…"})``."""

_STRING_TYPE = 7


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; header values are strings of at most 32,767 bytes."""
    encoded = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _STRING_TYPE, len(value.encode()))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + encoded + payload
    return message + struct.pack("!I", binascii.crc32(message))


def encode_event(stream_shape: StructureShape, event_type: str, value: Mapping[str, Any]) -> bytes:
    """One event of a stream, such as ``PayloadPart`` with ``{"Bytes": b"…"}``.

    Members marked ``eventpayload`` are the payload itself; otherwise the payload is a JSON document. A member of the
    stream that is an exception goes out as one.
    """
    shape: Any = stream_shape.members[event_type]
    kind = "exception" if shape.metadata.get("exception") else "event"
    headers = {":message-type": kind, f":{kind}-type": event_type}
    payload_member = next(
        (name for name, member in shape.members.items() if member.serialization.get("eventpayload")), None
    )
    if payload_member is None:
        headers[":content-type"] = "application/json"
        return encode_message(headers, msgspec.json.encode(write_value(shape, value)))
    content = value.get(payload_member, b"")
    headers[":content-type"] = "application/octet-stream"
    return encode_message(headers, content.encode() if isinstance(content, str) else content)


def encode_events(stream_shape: StructureShape, events: Iterable[Event] | AsyncIterable[Event]) -> ByteStream:
    """Every event as a message, read sync or async as the events come.

    A ``ServiceError`` on the way becomes the stream's last message, because status 200 has gone out by then.
    """
    if isinstance(events, AsyncIterable):
        return _encode_events_async(stream_shape, events)
    return _encode_events_sync(stream_shape, events)


def _encode_events_sync(stream_shape: StructureShape, events: Iterable[Event]) -> Iterator[bytes]:
    try:
        for event_type, value in events:
            yield encode_event(stream_shape, event_type, value)
    except ServiceError as error:
        yield encode_stream_error(stream_shape, error)


async def _encode_events_async(stream_shape: StructureShape, events: AsyncIterable[Event]) -> AsyncIterator[bytes]:
    try:
        async for event_type, value in events:
            yield encode_event(stream_shape, event_type, value)
    except ServiceError as error:
        yield encode_stream_error(stream_shape, error)


def encode_stream_error(stream_shape: StructureShape, error: ServiceError) -> bytes:
    """An error inside a stream: an exception of the stream's shape where it declares one, else a bare error message."""
    if error.code in stream_shape.members:
        return encode_event(stream_shape, error.code, {"Message": error.message, **error.members})
    headers = {":message-type": "error", ":error-code": error.code, ":error-message": error.message[:8000]}
    return encode_message(headers, b"")

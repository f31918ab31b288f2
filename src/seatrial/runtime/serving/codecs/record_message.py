"""SageMaker's protobuf ``Record`` (``aialgs.data``), read and written without a protobuf library.

The messages and their field numbers:

    Record      features 1, label 2: map<string, Value>; uid 3, metadata 4, configuration 5: string
    Value       one of float32_tensor 2, float64_tensor 3, int32_tensor 7, bytes 9
    ...Tensor   values 1: packed float, double or int32; keys 2, shape 3: packed uint64
    Bytes       value 1: repeated bytes; content_type 2: string
    map entry   key 1, value 2

Why by hand: docs/decisions/0003-recordio-protobuf.md.

Source: docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html, which prints the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.runtime.serving.codecs import protobuf_wire as wire

_FEATURES, _LABEL, _UID, _METADATA, _CONFIGURATION = 1, 2, 3, 4, 5
_KEY, _VALUE = 1, 2
_VALUES, _KEYS, _SHAPE = 1, 2, 3
_BYTES = 9
_TENSOR_DTYPES = {2: "<f4", 3: "<f8", 7: "<i4"}
"""By field number in ``Value``."""
_TENSOR_NUMBERS = {np.dtype(dtype): number for number, dtype in _TENSOR_DTYPES.items()}

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers; sparse when there are keys."""

    values: Array
    """float32, float64 or int32, one dimension."""
    keys: Array = field(default_factory=lambda: wire.NO_INTEGERS)
    shape: Array = field(default_factory=lambda: wire.NO_INTEGERS)


@dataclass(frozen=True, slots=True)
class Blob:
    """A value of type ``Bytes``: images and the like."""

    values: tuple[bytes, ...]


Value = Tensor | Blob


@dataclass(frozen=True, slots=True)
class Record:
    features: Mapping[str, Value] = field(default_factory=dict)
    label: Mapping[str, Value] = field(default_factory=dict)
    uid: str | None = None
    metadata: str | None = None
    configuration: str | None = None


def parse_record(payload: bytes) -> Record:
    """Parse one message; fields that the schema does not know are passed over.

    Raises:
        WireError: the bytes are no ``Record``.
    """
    maps: dict[int, dict[str, Value]] = {_FEATURES: {}, _LABEL: {}}
    texts: dict[int, str] = {}
    for number, wire_type, data in wire.iter_fields(payload):
        if wire_type != wire.LENGTH_DELIMITED:
            continue
        if number in maps:
            key, value = _parse_entry(data)
            maps[number][key] = value
        elif number in (_UID, _METADATA, _CONFIGURATION):
            texts[number] = _text(data)
    return Record(maps[_FEATURES], maps[_LABEL], texts.get(_UID), texts.get(_METADATA), texts.get(_CONFIGURATION))


def _text(data: bytes) -> str:
    """Text of proto2, whose parsers do not check that it is UTF-8."""
    return data.decode("utf-8", errors="replace")


def _parse_entry(entry: bytes) -> tuple[str, Value]:
    key, value = "", b""
    for number, wire_type, data in wire.iter_fields(entry):
        if wire_type == wire.LENGTH_DELIMITED and number == _KEY:
            key = _text(data)
        elif wire_type == wire.LENGTH_DELIMITED and number == _VALUE:
            value += data  # a message that comes twice is merged, which for bytes on the wire is joining
    return key, _parse_value(value)


def _parse_value(message: bytes) -> Value:
    """The last member of the ``oneof`` wins; one that comes twice in a row is merged."""
    chosen, parts = 0, [b""]
    for number, wire_type, data in wire.iter_fields(message):
        if wire_type != wire.LENGTH_DELIMITED or not (number in _TENSOR_DTYPES or number == _BYTES):
            continue
        parts = [*parts, data] if number == chosen else [data]
        chosen = number
    merged = b"".join(parts)
    if chosen == _BYTES:
        return Blob(
            tuple(data for number, wire_type, data in wire.iter_fields(merged) if (number, wire_type) == (1, 2))
        )
    return _parse_tensor(merged, _TENSOR_DTYPES.get(chosen, "<f4"))


def _parse_tensor(message: bytes, dtype: str) -> Tensor:
    """Numbers come packed; parsers must also take them one by one, and several packs one after the other."""
    scalar_type = {"<f4": wire.FIXED32, "<f8": wire.FIXED64, "<i4": wire.VARINT}[dtype]
    packs: dict[int, list[bytes]] = {_VALUES: [], _KEYS: [], _SHAPE: []}
    for number, wire_type, data in wire.iter_fields(message):
        single = scalar_type if number == _VALUES else wire.VARINT
        if number in packs and wire_type in (single, wire.LENGTH_DELIMITED):
            packs[number].append(data)
    values = b"".join(packs[_VALUES])
    keys, shape = (wire.decode_varints(b"".join(packs[number])) for number in (_KEYS, _SHAPE))
    if dtype == "<i4":
        numbers: Array = wire.decode_varints(values).astype(np.uint32).view(np.int32)
    else:
        numbers = wire.decode_fixed(values, dtype)
    return Tensor(numbers, keys, shape)


def render_record(record: Record) -> bytes:
    """Render one message; maps in the order they have."""
    maps = ((_FEATURES, record.features), (_LABEL, record.label))
    entries = [wire.encode_field(number, _entry(*item)) for number, values in maps for item in values.items()]
    texts = ((_UID, record.uid), (_METADATA, record.metadata), (_CONFIGURATION, record.configuration))
    return b"".join(entries + [wire.encode_field(number, text.encode()) for number, text in texts if text is not None])


def _entry(key: str, value: Value) -> bytes:
    return wire.encode_field(_KEY, key.encode()) + wire.encode_field(_VALUE, _render_value(value))


def _render_value(value: Value) -> bytes:
    if isinstance(value, Blob):
        return wire.encode_field(_BYTES, b"".join(wire.encode_field(1, data) for data in value.values))
    number = _TENSOR_NUMBERS[value.values.dtype.newbyteorder("<")]
    if value.values.dtype.kind == "i":
        packed = wire.pack_varints(value.values)
    else:
        packed = wire.pack_floats(value.values, _TENSOR_DTYPES[number])
    parts = ((_VALUES, packed), (_KEYS, wire.pack_varints(value.keys)), (_SHAPE, wire.pack_varints(value.shape)))
    return wire.encode_field(number, b"".join(wire.encode_field(part, data) for part, data in parts if data))

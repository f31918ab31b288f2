"""Many records of one layout at once: one comparison or one copy instead of a parse or a rendering each.

Where every record is a dense float vector of one length under one name, as SDKs write a matrix, the frames differ in
the floats only, and these stand at the end of each frame. So a body is a table of bytes: equal columns, then floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.contract.recordio import encode_record
from seatrial.runtime.serving.codecs.record_message import Record, Tensor, Value, render_record

Array = npt.NDArray[Any]


def decode_batch(body: bytes, first: Record) -> Array | None:
    """The matrix of a body whose first record is ``first``; ``None`` when its frames are not of one such layout."""
    if len(first.features) != 1:
        return None
    (value,) = first.features.values()
    if not isinstance(value, Tensor) or value.values.dtype.kind != "f" or not len(value.values):
        return None
    frame = encode_record(render_record(Record(features=first.features)))
    if len(value.keys) or len(value.shape) or not body.startswith(frame) or len(body) % len(frame):
        return None
    table = np.frombuffer(body, np.uint8).reshape(-1, len(frame))
    start, end = _place(frame, value.values)
    if (table[:, :start] != table[0, :start]).any():
        return None
    matrix: Array = table[:, start:end].copy().view(value.values.dtype)
    return matrix


def encode_batch(rows: Array, name: str) -> bytes:
    """Frames whose ``label`` maps hold one row each.

    Args:
        rows: float32 or float64, two dimensions, at least one row and one column.
        name: The entry in the map.
    """
    label: Mapping[str, Value] = {name: Tensor(rows[0])}
    frame = encode_record(render_record(Record(label=label)))
    start, end = _place(frame, rows[0])
    table = np.tile(np.frombuffer(frame, np.uint8), (len(rows), 1))
    floats = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<"))
    table[:, start:end] = floats.view(np.uint8).reshape(len(rows), -1)
    return table.tobytes()


def _place(frame: bytes, row: Array) -> tuple[int, int]:
    """Where the floats of one row stand: before the padding, which their frame's length tells."""
    payload_bytes = int.from_bytes(frame[4:8], "little")
    end = 8 + payload_bytes
    return end - row.nbytes, end

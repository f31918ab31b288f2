"""``application/jsonlines``: one JSON value a line, each one record as in ``json_records``; errors name the line.

An empty line is an error, as in ``text_csv``; a final newline adds no record. ``application/jsonl`` and
``application/x-ndjson`` are other names of the same format. Written: one prediction a line, a newline after each.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from seatrial.runtime.serving.codecs import json_records, json_text, predictions
from seatrial.runtime.serving.codecs.codec import Codec, DataForm, MalformedBodyError

_DECODE_ROW = msgspec.json.Decoder(list[float | None]).decode


def decode(body: bytes, form: DataForm) -> Any:  # noqa: ANN401 (one of two libraries' types)
    """Decode a body; see above. Numbers become float64.

    Raises:
        MalformedBodyError: names the line.
    """
    lines = body.removesuffix(b"\n").split(b"\n")
    if form is DataForm.NUMPY:
        try:
            matrix = np.array([_DECODE_ROW(line) for line in lines], dtype=np.float64)
            if matrix.ndim == 2 and matrix.size:
                return matrix
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            pass  # another form, or a fault: the long way says which
    return json_records.to_form([_parse(line, i) for i, line in enumerate(lines, 1)], form, _place)


def _parse(text: bytes, line: int) -> Any:  # noqa: ANN401 (any JSON value)
    if not text.strip():
        raise MalformedBodyError(
            "malformed-body", "a line is empty", line=line, column=1, found="nothing", expected="one JSON value"
        )
    return json_text.parse(text, line=line)


def _place(index: int) -> str:
    return f"line {index + 1}"


def encode(prediction: Any) -> bytes:  # noqa: ANN401 (what predict_fn returned)
    return b"".join([predictions.render_json(row) + b"\n" for row in predictions.rows(prediction)])


CODEC = Codec(
    media_types=("application/jsonlines", "application/jsonl", "application/x-ndjson", "application/x-jsonlines"),
    decode=decode,
    encode=encode,
    is_text=True,
)

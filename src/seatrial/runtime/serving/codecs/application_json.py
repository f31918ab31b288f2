"""``application/json``: a list of records, bare or under ``instances`` or ``inputs``; one record alone is one too.

What a record may be is in ``json_records``. A flat list of numbers is one record, not one record a number. An object
with other keys beside ``instances`` or ``inputs`` is refused, since what they ask for would not happen. Faults of
syntax name line and column (the character), others the record and the feature, all from 1.

Written: the prediction as plain JSON, an array as nested lists, as AWS's inference toolkit does. ``nan`` and the
infinities, which JSON does not have, are written as null; the toolkit writes ``NaN``, which strict readers refuse
together with the rest of the reply. ``bytes`` inside a structure are written in base64.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from seatrial.runtime.serving.codecs import json_records, json_text, predictions
from seatrial.runtime.serving.codecs.codec import Codec, DataForm, MalformedBodyError, excerpt

_LIST_KEYS = ("instances", "inputs")

_Rows = list[list[float | None]]


class _Instances(msgspec.Struct, forbid_unknown_fields=True):
    instances: _Rows


_DECODE_ROWS = msgspec.json.Decoder(_Rows).decode
_DECODE_INSTANCES = msgspec.json.Decoder(_Instances).decode


def decode(body: bytes, form: DataForm) -> Any:  # noqa: ANN401 (one of two libraries' types)
    """Decode a body; see above. Numbers become float64.

    Raises:
        MalformedBodyError: see above.
    """
    if form is DataForm.NUMPY:
        try:
            rows = _DECODE_INSTANCES(body).instances if body[:1] == b"{" else _DECODE_ROWS(body)
            matrix = np.array(rows, dtype=np.float64)
            if matrix.ndim == 2 and matrix.size:
                return matrix
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            pass  # another form, or a fault: the long way says which
    return json_records.to_form(_records(json_text.parse(body)), form, _place)


def _place(index: int) -> str:
    return f"record {index + 1}"


def _records(document: Any) -> list[Any]:  # noqa: ANN401 (any JSON value)
    if isinstance(document, dict):
        for key in _LIST_KEYS:
            if key in document:
                return _listed(document, key)
        return [document]
    if not isinstance(document, list):
        raise MalformedBodyError(
            "malformed-body",
            "the body holds no records",
            line=1,
            column=1,
            found=excerpt(document),
            expected="a list of records, or an object with 'instances'",
        )
    return _flat_list_as_record(document)


def _listed(document: dict[str, Any], key: str) -> list[Any]:
    others = [name for name in document if name != key]
    if others:
        raise MalformedBodyError(
            "malformed-body",
            f"the body asks for more than '{key}'",
            found="the keys " + excerpt(", ".join(others)),
            expected=f"'{key}' alone",
            fix="leave them out, or write input_fn",
        )
    if not isinstance(document[key], list):
        raise MalformedBodyError(
            "malformed-body", f"'{key}' is no list", found=excerpt(document[key]), expected="a list of records"
        )
    return _flat_list_as_record(document[key])


def _flat_list_as_record(values: list[Any]) -> list[Any]:
    is_flat = bool(values) and all(value is None or isinstance(value, (int, float)) for value in values)
    return [values] if is_flat else values


CODEC = Codec(media_types=("application/json",), decode=decode, encode=predictions.render_json, is_text=True)

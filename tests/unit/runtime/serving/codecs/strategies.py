"""Bodies, Content-Types and Accept headers that are nearly right, or not at all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import strategies as st

from seatrial.contract import recordio
from seatrial.runtime.serving.codecs import CODECS, DataForm, encode

MEDIA_TYPES = [media_type for codec in CODECS for media_type in codec.media_types]
CHARSETS = [
    "utf-8",
    "UTF8",
    "latin-1",
    "utf-16",
    "utf-16le",
    "utf-32",
    "gb18030",
    "shift_jis",
    "zip",
    "idna",
    "\x00",
    "",
]
FORMS = st.sampled_from(list(DataForm))

content_types = st.one_of(
    st.sampled_from(MEDIA_TYPES),
    st.builds("{}; charset={}".format, st.sampled_from(MEDIA_TYPES), st.sampled_from(CHARSETS)),
    st.builds('{} ;a="{}";charset="{}"'.format, st.sampled_from(MEDIA_TYPES), st.text(max_size=5), st.text(max_size=9)),
    st.text(max_size=40),
)
accepts = st.one_of(
    st.none(),
    content_types,
    st.lists(
        st.builds(
            "{}{}".format,
            st.sampled_from([*MEDIA_TYPES, "*/*", "*", "text/*", "application/*", "image/png", "/", "a/"]),
            st.sampled_from(["", ";q=0", ";q=1", "; q=0.5", ";q=nan", ";q=-1", ";q=9e99", ';a="b,c"', ";v=1;q=.3"]),
        ),
        max_size=6,
    ).map(",".join),
    st.text(max_size=60),
)

_CSV_TOKENS = [
    "1",
    "-2.5",
    "1e5",
    "1e999",
    "nan",
    "inf",
    "1_0",
    "a",
    "é",
    " ",
    '"',
    '""',
    '"a,b"',
    ",",
    ",",
    "\n",
    "\r",
]
csv_bodies = st.lists(st.sampled_from([*_CSV_TOKENS, "\r\n", "\x00", "\ufeff", "0x1", "NA", "٣"])).map(
    lambda tokens: "".join(tokens).encode()
)
_JSON_TOKENS = [
    *'[]{},:"',
    "[[",
    "]]",
    "1",
    "-0.5",
    "1e999",
    "9" * 400,
    "NaN",
    "null",
    "true",
    '"a"',
    '"\\ud800"',
    "\n",
]
json_texts = st.lists(
    st.sampled_from([*_JSON_TOKENS, '"instances":', '"features":', '"data":', '"values":', '"keys":', '"shape":', " "])
).map(lambda tokens: "".join(tokens).encode())
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from([10**400, 2**63, -1, 0])
)
json_values: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    ["instances", "inputs", "features", "data", "values", "keys", "shape", "configuration"]
                ),
                st.text(max_size=3),
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=20,
)


@st.composite
def json_bodies(draw: st.DrawFn) -> bytes:
    return b"\n".join(
        json.dumps(value).encode("utf-8", "surrogatepass")
        for value in draw(st.lists(json_values, min_size=1, max_size=3))
    )


@st.composite
def npy_bodies(draw: st.DrawFn) -> bytes:
    """A header that says anything, before data that may be there."""
    descr = draw(
        st.sampled_from(["<f8", "|O", ">i4", "<U3", "|S0", "|V8", "<M8[ns]", "c16", "<f3", "<U999999999", "é", "["])
    )
    lengths = st.integers(0, 3) | st.sampled_from([10**6, 2**31, 2**63, 10**17])
    shape = tuple(draw(st.lists(lengths, max_size=40)))
    header = f"{{'descr': '{descr}', 'fortran_order': {draw(st.booleans())}, 'shape': {shape}, }}"
    header = draw(
        st.sampled_from([header, header + "\n", header[:-1], "{" + header, header.replace("'", '"'), "(" * 900])
    )
    version, width = draw(st.sampled_from([(1, 2), (2, 4), (3, 4), (9, 2)]))
    encoded = header.encode()
    length = draw(st.sampled_from([len(encoded), len(encoded) + 1, 65_535, 0]))
    data = draw(st.binary(max_size=72) | st.integers(0, 9).map(lambda count: bytes(8 * count)))
    return b"\x93NUMPY" + bytes([version, 0]) + length.to_bytes(width, "little") + encoded + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


_packed = st.lists(st.integers(0, 5) | st.sampled_from([2**31, 2**63, 2**64 - 1]), max_size=5).map(
    lambda values: b"".join(map(_varint, values))
)
_leaves = st.one_of(
    st.binary(max_size=12),
    _packed,
    st.lists(st.floats(width=32), max_size=3).map(lambda values: np.array(values, "<f4").tobytes()),
    st.integers(0, 3).map(lambda count: bytes(8 * count)),
)


@st.composite
def _field(draw: st.DrawFn, inner: st.SearchStrategy[bytes]) -> bytes:
    number = draw(st.sampled_from([1, 2, 3, 7, 9, 0, 2**29]))
    wire_type = draw(st.sampled_from([2, 2, 2, 2, 2, 0, 1, 3, 4, 5, 6]))
    payload = draw(inner)
    length = draw(st.sampled_from([len(payload)] * 5 + [len(payload) + 1, 2**40]))
    return _varint(number << 3 | wire_type) + (_varint(length) if wire_type == 2 else b"") + payload


_messages = st.recursive(_leaves, lambda inner: st.lists(_field(inner), max_size=4).map(b"".join), max_leaves=12)
recordio_bodies = st.one_of(
    st.lists(_messages.map(recordio.encode_record), max_size=4).map(b"".join),
    st.lists(st.binary(max_size=20).map(lambda data: recordio.MAGIC_BYTES + data), max_size=3).map(b"".join),
)

_VALID = [
    b"5.1,3.5,1.4,0.2\n4.9,3.0,1.4,0.2\n",
    b'"5.1","a ""b"", c"\r\n4,\r\n',
    b'{"instances": [[5.1, 3.5], [4.9, 3.0]]}',
    b'{"instances": [{"data": {"features": {"values": [1, 2], "keys": [0, 7], "shape": [8]}}}]}',
    b'[{"length": 5.1, "name": "a"}, {"length": 4.9, "name": null}]',
    b'{"features": [1, 2]}\n{"features": [3, 4]}\n',
    encode(np.eye(2), "application/x-npy", "")[0],
    encode(np.eye(2, dtype=np.float32), "application/x-recordio-protobuf", "")[0],
]


@st.composite
def damaged_bodies(draw: st.DrawFn) -> bytes:
    """A right body with a few bytes changed, dropped or put in."""
    body = bytearray(draw(st.sampled_from(_VALID)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        body[start : start + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(body)


bodies = st.one_of(
    st.binary(max_size=200), csv_bodies, json_texts, json_bodies(), npy_bodies(), recordio_bodies, damaged_bodies()
)

"""RecordIO framing: round trips, other writers' bytes, broken data."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.contract.recordio import (
    MAGIC,
    MAGIC_BYTES,
    MAX_FRAME_PAYLOAD_BYTES,
    READ_BYTES,
    encode_record,
    frame_headers,
    iter_records,
    padding,
    read_records,
    write_record,
)
from seatrial.core.errors import ContractError

MAGIC_RICH = st.lists(st.sampled_from([MAGIC_BYTES, b"\0\0\0\0", b"ab", b"z"]), max_size=8).map(b"".join)
PAYLOADS = st.lists(st.binary(max_size=40) | MAGIC_RICH, max_size=12)


class DribblingStream(io.RawIOBase):
    """Gives at most ``step`` bytes a read, as a FIFO may."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step
        self.largest_request = 0

    def read(self, size: int = -1) -> bytes:
        self.largest_request = max(self.largest_request, size)
        return self._data.read(self._step)


def frame(flag: int, payload: bytes) -> bytes:
    return struct.pack("<II", MAGIC, flag << 29 | len(payload)) + payload + bytes(-len(payload) % 4)


@given(PAYLOADS, st.booleans())
def test_iter_records_of_encoded_records_gives_them_back(payloads: list[bytes], is_splittable: bool) -> None:
    body = b"".join(encode_record(payload, is_splittable=is_splittable) for payload in payloads)

    assert len(body) % 4 == 0
    assert list(iter_records(body)) == payloads


@given(PAYLOADS, st.integers(1, 50))
def test_read_records_from_a_dribbling_stream_gives_the_same_records(payloads: list[bytes], step: int) -> None:
    body = b"".join(encode_record(payload) for payload in payloads)

    assert list(read_records(DribblingStream(body, step))) == payloads  # type: ignore[arg-type]


@given(PAYLOADS.filter(bool), st.data())
def test_iter_records_of_data_cut_short_names_the_offset(payloads: list[bytes], data: st.DataObject) -> None:
    frames = [encode_record(payload) for payload in payloads]
    body = b"".join(frames)
    cut = data.draw(st.integers(len(body) - len(frames[-1]) + 1, len(body) - 1))

    with pytest.raises(ContractError, match="ends inside a frame") as caught:
        list(iter_records(body[:cut]))

    assert caught.value.where == f"RecordIO data at byte {len(body) - len(frames[-1])}"


@given(st.binary(max_size=64))
@example(frame(1, b"abcd"))
@example(struct.pack("<II", MAGIC, (1 << 29) - 1) + b"short")
def test_iter_records_of_any_bytes_gives_records_or_a_contract_error(data: bytes) -> None:
    errors = []
    try:
        list(iter_records(data))
    except ContractError as error:
        errors.append(error)

    assert all(error.code == "recordio-broken" and "at byte" in error.sentence() for error in errors)


def test_encode_record_has_the_documented_bytes() -> None:
    assert encode_record(b"abcde") == b"\x0a\x23\xd7\xce" + b"\x05\0\0\0" + b"abcde\0\0\0"


def test_encode_record_with_an_aligned_magic_word_is_one_whole_frame_by_default() -> None:
    assert encode_record(b"head" + MAGIC_BYTES) == frame(0, b"head" + MAGIC_BYTES)


def test_encode_record_splittable_cuts_as_dmlc_core_does() -> None:
    payload = b"head" + MAGIC_BYTES + b"body" + MAGIC_BYTES + MAGIC_BYTES + b"end"

    assert encode_record(payload, is_splittable=True) == frame(1, b"head") + frame(2, b"body") + frame(2, b"") + frame(
        3, b"end"
    )


def test_encode_record_splittable_leaves_an_unaligned_magic_word_alone() -> None:
    assert encode_record(b"x" + MAGIC_BYTES, is_splittable=True) == frame(0, b"x" + MAGIC_BYTES)


def test_iter_records_of_parts_cut_bare_joins_them_with_the_given_seam() -> None:
    assert list(iter_records(frame(1, b"one ") + frame(2, b"two ") + frame(3, b"three"), seam=b"")) == [
        b"one two three"
    ]


@pytest.mark.parametrize(
    ("flags", "offset"),
    [([2], 0), ([3], 0), ([0, 3], 12), ([1, 0], 12), ([1, 1], 12), ([4], 0), ([7], 0), ([1, 4], 12)],
)
def test_iter_records_of_parts_out_of_order_names_the_bad_frame(flags: list[int], offset: int) -> None:
    with pytest.raises(ContractError, match="out of order") as caught:
        list(iter_records(b"".join(frame(flag, b"abcd") for flag in flags)))

    assert caught.value.where == f"RecordIO data at byte {offset}"


def test_iter_records_without_the_last_part_says_so() -> None:
    with pytest.raises(ContractError, match="ends inside a record"):
        list(iter_records(frame(0, b"") + frame(1, b"abcd")))


def test_iter_records_of_other_data_names_what_it_found() -> None:
    with pytest.raises(ContractError) as caught:
        list(iter_records(b"5.1,3.5,1.4,0.2\n"))

    assert caught.value.found == "bytes 35 2e 31 2c"


def test_read_records_hands_a_record_over_before_the_next_one_arrives() -> None:
    stream = DribblingStream(encode_record(b"first") + encode_record(b"second"), 16)

    records = read_records(stream)  # type: ignore[arg-type]

    assert next(records) == b"first"


def test_read_records_with_a_false_length_asks_for_no_more_than_it_reads_at_once() -> None:
    stream = DribblingStream(struct.pack("<II", MAGIC, (1 << 29) - 1) + b"tail", 5)

    with pytest.raises(ContractError, match="ends inside a frame"):
        list(read_records(stream))  # type: ignore[arg-type]

    assert stream.largest_request <= 1 << 20


def test_write_record_over_the_frame_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.contract.recordio.MAX_FRAME_PAYLOAD_BYTES", 7)

    with pytest.raises(ContractError) as caught:
        write_record(io.BytesIO(), b"12345678")

    assert caught.value.code == "record-too-large"


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), max_size=6),
    st.integers(1, 300),
)
def test_read_records_of_runs_of_one_length_gives_each(runs: list[tuple[int, int]], step: int) -> None:
    payloads = [bytes([number]) * length for length, count in runs for number in range(count)]
    body = b"".join(map(encode_record, payloads))

    assert list(read_records(DribblingStream(body, step))) == payloads
    assert list(iter_records(body)) == payloads


def test_read_records_of_a_run_over_several_blocks_gives_each() -> None:
    payloads = [struct.pack("<I", number) * 5 for number in range(READ_BYTES // 10)]

    assert list(iter_records(b"".join(map(encode_record, payloads)))) == payloads


def test_read_records_of_a_run_with_a_record_in_parts_joins_it() -> None:
    body = frame(0, b"abcd") * 3 + frame(1, b"abcd") + frame(2, b"abcd") + frame(3, b"abcd") + frame(0, b"abcd") * 3

    assert list(iter_records(body, seam=b"")) == [b"abcd"] * 3 + [b"abcd" * 3] + [b"abcd"] * 3


@pytest.mark.parametrize("column", range(4))
def test_read_records_of_a_run_with_a_broken_header_names_its_offset(column: int) -> None:
    body = bytearray(frame(0, b"abcd") * 20)
    body[12 * 13 + column] ^= 1
    records = iter_records(bytes(body))

    assert [next(records) for _ in range(13)] == [b"abcd"] * 13
    with pytest.raises(ContractError, match="no RecordIO") as caught:
        next(records)
    assert caught.value.where == "RecordIO data at byte 156"


@given(st.binary(max_size=50))
def test_frame_headers_of_what_fits_are_those_of_encode_record(payload: bytes) -> None:
    ((header, length),) = frame_headers(len(payload))

    assert header + payload + padding(length) == encode_record(payload)


@given(st.integers(MAX_FRAME_PAYLOAD_BYTES - 5, 1 << 40))
@example(MAX_FRAME_PAYLOAD_BYTES)
@example(MAX_FRAME_PAYLOAD_BYTES + 1)
def test_frame_headers_of_a_long_record_are_its_parts(size_bytes: int) -> None:
    frames = list(frame_headers(size_bytes))
    flags = [struct.unpack("<II", header)[1] >> 29 for header, _ in frames]

    assert sum(length for _, length in frames) == size_bytes
    assert all(struct.unpack("<II", header)[1] & MAX_FRAME_PAYLOAD_BYTES == length for header, length in frames)
    assert flags == [0] if len(frames) == 1 else [1, *[2] * (len(frames) - 2), 3]
    assert all(length % 4 == 0 for _, length in frames[:-1])
    assert (len(frames) == 1) == (size_bytes <= MAX_FRAME_PAYLOAD_BYTES)

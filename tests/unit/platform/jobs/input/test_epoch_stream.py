"""What an epoch hands to its sink: nothing large passes through memory, and long records are cut."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.contract.manifests import AttributeValue
from seatrial.contract.recordio import iter_records
from seatrial.contract.s3_channel import S3Channel
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import InputMode, RecordWrapperType
from seatrial.objects.files import FileStore
from seatrial.platform.jobs.input.epoch_stream import GATHER_BYTES, EpochStream
from seatrial.platform.jobs.input.source import ObjectStream, StoreSource

LONG = (1 << 29) + 6
"""Over what one RecordIO frame holds."""


class RecordingSink:
    """Keeps what is written, and of files only how much was asked for."""

    def __init__(self) -> None:
        self.calls: list[bytes | int] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def send_file(self, source: int, size_bytes: int) -> None:
        os.lseek(source, size_bytes, os.SEEK_CUR)
        self.calls.append(size_bytes)


def channel_of(wrapper: RecordWrapperType) -> S3Channel:
    return S3Channel(name="train", s3_uri=S3Uri("b", ""), input_mode=InputMode.PIPE, record_wrapper_type=wrapper)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "store")
    store.create_bucket("b")
    return store


def written(store: FileStore, wrapper: RecordWrapperType, items: list[tuple[AttributeValue, ...]]) -> RecordingSink:
    sink = RecordingSink()
    EpochStream(channel_of(wrapper), StoreSource(store), sink, spool_dir=store.root).write(items)
    return sink


def test_write_of_a_long_object_sends_its_file(store: FileStore) -> None:
    with (store.root / "b" / "long").open("wb") as file:
        file.truncate(LONG)
    assert written(store, RecordWrapperType.NONE, [(S3Uri("b", "long"),)]).calls == [LONG]


def test_write_of_a_record_that_no_frame_holds_sends_parts(store: FileStore) -> None:
    with (store.root / "b" / "long").open("wb") as file:
        file.truncate(LONG)
    first = (1 << 29) - 4
    assert written(store, RecordWrapperType.RECORD_IO, [(S3Uri("b", "long"),)]).calls == [
        struct.pack("<II", 0xCED7230A, 1 << 29 | first),
        first,
        struct.pack("<II", 0xCED7230A, 3 << 29 | 10),
        10,
        b"\0\0",
    ]


def test_write_of_an_object_that_is_shorter_than_it_says_is_an_error(store: FileStore) -> None:
    """Everything behind it would be shifted."""

    class ShortStream(io.BytesIO):
        size_bytes = 10
        descriptor = None

    class ShortSource(StoreSource):
        def open(self, bucket: str, key: str) -> ObjectStream:
            return ShortStream(b"12345")

    stream = EpochStream(
        channel_of(RecordWrapperType.RECORD_IO), ShortSource(store), RecordingSink(), spool_dir=store.root
    )
    with pytest.raises(EOFError, match="5 bytes early"):
        stream.write([(S3Uri("b", "k"),)])


def test_write_of_many_small_objects_gathers_them(store: FileStore) -> None:
    store.put_bytes("b", "k", b"x" * 1000)
    calls = written(store, RecordWrapperType.NONE, [(S3Uri("b", "k"),)] * 1000).calls
    assert b"".join(call for call in calls if isinstance(call, bytes)) == b"x" * 1_000_000
    assert len(calls) <= 1 + 1_000_000 // GATHER_BYTES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=3), max_size=5))
def test_write_of_values_wraps_each_as_a_record(store: FileStore, lines: list[list[bytes]]) -> None:
    items: list[tuple[AttributeValue, ...]] = [tuple(line) for line in lines]
    flat = [value for line in lines for value in line]
    bare = written(store, RecordWrapperType.NONE, items).calls
    wrapped = written(store, RecordWrapperType.RECORD_IO, items).calls
    assert b"".join(call for call in bare if isinstance(call, bytes)) == b"".join(flat)
    assert list(iter_records(b"".join(call for call in wrapped if isinstance(call, bytes)))) == flat

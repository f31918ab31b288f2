"""Every combination of a channel in Pipe mode, read from its FIFOs on every host and compared by content hash.

What is expected is made here from the payloads, with a framing and an order of the test's own.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.platform_input.elsewhere import ElsewhereSource

from seatrial.contract.s3_channel import CompressionType, S3Channel, S3DataType
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import InputMode, RecordWrapperType, S3DistributionType
from seatrial.objects.files import FileStore
from seatrial.platform.jobs.input.content import read_content
from seatrial.platform.jobs.input.pipe_feeder import PipeFeeder
from seatrial.platform.jobs.input.source import ObjectSource, StoreSource

HOSTS = 3
EPOCHS = 2
PAYLOADS = {
    f"p/{number:02d}": bytes([number]) * size for number, size in enumerate((0, 1, 5, 70_001, 400_003, 1, 32, 3))
}
LABELS = {key: f'{{"n": {position}}}'.encode() for position, key in enumerate(PAYLOADS)}
MANIFEST_KEYS = list(reversed(PAYLOADS))


def frame(payload: bytes) -> bytes:
    return struct.pack("<II", 0xCED7230A, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def listed(kind: S3DataType) -> list[list[bytes]]:
    """The items of the channel, each with its pieces."""
    if kind is S3DataType.AUGMENTED_MANIFEST_FILE:
        return [[LABELS[key], PAYLOADS[key]] for key in MANIFEST_KEYS]
    keys = list(PAYLOADS) if kind is S3DataType.S3_PREFIX else MANIFEST_KEYS
    return [[PAYLOADS[key]] for key in keys]


def expected(channel: S3Channel, epoch: int, host: int) -> bytes:
    items = listed(channel.s3_data_type)
    if channel.shuffle_seed is not None:
        digests = [
            hashlib.sha256(f"{channel.shuffle_seed}:{epoch}:{i}".encode()).hexdigest() for i in range(len(items))
        ]
        items = [items[digests.index(digest)] for digest in sorted(digests)]
    if channel.distribution is S3DistributionType.SHARDED_BY_S3_KEY:
        items = [item for position, item in enumerate(items) if position % HOSTS == host]
    wrap: Callable[[bytes], bytes] = frame if channel.record_wrapper_type is RecordWrapperType.RECORD_IO else bytes
    return b"".join(wrap(piece) for item in items for piece in item)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[CompressionType, FileStore]:
    """The objects as they are, and compressed."""
    stores = {compression: FileStore(tmp_path_factory.mktemp(compression.value)) for compression in CompressionType}
    for compression, store in stores.items():
        store.create_bucket("b")
        for key, payload in PAYLOADS.items():
            store.put_bytes("b", key, gzip.compress(payload) if compression is CompressionType.GZIP else payload)
        store.put_bytes("b", "p/", b"")  # a "folder" object is no data
        manifest = [{"prefix": "s3://b/p/"}, *(key.removeprefix("p/") for key in MANIFEST_KEYS)]
        store.put_bytes("b", "ManifestFile", json.dumps(manifest).encode())
        lines = [b'{"x-ref": "s3://b/%s", "label": %s}\n' % (key.encode(), LABELS[key]) for key in MANIFEST_KEYS]
        store.put_bytes("b", "AugmentedManifestFile", b"".join(lines))
    return stores


@pytest.mark.parametrize("source_of", [StoreSource, ElsewhereSource])
@pytest.mark.parametrize("kind", S3DataType)
@pytest.mark.parametrize("distribution", S3DistributionType)
@pytest.mark.parametrize("compression", CompressionType)
@pytest.mark.parametrize("wrapper", RecordWrapperType)
@pytest.mark.parametrize("seed", [None, 7])
def test_pipe_mode_gives_every_host_its_bytes_in_every_epoch(  # noqa: PLR0917 (one for each member)
    stores: dict[CompressionType, FileStore],
    source_of: Callable[[FileStore], ObjectSource],
    data_dir: Path,
    tmp_path: Path,
    kind: S3DataType,
    distribution: S3DistributionType,
    compression: CompressionType,
    wrapper: RecordWrapperType,
    seed: int | None,
) -> None:
    is_augmented = kind is S3DataType.AUGMENTED_MANIFEST_FILE
    channel = S3Channel(
        name="train",
        s3_uri=S3Uri("b", "p/" if kind is S3DataType.S3_PREFIX else kind.value),
        s3_data_type=kind,
        input_mode=InputMode.PIPE,
        distribution=distribution,
        compression_type=compression,
        record_wrapper_type=wrapper,
        shuffle_seed=seed,
        attribute_names=("label", "x-ref") if is_augmented else (),
    )
    source = source_of(stores[compression])
    content = read_content(channel, source)
    problems: list[Exception] = []
    for host in range(HOSTS):
        feeder = PipeFeeder(
            content,
            source,
            data_dir=data_dir,
            spool_dir=tmp_path,
            on_problem=problems.append,
            host_index=host,
            host_count=HOSTS,
        )
        feeder.start()
        try:
            for epoch in range(EPOCHS):
                fifo = data_dir / f"train_{epoch}"
                wait_for(fifo.exists)
                read = hashlib.sha256(fifo.read_bytes()).hexdigest()
                assert read == hashlib.sha256(expected(channel, epoch, host)).hexdigest(), (host, epoch)
        finally:
            feeder.stop()
    assert problems == []


def wait_for(is_so: Callable[[], bool]) -> None:
    """The next FIFO comes when the last was read; the test's own time limit ends this."""
    while not is_so():
        time.sleep(0.0005)

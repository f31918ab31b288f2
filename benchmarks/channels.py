"""Pipe mode beside ``cat FILE > FIFO`` and a bare splice loop, RecordIO beside a pure-Python reader, in one run.

    python benchmarks/channels.py [--rounds 3] [--megabytes 1024]

Every writer has the same readers, first a process that reads blocks of 64 KiB, then one that drops the data unread, so
that only the writer's work is left; the file is in the page cache. Candidates take turns and each figure is the best of
its rounds, so that a busy machine burdens all alike; records are counted against time of the processor. The pure-Python
reader is written as that of AWS's training toolkit: four small reads a record.
"""

from __future__ import annotations

import argparse
import io
import os
import runpy
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from seatrial.contract.layout import OPT_ML
from seatrial.contract.recordio import encode_record, read_records
from seatrial.contract.s3_channel import S3Channel
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import InputMode, RecordWrapperType
from seatrial.engines.base import ContainerSpec, Mount
from seatrial.engines.process import ProcessEngine
from seatrial.objects.files import FileStore
from seatrial.platform.jobs.input.content import read_content
from seatrial.platform.jobs.input.file_mode import stage_channel
from seatrial.platform.jobs.input.pipe_feeder import PipeFeeder
from seatrial.platform.jobs.input.source import StoreSource
from seatrial.runtime.serving.codecs import decode

READ = """
import os, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
source, buffer, size = os.open(sys.argv[1], os.O_RDONLY), bytearray(1 << 16), 0
nowhere = os.open("/dev/null", os.O_WRONLY)
take = {
    "reads": lambda: os.readv(source, [buffer]),
    "drops": lambda: os.splice(source, nowhere, 1 << 20),
}[sys.argv[2]]
started = time.perf_counter()
while count := take():
    size += count
print(size / (time.perf_counter() - started))
"""
SPLICE = """
import fcntl, os, sys
source, target = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_WRONLY)
fcntl.fcntl(target, fcntl.F_SETPIPE_SZ, 1 << 20)
while os.splice(source, target, 1 << 20):
    pass
"""
RECORDS_BYTES = 16 << 20
SMALL_FILES = 1_000


def read_through(fifo: Path, reader_kind: str, write: Callable[[], object]) -> float:
    """Bytes a second as the reader sees them."""
    with subprocess.Popen([sys.executable, "-c", READ, fifo, reader_kind], stdout=subprocess.PIPE) as reader:
        write()
        output, _ = reader.communicate()
    return float(output)


def process_writer(directory: Path, kind: str, command: Callable[[Path], list[str]]) -> Callable[[], float]:
    def measure() -> float:
        fifo = directory / "fifo"
        os.mkfifo(fifo)
        try:
            return read_through(fifo, kind, lambda: subprocess.run(command(fifo), check=True))
        finally:
            fifo.unlink()

    return measure


def feeder(store: FileStore, directory: Path, kind: str, wrapper: RecordWrapperType) -> Callable[[], float]:
    source = StoreSource(store)
    channel = S3Channel(
        name="train", s3_uri=S3Uri("b", "large"), input_mode=InputMode.PIPE, record_wrapper_type=wrapper
    )
    content = read_content(channel, source)

    def measure() -> float:
        feed = PipeFeeder(content, source, data_dir=directory, spool_dir=directory, on_problem=print)
        feed.start()
        try:
            return read_through(directory / "train_0", kind, lambda: None)
        finally:
            feed.stop()

    return measure


def pure_python_records(stream: io.BufferedReader) -> Iterator[bytes]:
    while head := stream.read(4):
        (magic,) = struct.unpack("I", head)
        assert magic == 0xCED7230A
        (length,) = struct.unpack("I", stream.read(4))
        padding = (((length + 3) >> 2) << 2) - length
        yield stream.read(length)
        if padding:
            stream.read(padding)


def record_reader(path: Path, read: Callable[[io.BufferedReader], Iterator[object]]) -> Callable[[], float]:
    def measure() -> float:
        with path.open("rb") as stream:
            started = time.process_time()
            count = sum(1 for _ in read(stream))
            return count / (time.process_time() - started)

    return measure


def best_of(rounds: int, measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    best = dict.fromkeys(measures, 0.0)
    for _ in range(rounds):
        for name, measure in measures.items():
            best[name] = max(best[name], measure())
    return best


def show(title: str, unit: str, scale: float, figures: dict[str, float]) -> None:
    reference = next(iter(figures.values()))
    for name, figure in figures.items():
        print(f"{title + ', ' + name:58} {figure / scale:9,.2f} {unit:10} {figure / reference:5.1f}x")


def bench_pipe(directory: Path, store: FileStore, size_bytes: int, rounds: int) -> None:
    with store.receive() as incoming:
        for _ in range(size_bytes >> 20):
            incoming.write(os.urandom(1 << 12) * 256)
        store.put("b", "large", incoming)
    path = store.path_of("b", "large")
    none, wrapped = RecordWrapperType
    for kind in ("reads", "drops"):
        measures = {
            "cat file > fifo": process_writer(
                directory, kind, lambda fifo: ["sh", "-c", 'cat "$0" > "$1"', str(path), str(fifo)]
            ),
            "bare splice loop": process_writer(
                directory, kind, lambda fifo: [sys.executable, "-c", SPLICE, str(path), str(fifo)]
            ),
            "seatrial": feeder(store, directory, kind, none),
            "seatrial, RecordIO wrapped": feeder(store, directory, kind, wrapped),
        }
        show(f"Pipe, reader {kind}", "GB/s", 1e9, best_of(rounds, measures))


def bench_records(directory: Path, rounds: int) -> None:
    for title, sizes in (
        ("100 bytes each", (100,)),
        ("1,000 bytes each", (1000,)),
        ("60 to 140 bytes", range(60, 140)),
    ):
        path = directory / "records"
        payloads = [encode_record(os.urandom(size)) for size in sizes]
        with path.open("wb") as file:
            for _ in range(RECORDS_BYTES // sum(map(len, payloads))):
                file.writelines(payloads)
        measures = {
            "pure Python": record_reader(path, pure_python_records),
            "seatrial": record_reader(path, read_records),
        }
        show(f"RecordIO, {title}", "M rec/s", 1e6, best_of(4 * rounds, measures))


def bench_matrix(directory: Path, rounds: int) -> None:
    """What built-in algorithms train on: each record a protobuf message with one row of 16 features."""
    record_class = runpy.run_path("tests/unit/runtime/serving/codecs/record_proto.py")["record_class"]()
    path = directory / "matrix"
    with path.open("wb") as file:
        for row in np.random.default_rng(1).random((50_000, 16), np.float32):
            record = record_class()
            record.features["values"].float32_tensor.values.extend(row)
            file.write(encode_record(record.SerializeToString()))

    def pure_python(stream: io.BufferedReader) -> Iterator[object]:
        rows = []
        for payload in pure_python_records(stream):
            record = record_class()
            record.ParseFromString(payload)
            rows.append(list(record.features["values"].float32_tensor.values))
        return iter([np.array(rows, np.float32)] * len(rows))

    def ours(stream: io.BufferedReader) -> Iterator[object]:
        matrix = decode(stream.read(), "application/x-recordio-protobuf")
        return iter([matrix] * len(matrix))

    measures = {"pure Python and protobuf": record_reader(path, pure_python), "seatrial": record_reader(path, ours)}
    show("RecordIO-protobuf to a matrix", "M rec/s", 1e6, best_of(rounds, measures))


def bench_staging(directory: Path, store: FileStore, size_bytes: int) -> None:
    """Objects as files of one block each would be: sparse, because only names are made."""
    folder = store.root / "b" / "many"
    folder.mkdir()
    for number in range(SMALL_FILES):
        with (folder / f"{number:04}").open("wb") as file:
            file.truncate(size_bytes // SMALL_FILES)
    source = StoreSource(store)
    started = time.perf_counter()
    content = read_content(S3Channel(name="train", s3_uri=S3Uri("b", "many/")), source)
    staged = stage_channel(content, source, directory / "staged", mounts_overlays=True)
    seconds = time.perf_counter() - started
    print(f"File mode, {SMALL_FILES:,} objects, {staged.staging.value}: layers ready in {seconds:.3f} s")
    mount = Mount(source=staged.directory, target=OPT_ML / "input/data/train", changes_dir=directory / "changes")
    mount_seconds = measure_mount(directory, mount)
    print(f"10 GB File channel of {SMALL_FILES:,} objects, ready in a container: {seconds + mount_seconds:.3f} s")


LOOK = """#!/bin/sh
exec stat -c %s /opt/ml/input/data/train/0000 /opt/ml/input/data/train/0999
"""


def measure_mount(directory: Path, mount: Mount) -> float:
    """Seconds that a container takes longer with the channel than without, until its program has found two files."""
    program = directory / "program"
    program.mkdir()
    (program / "train").write_text(LOOK)
    (program / "train").chmod(0o755)
    engine = ProcessEngine()
    if not engine.can_overlay(directory):
        sys.exit("no overlay can be mounted here")

    def run(mounts: tuple[Mount, ...]) -> tuple[float, list[str]]:
        lines: list[str] = []
        spec = ContainerSpec(image=program.as_uri(), arguments=("train",), mounts=mounts)
        started = time.perf_counter()
        with engine.start(spec, lines.append) as handle:
            handle.wait()
            return time.perf_counter() - started, lines

    without_seconds, _ = run(())
    with_seconds, lines = run((mount,))
    assert lines == ["10000000", "10000000"], lines
    return max(0.0, with_seconds - without_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=1024, help="of the object that is piped")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="seatrial-bench-", dir=".")).resolve()
    try:
        store = FileStore(directory / "store")
        store.create_bucket("b")
        bench_pipe(directory, store, options.megabytes << 20, options.rounds)
        bench_records(directory, options.rounds)
        bench_matrix(directory, options.rounds)
        bench_staging(directory, store, 10_000_000_000)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()

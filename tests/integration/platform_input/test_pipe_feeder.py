"""Readers of Pipe mode that behave, that leave early, come twice, never come, or die."""

from __future__ import annotations

import fcntl
import gzip
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.contract.recordio import encode_record
from seatrial.contract.s3_channel import CompressionType, S3Channel
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import ChannelConfig, InputMode, RecordWrapperType
from seatrial.core.errors import ContractError, SeatrialError
from seatrial.objects.files import FileStore
from seatrial.platform.jobs.input.content import read_content
from seatrial.platform.jobs.input.fifo import Fifo, Wake, open_directory
from seatrial.platform.jobs.input.pipe_feeder import PipeFeeder
from seatrial.platform.jobs.input.source import StoreSource
from seatrial.runtime.training.channels import Channel
from seatrial.runtime.training.stopping import Stopping

LARGE = bytes(range(256)) * 40_000
"""10 MB, ten times what a pipe holds."""


class Feed:
    """Channels of one bucket, fed into one directory."""

    def __init__(self, store: FileStore, data_dir: Path, spool_dir: Path) -> None:
        self.store = store
        self.data_dir = data_dir
        self._spool_dir = spool_dir
        self.problems: list[SeatrialError] = []
        self.has_problem = threading.Event()

    @contextmanager
    def channel(
        self,
        name: str = "train",
        *,
        compression_type: CompressionType = CompressionType.NONE,
        record_wrapper_type: RecordWrapperType = RecordWrapperType.NONE,
    ) -> Iterator[PipeFeeder]:
        channel = S3Channel(
            name=name,
            s3_uri=S3Uri("b", f"{name}/"),
            input_mode=InputMode.PIPE,
            compression_type=compression_type,
            record_wrapper_type=record_wrapper_type,
        )
        source = StoreSource(self.store)
        feeder = PipeFeeder(
            read_content(channel, source),
            source,
            data_dir=self.data_dir,
            spool_dir=self._spool_dir,
            on_problem=self._take_problem,
        )
        threads = threading.active_count()
        descriptors = set(os.listdir("/proc/self/fd"))
        feeder.start()
        try:
            yield feeder
        finally:
            started = time.monotonic()
            feeder.stop()
            assert time.monotonic() - started < 2
        assert threading.active_count() == threads
        assert len(os.listdir("/proc/self/fd")) <= len(descriptors)

    def _take_problem(self, problem: SeatrialError) -> None:
        self.problems.append(problem)
        self.has_problem.set()

    def path(self, epoch: int, name: str = "train") -> Path:
        return self.data_dir / f"{name}_{epoch}"


@pytest.fixture
def feed(store: FileStore, data_dir: Path, tmp_path: Path) -> Feed:
    store.put_bytes("b", "train/1", LARGE)
    store.put_bytes("b", "test/1", LARGE[::-1])
    return Feed(store, data_dir, tmp_path)


def wait_for(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.001)


def test_stop_of_a_feed_that_nobody_reads_ends_at_once(feed: Feed) -> None:
    with feed.channel():
        assert feed.path(0).is_fifo()


def test_stop_of_a_feed_whose_reader_has_fallen_asleep_ends_at_once(feed: Feed) -> None:
    with feed.channel(), feed.path(0).open("rb") as reader:
        assert reader.read(10) == LARGE[:10]


def test_stop_without_start_leaves_nothing(feed: Feed) -> None:
    channel = S3Channel(name="train", s3_uri=S3Uri("b", "train/"), input_mode=InputMode.PIPE)
    source = StoreSource(feed.store)
    content = read_content(channel, source)
    feeder = PipeFeeder(content, source, data_dir=feed.data_dir, spool_dir=feed.data_dir, on_problem=lambda _: None)
    feeder.stop()


def test_the_next_fifo_appears_when_the_last_was_read(feed: Feed) -> None:
    with feed.channel():
        with feed.path(0).open("rb") as reader:
            half = reader.read(len(LARGE) // 2)
            assert not feed.path(1).exists()
            assert half + reader.read() == LARGE
        wait_for(feed.path(1).exists)
        assert not feed.path(0).exists()
        assert feed.path(1).read_bytes() == LARGE


def test_the_next_fifo_does_not_wait_for_a_reader_that_never_closes(feed: Feed) -> None:
    with feed.channel(), feed.path(0).open("rb") as leaked:
        leaked.read()
        wait_for(feed.path(1).exists)


def test_the_next_fifo_of_a_small_channel_waits_until_it_was_read(feed: Feed) -> None:
    """The data fits into the pipe: the writer is done long before the reader."""
    feed.store.put_bytes("b", "small/1", b"abc")
    with feed.channel("small"), os.fdopen(os.open(feed.path(0, "small"), os.O_RDONLY), "rb", 0) as reader:
        assert reader.read(2) == b"ab"
        assert not feed.path(1, "small").exists()
        assert reader.read() == b"c"
        wait_for(feed.path(1, "small").exists)


def test_closing_early_ends_the_epoch(feed: Feed) -> None:
    with feed.channel():
        for epoch in range(20):
            wait_for(feed.path(epoch).exists)
            with feed.path(epoch).open("rb") as reader:
                assert reader.read(1000) == LARGE[:1000]
        wait_for(feed.path(20).exists)
    assert feed.problems == []


def test_opening_a_fifo_twice_never_hangs(feed: Feed) -> None:
    """The second reader comes at any time: it gets the end of the data, or is told that there is no such file."""
    with feed.channel():
        for epoch in range(30):
            wait_for(feed.path(epoch).exists)
            with feed.path(epoch).open("rb") as reader:
                reader.read(10)
            try:
                with feed.path(epoch).open("rb") as reader:
                    reader.read()
            except FileNotFoundError:
                pass


def test_a_reader_that_dies_ends_the_epoch(feed: Feed) -> None:
    with feed.channel():
        reads = "import sys, time; f = open(sys.argv[1], 'rb'); f.read(10); print(flush=True); time.sleep(60)"
        with subprocess.Popen([sys.executable, "-c", reads, feed.path(0)], stdout=subprocess.PIPE) as reader:
            assert reader.stdout is not None
            reader.stdout.readline()
            reader.send_signal(signal.SIGKILL)
        wait_for(feed.path(1).exists)
        assert feed.path(1).read_bytes() == LARGE


@pytest.mark.parametrize("order", [("train", "test"), ("test", "train")])
def test_channels_that_are_read_one_after_the_other_do_not_deadlock(feed: Feed, order: tuple[str, str]) -> None:
    """One is open and stands still while the other one is read to its end."""
    with feed.channel("train"), feed.channel("test"):
        first, second = (feed.path(0, name).open("rb") for name in order)
        with first, second:
            head = first.read(5)
            assert len(second.read()) == len(LARGE)
            assert len(head + first.read()) == len(LARGE)


def test_a_lost_object_is_a_problem_and_no_end_of_the_data(feed: Feed) -> None:
    feed.store.put_bytes("b", "train/2", b"x")
    with feed.channel():
        feed.store.delete("b", "train/2")
        with feed.path(0).open("rb") as reader:
            assert reader.read(len(LARGE)) == LARGE
            assert feed.has_problem.wait(10)
            os.set_blocking(reader.fileno(), False)
            assert reader.read(1) is None  # the writer is still there
    assert "Data download failed:there is no object 'train/2'" in feed.problems[0].sentence()


@pytest.mark.parametrize(
    "body",
    [b"plain", gzip.compress(LARGE)[:-20], gzip.compress(b"x") + b"trailing rubbish"],
    ids=["plain", "cut", "rubbish"],
)
@pytest.mark.parametrize("wrapper", RecordWrapperType)
def test_an_object_that_is_no_gzip_is_a_problem(feed: Feed, body: bytes, wrapper: RecordWrapperType) -> None:
    feed.store.put_bytes("b", "bad/1", body)
    with (
        feed.channel("bad", compression_type=CompressionType.GZIP, record_wrapper_type=wrapper),
        feed.path(0, "bad").open("rb", buffering=0) as reader,
    ):
        while not feed.has_problem.is_set():
            readable, _, _ = select.select([reader], [], [], 0.01)
            assert not readable or reader.read(1 << 20), "an end of the data"
    assert "s3://b/bad/1" in feed.problems[0].sentence()
    assert "CompressionType" in feed.problems[0].sentence()


def test_a_long_record_of_unknown_length_is_spooled_and_whole(feed: Feed, tmp_path: Path) -> None:
    feed.store.put_bytes("b", "zip/1", gzip.compress(LARGE, 1))
    with feed.channel("zip", compression_type=CompressionType.GZIP, record_wrapper_type=RecordWrapperType.RECORD_IO):
        assert feed.path(0, "zip").read_bytes() == encode_record(LARGE)


def test_our_runtime_reads_epochs_of_records(feed: Feed, tmp_path: Path) -> None:
    feed.store.put_bytes("b", "train/2", b"second")
    (tmp_path / "ml" / "input").mkdir(parents=True)
    (tmp_path / "ml" / "input" / "data").symlink_to(feed.data_dir)
    channel = Channel("train", ChannelConfig(training_input_mode=InputMode.PIPE), OptMl(tmp_path / "ml"), Stopping())
    with feed.channel(record_wrapper_type=RecordWrapperType.RECORD_IO):
        for _ in range(3):
            assert list(channel.records()) == [LARGE, b"second"]


def test_what_a_container_put_in_place_of_a_fifo_is_refused_and_not_followed(feed: Feed, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("host's")
    feed.path(0).symlink_to(victim)
    with pytest.raises(ContractError, match="FIFO train_0 cannot be made"), feed.channel():
        pass
    feed.path(0).unlink()
    with feed.channel():
        feed.path(1).symlink_to(victim)
        feed.path(0).read_bytes()
        assert feed.has_problem.wait(10)
        feed.path(1).unlink()
    assert "FIFO train_1 cannot be made" in feed.problems[0].sentence()
    assert victim.read_text() == "host's"


def test_a_fifo_that_a_container_replaced_is_neither_written_to_nor_removed(feed: Feed) -> None:
    with feed.channel():
        feed.path(0).unlink()
        feed.path(0).write_text("container's")
    assert feed.path(0).read_text() == "container's"
    feed.path(0).unlink()


def test_the_pipe_is_enlarged_and_everybody_may_read_it(feed: Feed) -> None:
    old = os.umask(0o077)
    try:
        with feed.channel(), feed.path(0).open("rb") as reader:
            assert feed.path(0).stat().st_mode & 0o777 == 0o644
            reader.read(1)
            assert fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ) == 1 << 20
    finally:
        os.umask(old)


def test_send_file_of_a_file_that_has_shrunk_is_an_error(data_dir: Path, tmp_path: Path) -> None:
    """Splice gives nothing at the end of a file; that must not be taken for the end of the object."""
    (tmp_path / "short").write_bytes(b"12345")
    wake, directory = Wake(), open_directory(data_dir)
    with Fifo(directory, "train_0") as fifo, (tmp_path / "short").open("rb") as source:
        reader = os.open(data_dir / "train_0", os.O_RDONLY | os.O_NONBLOCK)
        writer = fifo.open_writer(wake)
        with pytest.raises(EOFError, match="5 bytes early"):
            writer.send_file(source.fileno(), 10)
        writer.close()
        os.close(reader)
    os.close(directory)
    wake.close()


def _read_anyhow(data_dir: Path, is_over: threading.Event, dice: random.Random) -> None:
    """Open, read some, close, go on or come again: whatever a program may do."""
    epoch = 0
    while not is_over.is_set():
        try:
            reader = os.open(data_dir / f"train_{epoch}", os.O_RDONLY | dice.choice((0, 0, os.O_NONBLOCK)))
        except FileNotFoundError:
            epoch += (data_dir / f"train_{epoch + 1}").exists()
            continue
        os.set_blocking(reader, True)
        for _ in range(dice.randrange(40)):
            if not os.read(reader, dice.choice((1, 1000, 1 << 20))):
                break
        os.close(reader)
        epoch += dice.random() < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_stop_at_any_moment_leaves_no_reader_waiting(feed: Feed, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(50):
        is_over = threading.Event()
        readers = [
            threading.Thread(target=_read_anyhow, args=(feed.data_dir, is_over, random.Random(dice.random())))
            for _ in range(dice.choice((0, 1, 1, 2)))
        ]
        channel = S3Channel(name="train", s3_uri=S3Uri("b", "train/"), input_mode=InputMode.PIPE)
        source = StoreSource(feed.store)
        feeder = PipeFeeder(
            read_content(channel, source),
            source,
            data_dir=feed.data_dir,
            spool_dir=feed.data_dir,
            on_problem=feed.problems.append,
        )
        feeder.start()
        for reader in readers:
            reader.start()
        is_over.wait(dice.random() * 0.01)
        if dice.random() < 0.5:
            is_over.set()
        feeder.stop()
        is_over.set()
        for reader in readers:
            reader.join(10)
            assert not reader.is_alive()
        assert os.listdir(feed.data_dir) == []
    assert feed.problems == []

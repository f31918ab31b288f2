"""The logs of jobs: what a line costs to write, and what a poll of `aws logs tail --follow` costs to answer.

    python benchmarks/logs.py [--megabytes 500] [--streams 2000]

Beside them, in the same run: the same lines through Python's own logging.FileHandler, and a whole read of the file. A
figure of writing is wall time per line of 100 characters; one of reading is the median of its runs.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from seatrial.platform.logs.store import LogStore

GROUP = "/aws/sagemaker/TrainingJobs"
MESSAGE = "epoch 3 step 1200: loss 0.2512, accuracy 0.93, ".ljust(100, "x")
LINES_COMPARED = 100_000
RUNS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the large stream")
    parser.add_argument("--streams", type=int, default=2000, help="streams of a group with many jobs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory), options.megabytes)
        read_large(LogStore(Path(directory)))
        read_many(LogStore(Path(directory)), options.streams)


def write(root: Path, megabytes: int) -> None:
    handler = logging.FileHandler(root / "handler.txt")
    handler.setFormatter(logging.Formatter("%(created)d %(message)s"))
    record = logging.LogRecord("job", logging.INFO, "", 0, MESSAGE, None, None)
    show("write: logging.FileHandler, a line", per_line(lambda: handler.handle(record)))
    handler.close()
    with LogStore(root).open_stream(GROUP, "large/algo-1-1700000000") as writer:
        show("write: LogWriter.write, a line", per_line(lambda: writer.write(MESSAGE)))
        for _ in range(megabytes * 1_000_000 // (len(MESSAGE) + 15) - LINES_COMPARED):
            writer.write(MESSAGE)


def read_large(store: LogStore) -> None:
    last_ms = store.lists.describe_streams(GROUP).streams[0].last_ms or 0
    stream = "large/algo-1-1700000000"
    show("filter: a poll, from the newest event on", median(lambda: store.filter(GROUP, start_ms=last_ms)))
    show("filter: a page of the last 10 s", median(lambda: store.filter(GROUP, start_ms=last_ms - 10_000)))
    show("filter: 8 MiB searched for a term", median(lambda: store.filter(GROUP, pattern="needle")))
    show("events: the last 100", median(lambda: store.events(GROUP, stream, limit=100)))
    show("events: a full page from the head", median(lambda: store.events(GROUP, stream, start_from_head=True)))


def read_many(store: LogStore, streams: int) -> None:
    for number in range(streams):
        with store.open_stream(GROUP, f"job-{number}/algo-1-1700000000") as writer:
            writer.write(MESSAGE)
    now_ms = (
        store.lists.describe_streams(GROUP, order_by_time=True, is_descending=True, limit=1).streams[0].last_ms or 0
    )
    show(f"filter: a poll of all {streams} streams", median(lambda: store.filter(GROUP, start_ms=now_ms)))
    show("streams: those of one job", median(lambda: store.lists.describe_streams(GROUP, prefix="job-7/")))


def per_line(write_line: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(LINES_COMPARED):
        write_line()
    return (time.perf_counter() - start) / LINES_COMPARED


def median(read: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def show(what: str, seconds: float) -> None:
    readable = f"{seconds * 1e6:,.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"
    print(f"  {what:44} {readable:>12}")


if __name__ == "__main__":
    main()

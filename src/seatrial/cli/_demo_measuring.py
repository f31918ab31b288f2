"""The data of the demonstration, and what a server makes of it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import urllib3

from seatrial.cli import _demo_images
from seatrial.core.errors import UserCodeError

INVOCATION_COUNT = 200
"""Invocations of one row each, one after the other, of which the table shows the median."""


def measure(url: str) -> tuple[list[str], float, float]:
    """Predictions of the payload, accuracy over all of iris, median seconds of one row.

    Raises:
        UserCodeError: an answer was not 200, or had not one prediction a record.
    """
    labels, rows = _labels_and_rows()
    with urllib3.PoolManager(retries=False) as pool:
        predictions = _invoke(pool, url, payload_file().read_bytes())
        predicted_labels = _invoke(pool, url, "\n".join(rows).encode())
        if len(predicted_labels) != len(labels):
            raise UserCodeError(
                "invocation-failed",
                "the server did not answer one prediction a record",
                where=url,
                found=f"{len(predicted_labels)} predictions",
                expected=f"{len(labels)}",
            )
        accuracy = statistics.fmean(map(str.__eq__, predicted_labels, labels))
        return predictions, accuracy, _median_seconds(pool, url, rows[0].encode())


def iris_file() -> Path:
    """The training data: the species, then four measurements."""
    return _demo_images.examples_directory() / "decision-trees/local_test/test_dir/input/data/training/iris.csv"


def payload_file() -> Path:
    """Rows of four measurements."""
    return _demo_images.examples_directory() / "decision-trees/local_test/payload.csv"


def _labels_and_rows() -> tuple[list[str], list[str]]:
    pairs = [line.partition(",") for line in iris_file().read_text().splitlines() if line]
    return [label for label, _, _ in pairs], [row for _, _, row in pairs]


def _invoke(pool: urllib3.PoolManager, url: str, body: bytes) -> list[str]:
    response = pool.request("POST", url, body=body, headers={"Content-Type": "text/csv", "Accept": "text/csv"})
    if response.status != 200:
        raise UserCodeError(
            "invocation-failed",
            "the server did not answer 200",
            where=url,
            found=f"HTTP {response.status}: {response.data[:200].decode(errors='replace')}",
        )
    return response.data.decode().split()


def _median_seconds(pool: urllib3.PoolManager, url: str, body: bytes) -> float:
    seconds = []
    for _ in range(INVOCATION_COUNT):
        started = time.perf_counter()
        _invoke(pool, url, body)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)

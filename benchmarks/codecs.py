"""The codecs against what they replace: numpy.genfromtxt, which AWS's toolkit uses, and pandas.read_csv.

    python benchmarks/codecs.py [--rows 1000000]

Everything runs in one process, the candidates of a comparison in turns, and each figure is the fastest of its runs, so
that a busy machine burdens all of them alike. Times are of the processor; all candidates use one thread. The ratio is
how many times longer than ours.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import time
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from seatrial.runtime.serving.codecs import DataForm, decode, encode

FEATURES = 4
SECONDS_A_COMPARISON = 4.0
SECONDS_A_TURN = 0.005
MAX_TURNS = 1_000

Candidates = dict[str, Callable[[], Any]]


def compare(title: str, candidates: Candidates) -> None:
    """Time the candidates in turns and print each with its ratio to the first."""
    timers = {name: timeit.Timer(run, timer=time.process_time) for name, run in candidates.items()}
    calls = {name: _calls_a_turn(timer) for name, timer in timers.items()}
    fastest = dict.fromkeys(candidates, float("inf"))
    end = time.monotonic() + SECONDS_A_COMPARISON
    for turn in range(MAX_TURNS):
        for name, timer in timers.items():
            fastest[name] = min(fastest[name], timer.timeit(calls[name]) / calls[name])
        if time.monotonic() > end and turn >= 2:
            break
    print(f"\n{title}")
    ours = next(iter(fastest.values()))
    for name, seconds in fastest.items():
        print(f"  {name:34} {_readable(seconds):>12} {seconds / ours:9.1f}x")


def _calls_a_turn(timer: timeit.Timer) -> int:
    seconds = timer.timeit(1)
    return max(1, int(SECONDS_A_TURN / max(seconds, 1e-6)))


def _readable(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"


def _csv_candidates(body: bytes) -> Candidates:
    return {
        "seatrial": lambda: decode(body, "text/csv"),
        "numpy.loadtxt": lambda: np.loadtxt(io.BytesIO(body), delimiter=",", ndmin=2),
        "numpy.genfromtxt": lambda: np.genfromtxt(io.BytesIO(body), delimiter=","),
        "pandas.read_csv": lambda: pd.read_csv(io.BytesIO(body), header=None),
    }


def _text(rows: np.ndarray[Any, Any]) -> bytes:
    return encode(rows, "text/csv", "")[0]


def compare_reading(row_count: int) -> None:
    generator = np.random.default_rng(0)
    short = np.round(generator.normal(5, 2, size=(row_count, FEATURES)), 1)
    long = generator.normal(size=(row_count, FEATURES))
    compare("text/csv in, 1 row", _csv_candidates(_text(short[:1])))
    compare("text/csv in, 100 rows", _csv_candidates(_text(short[:100])))
    compare(f"text/csv in, {row_count:,} rows of 3 characters a number", _csv_candidates(_text(short)))
    compare(f"text/csv in, {row_count:,} rows of 17 digits a number", _csv_candidates(_text(long)))
    body = _text(short)
    compare(
        f"text/csv in as a DataFrame, {row_count:,} rows",
        {
            "seatrial": lambda: decode(body, "text/csv", DataForm.DATAFRAME),
            "pandas.read_csv, nothing checked": lambda: pd.read_csv(io.BytesIO(body), header=None),
        },
    )
    for rows in (short[:1], short[: row_count // 10]):
        document = json.dumps({"instances": rows.tolist()}).encode()
        compare(
            f"application/json in, {len(rows):,} rows",
            {
                "seatrial": lambda document=document: decode(document, "application/json"),
                "json.loads and numpy.array": lambda document=document: np.array(json.loads(document)["instances"]),
            },
        )


def compare_writing(row_count: int) -> None:
    rows = np.random.default_rng(0).normal(size=(row_count // 10, FEATURES))
    compare(
        f"text/csv out, {len(rows):,} rows",
        {
            "seatrial": lambda: encode(rows, "text/csv", ""),
            "numpy.savetxt": lambda: np.savetxt(io.StringIO(), rows, delimiter=",", fmt="%s"),
            "DataFrame.to_csv": lambda: pd.DataFrame(rows).to_csv(header=False, index=False),
        },
    )
    compare(
        f"application/json out, {len(rows):,} rows",
        {
            "seatrial": lambda: encode(rows, "application/json", ""),
            "json.dumps of tolist": lambda: json.dumps(rows.tolist()).encode(),
        },
    )
    compare(
        f"every type out, {len(rows):,} rows",
        {
            media_type: lambda media_type=media_type: encode(rows, media_type, "")
            for media_type in (
                "application/x-npy",
                "application/x-recordio-protobuf",
                "application/json",
                "application/jsonlines",
                "text/csv",
            )
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large bodies")
    row_count = parser.parse_args().rows
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {FEATURES} features a row"
    )
    compare_reading(row_count)
    compare_writing(row_count)


if __name__ == "__main__":
    main()

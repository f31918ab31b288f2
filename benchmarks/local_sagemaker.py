"""The local SageMaker with many jobs in its store: what a call costs, alone and while others list.

    python benchmarks/local_sagemaker.py [--jobs 10000] [--calls 300]

A platform runs as a process of its own on a store that was filled before. Each figure is the median and the 99th
percentile of its calls over one kept connection: of Python's own http.client, which tells what the platform needs, and
of boto3, which adds what it needs itself.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from seatrial.contract.statuses import SecondaryStatus
from seatrial.platform.jobs import training_record as record
from seatrial.platform.store.database import Database
from seatrial.platform.store.resources import ResourceStore

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
SIGNED = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/sagemaker/aws4_request, SignedHeaders=host, Signature=0"
"""The platform asks for no key at its loopback address, but learns from it which service is meant."""
LISTERS = 2
NEWEST = {"SortBy": "CreationTime", "SortOrder": "Descending"}
TARGET_SECONDS = 0.003
"""Of DescribeTrainingJob over HTTP, the median."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--list-at", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list_at:
        list_for_ever(options.list_at)
    with tempfile.TemporaryDirectory() as directory:
        home, program = Path(directory) / "home", make_program(Path(directory))
        fill(home, options.jobs)
        with platform(home) as url:
            measure(url, program, options.jobs, options.calls)


def make_program(directory: Path) -> str:
    program = directory / "program"
    program.mkdir()
    (program / "train").write_text("#!/bin/sh\nexit 0\n")
    (program / "train").chmod(0o755)
    return program.as_uri()


def request(name: str, program: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": program, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 100},
        "HyperParameters": {f"hyperparameter-{number}": "0.001" for number in range(20)},
    }


def fill(home: Path, count: int) -> None:
    """Ended jobs, a second apart."""
    database = Database(home / "state.db")
    phases = ("DOWNLOADING", "TRAINING", "UPLOADING", "COMPLETED")
    start = time.time() - count - 100
    database.read().execute("PRAGMA synchronous = OFF")  # of this thread's connection, while it is filled
    store = ResourceStore(database)
    for number in range(count):
        name = f"job-{number:06}"
        now = start + number
        job = record.new_training_job(name, f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}",
                                      request(name, "file:///program"), now)  # fmt: skip
        for step, phase in enumerate(phases, 1):
            job = record.enter(job, SecondaryStatus[phase], now + step)
        store.insert(job)
    database.close()


@contextlib.contextmanager
def platform(home: Path) -> Iterator[str]:
    argv = [sys.executable, "-m", "seatrial"]
    process = subprocess.Popen(
        [*argv, "up", "--port=0", f"--home={home}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            asked = [*argv, "status", "--json", f"--home={home}"]
            status = subprocess.run(asked, capture_output=True, text=True, check=False)
            if status.returncode == 0:
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the platform did not start")
        yield json.loads(status.stdout)["url"]
    finally:
        process.terminate()
        process.wait()


def measure(url: str, program: str, jobs: int, calls: int) -> None:
    client = boto3.client("sagemaker", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x",
                          aws_secret_access_key="x")  # fmt: skip
    s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    s3.create_bucket(Bucket="bucket")
    names = (f"job-{number * 7919 % jobs:06}" for number in range(1 << 30))
    ask = Asker(url)
    describe_raw = lambda: ask("DescribeTrainingJob", TrainingJobName=next(names))  # noqa: E731
    describe_boto3 = lambda: client.describe_training_job(TrainingJobName=next(names))  # noqa: E731
    print(f"{jobs:,} jobs in the store")
    p50 = show("describe, http.client", calls, describe_raw)
    show("describe, boto3", calls, describe_boto3)
    for what, parameters in {
        "list 10, newest first": NEWEST,
        "list 100, newest first": NEWEST | {"MaxResults": 100},
        "list 10 by name, name contains": {"SortBy": "Name", "NameContains": "99"},
        "list 10 by status": {"SortBy": "Status"},
        "list 10, none has this status": {"StatusEquals": "Failed"},
        "list 10, modified in the last minute": {"LastModifiedTimeAfter": time.time() - 160},
    }.items():
        show(f"{what}, http.client", calls // 3, lambda parameters=parameters: ask("ListTrainingJobs", **parameters))
    with listing(url):
        busy_p50 = show(f"describe while {LISTERS} clients list 100, http.client", calls, describe_raw)
        show(f"describe while {LISTERS} clients list 100, boto3", calls, describe_boto3)
    numbers = iter(range(1 << 30))
    show("create, http.client", 20, lambda: ask("CreateTrainingJob", **request(f"new-{next(numbers)}", program)))
    for what, seconds in (("alone", p50), ("while others list", busy_p50)):
        verdict = "meets" if seconds <= TARGET_SECONDS else "MISSES"
        print(f"  describe {what} {verdict} the target of {TARGET_SECONDS * 1e3:g} ms")


class Asker:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def __call__(self, operation: str, **parameters: object) -> None:
        headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1",
                   "Authorization": SIGNED}  # fmt: skip
        self._connection.request("POST", "/", json.dumps(parameters), headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{operation}: {body.decode()}")


@contextlib.contextmanager
def listing(url: str) -> Iterator[None]:
    """Other clients, each a process of its own, list as often as they can."""
    argv = [sys.executable, __file__, "--list-at", url]
    processes = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(LISTERS)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # it has listed once
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.communicate()


def list_for_ever(url: str) -> None:
    ask = Asker(url)
    ask("ListTrainingJobs", MaxResults=100, **NEWEST)
    print("listing", flush=True)
    while True:
        ask("ListTrainingJobs", MaxResults=100, **NEWEST)


def show(what: str, calls: int, call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
    print(f"  {what:58} p50 {p50 * 1e3:7.2f} ms   p99 {p99 * 1e3:7.2f} ms")
    return p50


if __name__ == "__main__":
    main()

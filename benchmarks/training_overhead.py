"""What the platform adds to a training job, in one run: the classic sample through the API beside the bare program.

    python benchmarks/training_overhead.py [--rounds 7] [--image NAME] [--jobs 10000]

A job through the API is create to waited, as boto3 does it: the data is in the object store already, and the model is
there when the waiter returns. Beside it stands the same program with nothing around it: a copy of ``train`` whose
``/opt/ml`` is a directory, run by this Python. With ``--image`` a job of that image stands beside a bare ``docker run
--rm`` of it; ``seatrial demo --engine docker`` builds ``seatrial/decision-trees:demo``. The candidates take turns; each
figure is a median.

The last figures are DescribeTrainingJob's, over a kept connection and through boto3, with ``--jobs`` jobs in the store.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from seatrial.contract.names import training_job_arn
from seatrial.contract.statuses import SecondaryStatus
from seatrial.platform.jobs.training_record import enter, new_training_job, with_details
from seatrial.platform.store.database import Database
from seatrial.platform.store.resources import ResourceStore

SAMPLE = Path(__file__).resolve().parents[1] / "examples/decision-trees"
PROGRAM = SAMPLE / "decision_trees"
IRIS = SAMPLE / "local_test/test_dir/input/data/training/iris.csv"
HYPERPARAMETERS = {"max_leaf_nodes": "5"}
BUCKET = "bench"
DESCRIBE_COUNT = 300
_S = SecondaryStatus
FILLED_PHASES = (_S.DOWNLOADING, _S.TRAINING, _S.UPLOADING, _S.COMPLETED)
DESCRIBE_HEADERS = {"X-Amz-Target": "SageMaker.DescribeTrainingJob", "Content-Type": "application/x-amz-json-1.1"}


@contextlib.contextmanager
def platform(home: Path) -> Iterator[str]:
    """The address of a platform in a process of its own."""
    seatrial = [sys.executable, "-m", "seatrial"]
    subprocess.run([*seatrial, "up", "-d", "--port=0", f"--home={home}"], check=True, capture_output=True)
    try:
        said = subprocess.run([*seatrial, "status", "--json", f"--home={home}"], check=True, capture_output=True)
        yield json.loads(said.stdout)["url"]
    finally:
        subprocess.run([*seatrial, "down", f"--home={home}"], check=True, capture_output=True)


def client(url: str, service: str) -> Any:  # noqa: ANN401 (boto3 makes the methods at run time)
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
    )


def request(name: str, image: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/iris/"}
    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/SageMakerRole",
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "HyperParameters": HYPERPARAMETERS,
        "InputDataConfig": [{"ChannelName": "training", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def through_the_api(sagemaker: Any, name: str, image: str) -> None:  # noqa: ANN401
    sagemaker.create_training_job(**request(name, image))
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)


def where_it_goes(sagemaker: Any, name: str) -> dict[str, float]:  # noqa: ANN401
    """Seconds of each phase."""
    job = sagemaker.describe_training_job(TrainingJobName=name)
    return {
        one["Status"]: (one["EndTime"] - one["StartTime"]).total_seconds() for one in job["SecondaryStatusTransitions"]
    }


def lay_out(opt_ml: Path) -> None:
    """What ``train`` finds."""
    shutil.rmtree(opt_ml, ignore_errors=True)
    for directory in ("input/config", "input/data/training", "model", "output/data"):
        (opt_ml / directory).mkdir(parents=True)
    shutil.copy(IRIS, opt_ml / "input/data/training")
    (opt_ml / "input/config/hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))


def bare_program(directory: Path) -> Callable[[], None]:
    """Runs a copy of the classic ``train``."""
    opt_ml = directory / "bare"
    program = directory / "train.py"
    text = (PROGRAM / "train").read_text()
    assert "/opt/ml" in text
    program.write_text(text.replace("/opt/ml", str(opt_ml)))
    environment = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}

    def run() -> None:
        lay_out(opt_ml)
        subprocess.run([sys.executable, str(program)], check=True, capture_output=True, env=environment)
        assert any((opt_ml / "model").iterdir())

    return run


def bare_docker_run(directory: Path, image: str) -> Callable[[], None]:
    opt_ml = directory / "docker"

    def run() -> None:
        lay_out(opt_ml)
        subprocess.run(
            ["docker", "run", "--rm", f"--volume={opt_ml}:/opt/ml", image, "train"], check=True, capture_output=True
        )
        assert any((opt_ml / "model").iterdir())

    return run


def seconds_of(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An image through the API, and the same bare."""

    engine: str
    image: str
    bare: Callable[[], None]
    allowed_seconds: float
    """By which the API may take longer."""


def compare(pair: Pair, rounds: int, sagemaker: Any) -> None:  # noqa: ANN401
    """Run both in turns and print what the API adds."""
    api_seconds, bare_seconds = [], []
    phases: list[Mapping[str, float]] = []
    for number in range(-1, rounds):  # the first round warms up
        name = f"{pair.engine}-{number + 1}"
        alone = seconds_of(pair.bare)
        api = seconds_of(partial(through_the_api, sagemaker, name, pair.image))
        if number >= 0:
            api_seconds.append(api)
            bare_seconds.append(alone)
            phases.append(where_it_goes(sagemaker, name))
    alone, api = statistics.median(bare_seconds), statistics.median(api_seconds)
    added = statistics.median(one - other for one, other in zip(api_seconds, bare_seconds, strict=True))
    print(f"{pair.engine:16} bare {alone:6.3f} s   API {api:6.3f} s   ratio {api / alone:4.2f}   ", end="")
    print(f"added {added:+6.3f} s (allowed {pair.allowed_seconds} s)")
    medians = {phase: statistics.median(one.get(phase, 0.0) for one in phases) for phase in phases[0]}
    print(f"{'':16} {'  '.join(f'{phase} {seconds:.3f} s' for phase, seconds in medians.items() if seconds)}")


def fill_store(home: Path, count: int) -> None:
    """Completed jobs, written as the platform writes them; it must not run."""
    database = Database(home / "state.db")
    store = ResourceStore(database)
    try:
        for number in range(count):
            name = f"stored-{number:06}"
            created = time.time() - 60
            job = new_training_job(name, training_job_arn(name), request(name, "classic"), created)
            for phase in FILLED_PHASES:
                job = enter(job, phase, created + 1)
            store.insert(with_details(job, created + 1, exit_code=0))
    finally:
        database.close()


def describe_times(url: str, count: int) -> None:
    address = urlsplit(url).netloc
    connection = http.client.HTTPConnection(address)
    sagemaker = client(url, "sagemaker")
    names = [f"stored-{number * 7919 % count:06}" for number in range(DESCRIBE_COUNT)]

    def raw(name: str) -> None:
        body = json.dumps({"TrainingJobName": name})
        connection.request("POST", "/", body=body, headers=DESCRIBE_HEADERS)
        answer = connection.getresponse()
        assert name in answer.read().decode()

    def through_boto3(name: str) -> None:
        sagemaker.describe_training_job(TrainingJobName=name)

    for title, ask in (("bare connection", raw), ("boto3", through_boto3)):
        ask(names[0])
        times = sorted(seconds_of(partial(ask, name)) for name in names)
        p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
        print(f"DescribeTrainingJob, {count:,} jobs, {title:16} p50 {p50:5.2f} ms   p99 {p99:5.2f} ms")
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--image")
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="seatrial-bench-"))
    try:
        with platform(directory / "home") as url:
            s3, sagemaker = client(url, "s3"), client(url, "sagemaker")
            s3.create_bucket(Bucket=BUCKET)
            s3.upload_file(str(IRIS), BUCKET, "iris/iris.csv")
            pairs = [Pair(engine="process", image=PROGRAM.as_uri(), bare=bare_program(directory), allowed_seconds=0.3)]
            if options.image:
                bare = bare_docker_run(directory, options.image)
                pairs.append(Pair(engine="docker", image=options.image, bare=bare, allowed_seconds=0.5))
            for pair in pairs:
                compare(pair, options.rounds, sagemaker)
        fill_store(directory / "home", options.jobs)
        with platform(directory / "home") as url:
            describe_times(url, options.jobs)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()

"""``jobs``, ``describe``, ``logs``, ``stop`` and ``status`` against a running platform."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LOG_GROUP = "/aws/sagemaker/TrainingJobs"

TRAIN = """#!/bin/sh
trap 'echo saved | tee /opt/ml/model/model; exit 0' TERM
printf 'loss=0.5 \\033[2Jcleared\\n'
while [ -n "$FOR_EVER" ]; do sleep 0.05; done
echo "loss=0.25"
echo "no iris here" > /opt/ml/output/failure
exit ${EXIT_CODE:-0}
"""


class Site:
    """A platform in the background, which runs one job at a time."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.program = directory / "program"
        self.program.mkdir()
        (self.program / "train").write_text(TRAIN)
        (self.program / "train").chmod(0o755)

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "seatrial", *arguments, f"--home={self.home}"]

    def say(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments),
            capture_output=True, text=True, timeout=100, check=False, env={**os.environ, **environment},
        )  # fmt: skip

    def client(self, service: str) -> Any:
        url = json.loads(self.say("status", "--json").stdout)["url"]
        return boto3.client(
            service,
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106
        )

    def create(self, name: str, **environment: str) -> None:
        self.client("sagemaker").create_training_job(
            TrainingJobName=name,
            RoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
            AlgorithmSpecification={
                "TrainingImage": self.program.as_uri(),
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
            HyperParameters={"depth": "5\x1b[2J"},
            OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 100},
            Environment=environment,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    started = site.say("up", "-d", "--port=0", "--max-jobs=1")
    assert started.returncode == 0, started.stderr
    try:
        site.client("s3").create_bucket(Bucket="bucket")
        site.create("good")
        site.create("bad-one", EXIT_CODE="3")
        assert site.say("logs", "-f", "good").returncode == 0
        assert site.say("logs", "-f", "bad-one").returncode == 1
        yield site
    finally:
        site.say("down")


@pytest.fixture
def running(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """A job that runs until it is stopped, as it is at the end."""
    name = request.node.name.replace("_", "-")[:60].rstrip("-")
    site.create(name, FOR_EVER="1")
    try:
        yield name
    finally:
        site.say("stop", name, "--wait")


def test_jobs_are_a_table_with_the_newest_first(site: Site) -> None:
    listed = site.say("jobs").stdout.splitlines()

    assert listed[0].split() == ["NAME", "STATUS", "SECONDARY", "CREATED", "DURATION"]
    names = [line.split()[0] for line in listed[1:]]
    assert names.index("bad-one") < names.index("good")
    assert [line.split()[1:3] for line in listed if line.startswith("bad-one")] == [["Failed", "Failed"]]


def test_jobs_are_filtered_and_counted_and_given_as_json(site: Site) -> None:
    def names(*options: str) -> list[str]:
        listed = json.loads(site.say("jobs", "--json", *options).stdout)["TrainingJobSummaries"]
        return [job["TrainingJobName"] for job in listed]

    assert names("--status", "failed") == ["bad-one"]
    assert names("--name-contains", "oo") == ["good"]
    assert len(names("--max", "1")) == 1
    assert names("--name-contains", "nowhere") == []
    assert site.say("jobs", "--name-contains", "nowhere").stderr == "no training job is like that\n"


def test_describe_shows_why_a_job_failed_and_its_last_lines_made_harmless(site: Site) -> None:
    text = site.say("describe", "bad-one").stdout

    assert "FailureReason      AlgorithmError: no iris here" in text
    assert "  loss  0.25" in text
    assert text.endswith("  │ loss=0.5 [2Jcleared\n  │ loss=0.25\n")
    assert "\x1b" not in text


def test_describe_json_is_the_whole_answer(site: Site) -> None:
    described = json.loads(site.say("describe", "good", "--json").stdout)
    expected = site.client("sagemaker").describe_training_job(TrainingJobName="good")

    assert set(described) == set(expected) - {"ResponseMetadata"}
    assert datetime.datetime.fromisoformat(described["CreationTime"]) == expected["CreationTime"]
    assert described["HyperParameters"] == {"depth": "5\x1b[2J"}


@pytest.mark.parametrize("command", ["describe", "logs", "stop"])
def test_unknown_job_names_the_nearest(site: Site, command: str) -> None:
    said = site.say(command, "bad-noe")

    assert said.returncode == 1
    assert "error[job-not-found]: there is no training job 'bad-noe'" in said.stderr
    assert "did you mean bad-one" in said.stderr
    assert "Traceback" not in said.stderr


def test_logs_come_as_they_were_written_since_a_time_and_with_timestamps(site: Site) -> None:
    assert site.say("logs", "good").stdout == "loss=0.5 \x1b[2Jcleared\nloss=0.25\n"
    assert site.say("logs", "good", "--since", "2099-01-01").stdout == ""
    assert site.say("logs", "good", "--since", "1h").stdout.count("\n") == 2
    stamped = site.say("logs", "good", "-t").stdout.splitlines()[1]
    assert datetime.datetime.strptime(stamped, "%Y-%m-%dT%H:%M:%S.%fZ loss=0.25")
    assert site.say("logs", "good", "--since", "soon").returncode == 2


def test_logs_of_several_hosts_name_them(site: Site) -> None:
    logs = site.client("logs")
    now_ms = int(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000)
    for host, message in (("algo-2", "second"), ("algo-1", "first")):
        stream = f"wide/{host}-1"
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        now_ms -= 1000
        logs.put_log_events(
            logGroupName=LOG_GROUP, logStreamName=stream, logEvents=[{"timestamp": now_ms, "message": message}]
        )

    assert site.say("logs", "wide").stdout == "algo-1: first\nalgo-2: second\n"


def test_logs_follow_shows_lines_as_they_come_and_ends_with_the_job(site: Site, running: str) -> None:
    with subprocess.Popen(
        site.argv("logs", "-f", running), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        assert following.stdout.readline() == "loss=0.5 \x1b[2Jcleared\n"
        site.client("sagemaker").stop_training_job(TrainingJobName=running)
        assert following.stdout.read() == "saved\n"
        assert f"{running} Stopped after" in following.stderr.read()
    assert following.returncode == 0


def test_logs_follow_interrupted_ends_quietly_and_the_job_goes_on(site: Site, running: str) -> None:
    with subprocess.Popen(
        site.argv("logs", "-f", running), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert following.stderr is not None
        following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.stderr.read() == "\n"  # after the ^C of a terminal
    assert following.returncode == 130
    assert site.client("sagemaker").describe_training_job(TrainingJobName=running)["TrainingJobStatus"] == "InProgress"


def test_job_that_waits_says_so_and_is_counted(site: Site, running: str) -> None:
    site.create("one-more")
    said = site.say("status")

    assert "training jobs: 1 running, 1 waiting" in said.stderr
    assert json.loads(site.say("status", "--json").stdout)["jobs"] == {"running": 1, "waiting": 1}
    waiting = site.say("logs", "one-more")
    assert waiting.returncode == 0
    assert waiting.stderr.endswith("has no log yet: Training job waiting for capacity\n")


def test_stop_waits_for_the_model_and_a_second_stop_is_refused(site: Site, running: str) -> None:
    with subprocess.Popen(site.argv("logs", "-f", running), stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert following.stdout.readline()  # the program has its trap
        following.kill()
    stopped = site.say("stop", running, "--wait")
    again = site.say("stop", running)

    assert stopped.returncode == 0
    assert f"{running} Stopped after" in stopped.stderr
    assert f"s3://bucket/out/{running}/output/model.tar.gz" in site.say("describe", running).stdout
    assert again.returncode == 1
    assert "the training job is in status Stopped" in again.stderr
    assert "only a job that has not ended can be stopped" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (["describe", "a b/../x"], "give a name as 'seatrial jobs' shows it"),
        (["logs", "-f", "a b/../x"], "give a name as 'seatrial jobs' shows it"),
        (["stop", "a b/../x"], "give a name as 'seatrial jobs' shows it"),
        (["jobs", "--name-contains", "a*b"], "give a part of a name"),
    ],
)
def test_name_that_can_be_none_is_refused_with_what_to_give(site: Site, arguments: list[str], fix: str) -> None:
    refused = site.say(*arguments)

    assert refused.returncode == 1
    assert f"fix    {fix}: letters, digits and hyphens" in refused.stderr


@pytest.mark.parametrize("command", [["jobs"], ["describe", "good"], ["logs", "good"], ["jobs", "--json"]])
def test_output_that_nobody_reads_ends_the_command(site: Site, command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(site.argv(*command), stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)

    assert done.returncode == 141
    assert done.stderr == b""


def test_neither_a_profile_nor_a_proxy_of_the_user_has_a_say(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[nonsense")

    listed = site.say("jobs", AWS_PROFILE="nobody", AWS_CONFIG_FILE=str(config), HTTP_PROXY="http://127.0.0.1:9")

    assert listed.returncode == 0, listed.stderr


def test_platform_that_does_not_answer_is_an_error_of_one_sentence(site: Site) -> None:
    file = site.home / "platform.json"
    kept = file.read_text()
    file.write_text(json.dumps({**json.loads(kept), "port": 1}))
    try:
        listed, status = site.say("jobs"), site.say("status")
    finally:
        file.write_text(kept)

    assert listed.returncode == 1
    assert "error[platform-unreachable]" in listed.stderr
    assert "Traceback" not in listed.stderr
    assert status.returncode == 0
    assert "it answers no request" in status.stderr


def test_without_a_platform_the_commands_say_how_to_start_one(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "seatrial", "jobs", f"--home={tmp_path}"]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert said.returncode == 2
    assert "error[platform-not-running]" in said.stderr
    assert "seatrial up -d" in said.stderr

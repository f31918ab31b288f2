"""Jobs on several hosts of the process engine, as the platform runs them: real containers on a real network."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.contract.cluster import GroupRequest, resource_configs
from seatrial.contract.layout import OPT_ML, OptMl
from seatrial.contract.training import write_resource_config
from seatrial.engines.base import ContainerSpec, ExitStatus, Mount
from seatrial.engines.isolation import Isolation, find_isolation
from seatrial.engines.process import ProcessEngine
from seatrial.platform.jobs.host_group import HostGroup
from seatrial.platform.jobs.host_outputs import pack_host_outputs
from seatrial.platform.jobs.open_hosts import Host, open_hosts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_isolation().isolation is Isolation.NONE, reason=f"no namespaces: {find_isolation().reason}"
    ),
]

DEADLINE_SECONDS = 60.0
HOST_COUNT = 3

PROGRAM = """#!/usr/bin/env python3
import json, os, pathlib, signal, socket, sys, time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # process 1 has no default
config = json.loads(pathlib.Path("/opt/ml/input/config/resourceconfig.json").read_text())
leader, own, mode = config["hosts"][0], config["current_host"], os.environ["MODE"]
if own == leader:
    with socket.create_server(("", 7777)) as server:
        names = {own}
        while names < set(config["hosts"]):
            with server.accept()[0] as connection:
                names.add(connection.recv(100).decode())
    pathlib.Path("/opt/ml/model/names").write_text(" ".join(sorted(names)))
else:
    while True:
        try:
            with socket.create_connection((leader, 7777), timeout=5) as connection:
                connection.sendall(socket.gethostname().encode())
            break
        except OSError:
            time.sleep(0.02)
print("met", flush=True)
if mode == "leader fails" and own == leader:
    sys.exit(9)
if mode != "work":
    time.sleep(600)
pathlib.Path(f"/opt/ml/model/{own}").write_text(own)
"""


class Job:
    """A job on three hosts; the containers outlive this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.program = root / "program"
        self.program.mkdir()
        (self.program / "train").write_text(PROGRAM)
        (self.program / "train").chmod(0o755)
        self.trees: dict[str, OptMl] = {}
        for config in resource_configs([GroupRequest(instance_type="ml.m5.large", instance_count=HOST_COUNT)]):
            opt_ml = self.trees[config.current_host] = OptMl(root / config.current_host)
            opt_ml.input_config_dir.mkdir(parents=True)
            opt_ml.model_dir.mkdir()
            opt_ml.output_data_dir.mkdir(parents=True)
            write_resource_config(opt_ml, config)
        self.lines: dict[str, list[str]] = {name: [] for name in self.trees}

    def open(self, mode: str) -> HostGroup:
        hosts = [
            Host(
                name=name,
                spec=ContainerSpec(
                    image=self.program.as_uri(),
                    arguments=("train",),
                    environment={"MODE": mode},
                    mounts=(Mount(source=opt_ml.root, target=OPT_ML),),
                ),
                on_line=self.lines[name].append,
            )
            for name, opt_ml in self.trees.items()
        ]
        return open_hosts(
            ProcessEngine(), hosts, labels={}, stop_grace_seconds=DEADLINE_SECONDS, keep_dir=self.root / "hosts"
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_hosts_work_together_and_their_models_become_one(job: Job, tmp_path: Path) -> None:
    with job.open("work") as group:
        assert group.wait(DEADLINE_SECONDS) == ExitStatus(exit_code=0), job.lines
        outputs = pack_host_outputs(job.trees, tmp_path / "out", lambda _: None)
    assert outputs.model_archive is not None
    listing = subprocess.run(["tar", "-tzf", outputs.model_archive], capture_output=True, text=True, check=True)
    assert listing.stdout.split() == ["algo-1", "algo-2", "algo-3", "names"]
    assert (job.trees["algo-1"].model_dir / "names").read_text() == "algo-1 algo-2 algo-3"
    assert not (tmp_path / "hosts").exists()


def test_one_host_that_fails_ends_the_job(job: Job) -> None:
    with job.open("leader fails") as group:
        assert group.wait(DEADLINE_SECONDS) == ExitStatus(exit_code=9)
        assert group.failed_host == "algo-1"
    assert job.lines["algo-1"] == ["met"]


def test_hosts_of_a_killed_platform_are_found_and_stopped(job: Job, tmp_path: Path) -> None:
    starter = [sys.executable, "-c", _STARTER, str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(starter, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as platform:
        assert platform.stdout is not None
        assert platform.stdout.readline() == b"open\n"
        platform.kill()
    with job.open("wait") as group:
        _until(lambda: all(job.lines.values()))
        assert group.stop(DEADLINE_SECONDS).signal_number == 15
    assert job.lines == {name: ["met"] for name in job.trees}


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


_STARTER = """
import pathlib, sys
sys.path.append(sys.argv[1])
import test_host_group

job = object.__new__(test_host_group.Job)
job.root = pathlib.Path(sys.argv[2])
job.program = job.root / "program"
job.trees = {name: test_host_group.OptMl(job.root / name) for name in ("algo-1", "algo-2", "algo-3")}
job.lines = {name: [] for name in job.trees}
job.open("wait")
print("open", flush=True)
sys.stdin.read()
"""

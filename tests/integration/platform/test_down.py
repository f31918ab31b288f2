"""The end of a platform: its jobs are told at once, requests are answered meanwhile, and nobody can hold it up."""

import contextlib
import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.integration.platform.site import Site, create, wait_for_log

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

STOPS_WHEN_TOLD = """#!/bin/sh
trap 'echo told; while [ ! -e /opt/ml/input/data/go ]; do sleep 0.05; done; echo saved > /opt/ml/model/m; exit 0' TERM
echo ready
while :; do sleep 0.05; done
"""


@contextlib.contextmanager
def stalled(url: str, head: str) -> Iterator[socket.socket]:
    """A client that begins a request and then says nothing more."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as client:
        client.sendall(head.replace("\n", "\r\n").replace("HTTP/1.1", "HTTP/1.1\r\nHost: 127.0.0.1").encode())
        yield client


def is_cut(client: socket.socket) -> bool:
    """Whether the other side lets go, with an answer or without."""
    with contextlib.suppress(ConnectionResetError):
        while client.recv(4096):
            pass
    return True


class Waiter(threading.Thread):
    """botocore's waiter, whose Describe the platform holds back."""

    def __init__(self, site: Site, name: str) -> None:
        super().__init__()
        self._client, self._name = site.client("sagemaker"), name
        self.answers: list[dict[str, Any]] = []
        self.has_asked = threading.Event()
        self._client.meta.events.register("before-send.sagemaker.DescribeTrainingJob", self._note_asked)
        self._client.meta.events.register("after-call.sagemaker.DescribeTrainingJob", self._note)

    def _note_asked(self, **_: object) -> None:
        self.has_asked.set()

    def _note(self, parsed: dict[str, Any], **_: object) -> None:
        self.answers.append(parsed)

    def run(self) -> None:
        waiter = self._client.get_waiter("training_job_completed_or_stopped")
        with contextlib.suppress(Exception):  # it is told of a job that has not ended, and looks once only
            waiter.wait(TrainingJobName=self._name, WaiterConfig={"MaxAttempts": 1})


def test_down_stops_jobs_while_requests_are_answered_and_waiters_learn_of_it(
    site: Site, program: Callable[[str], str]
) -> None:
    """Issue 3: SIGTERM reached the jobs only when all answers had ended, also those that waited for the jobs."""
    create(site, "runs", program(STOPS_WHEN_TOLD))
    wait_for_log(site, "runs", "ready")
    waiter = Waiter(site, "runs")
    waiter.start()
    assert waiter.has_asked.wait(30)
    down = subprocess.Popen([sys.executable, "-m", "seatrial", "down", f"--home={site.home}"])
    wait_for_log(site, "runs", "told")

    assert site.client("sagemaker").describe_training_job(TrainingJobName="runs")["TrainingJobStatus"] == "Stopping"
    assert down.poll() is None
    (site.home / "jobs/runs/ml/input/data/go").touch()
    assert down.wait(30) == 0
    waiter.join(30)
    assert [answer["TrainingJobStatus"] for answer in waiter.answers] == ["Stopped"]
    site.up()
    assert site.client("s3").head_object(Bucket="bucket", Key="out/runs/output/model.tar.gz")


def test_down_lets_go_of_whoever_waits_for_a_job_that_has_not_begun(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    site = Site(tmp_path / "home")
    site.up("--max-jobs=1")
    create(site, "runs", program("#!/bin/sh\ntrap 'exit 0' TERM\necho ready\nwhile :; do sleep 0.05; done\n"))
    create(site, "waits", program("#!/bin/sh\n"))
    wait_for_log(site, "runs", "ready")
    waiter = Waiter(site, "waits")
    waiter.start()
    assert waiter.has_asked.wait(30)  # a command takes longer to start than a request to arrive
    begun_at = time.monotonic()

    assert site.command("down").returncode == 0
    assert time.monotonic() - begun_at < 30
    waiter.join(30)
    assert [answer["SecondaryStatus"] for answer in waiter.answers] == ["Pending"]


class Silent(http.server.BaseHTTPRequestHandler):
    """An upstream that begins an answer and never ends it."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.flush()
        self.rfile.read()

    def log_message(self, *_: object) -> None:
        pass


def test_down_cuts_clients_that_stall_and_answers_of_an_upstream(tmp_path: Path) -> None:
    """Issue 3: a client that stalled in the middle of a body kept the platform for ever."""
    site = Site(tmp_path / "home")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as upstream, contextlib.ExitStack() as clients:
        upstream.daemon_threads = True
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        site.up(f"--upstream=http://127.0.0.1:{upstream.server_address[1]}")
        site.client("s3").create_bucket(Bucket="bucket")
        heads = [
            "PUT /bucket/key HTTP/1.1\nContent-Length: 1000\n\nhalf",
            "POST / HTTP/1.1\nX-Amz-Target: SageMaker.ListTrainingJobs\nContent-Length: 1000\n\nhalf",
            "POST / HTTP/1.1\nX-Amz-Target: DynamoDB_20120810.ListTables\nContent-Length: 2\n\n{}",
            "GET /bucket",
        ]
        stalling = [clients.enter_context(stalled(site.url, head)) for head in heads]
        begun_at = time.monotonic()

        down = site.command("down")
        assert down.returncode == 0, down.stderr
        assert time.monotonic() - begun_at < 30
        assert all(is_cut(client) for client in stalling)
        upstream.shutdown()
    assert "Traceback" not in (site.home / "platform.log").read_text()

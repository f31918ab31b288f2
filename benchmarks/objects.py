"""Our object store beside moto's server, in one run: small puts and gets, and 64 MB up and down.

    python benchmarks/objects.py [--rounds 3]

Ours is ``seatrial up``, moto's is ``moto.server``; both are processes of their own and are asked in turns. Each figure
is the best of its rounds, so that a busy machine burdens both alike. One connection of the standard library asks, and
then boto3, which takes longer for a small request than a server. CPU is the server's, of one request or transfer: the
steadiest figure on a busy machine. Every put of ours is synced to the disk before it is answered; moto keeps objects in
memory.
"""

from __future__ import annotations

import argparse
import http.client
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient

SMALL_COUNT = 100
LARGE_BYTES = 64_000_000
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""Neither server verifies it, but moto wants one."""


@dataclass(frozen=True)
class Server:
    url: str
    process_id: int

    def cpu_seconds(self) -> float:
        """User and system time since its start; 0 where there is no /proc."""
        try:
            fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    rate: float
    """Better when it is higher."""
    server_cpu_ms: float
    """Of one request or transfer."""


@contextmanager
def server(*arguments: str) -> Iterator[Server]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, *(argument.replace("PORT", str(port)) for argument in arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield Server(url, process.pid)
    finally:
        process.terminate()
        process.wait()


def client_for(url: str) -> BaseClient:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def measure(asked: Server, round_number: int) -> dict[str, Figure]:
    """One round of all figures."""
    url = asked.url
    bucket = f"round-{round_number}"
    client = client_for(url)
    client.create_bucket(Bucket=bucket)
    small, large = os.urandom(1024), os.urandom(LARGE_BYTES)
    buffer = memoryview(bytearray(1 << 20))
    connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(method: str, key: str, body: bytes | None = None) -> None:
        connection.request(method, f"/{bucket}/{key}", body=body, headers={"Authorization": SIGNED})
        answer = connection.getresponse()
        while answer.readinto(buffer):
            pass
        assert answer.status == 200, answer.status

    def each(request: Callable[[str], object]) -> Figure:
        return timed(lambda: [request(f"small/{number}") for number in range(SMALL_COUNT)], SMALL_COUNT, SMALL_COUNT)

    def once(transfer: Callable[[], object]) -> Figure:
        return timed(transfer, LARGE_BYTES / 1e6, 1)

    def timed(run: Callable[[], object], amount: float, count: int) -> Figure:
        cpu, start = asked.cpu_seconds(), time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        return Figure(amount / seconds, (asked.cpu_seconds() - cpu) * 1000 / count)

    target = io.BytesIO()
    config = TransferConfig(max_concurrency=4)
    figures = {
        "1 KB put /s": each(lambda key: ask("PUT", key, small)),
        "1 KB get /s": each(lambda key: ask("GET", key)),
        "1 KB put /s, boto3": each(lambda key: client.put_object(Bucket=bucket, Key=key, Body=small)),
        "1 KB get /s, boto3": each(lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read()),
        "64 MB up MB/s": once(lambda: ask("PUT", "one", large)),
        "64 MB down MB/s": once(lambda: ask("GET", "one")),
        "64 MB up MB/s, boto3, parts": once(
            lambda: client.upload_fileobj(io.BytesIO(large), bucket, "parts", Config=config)
        ),
        "64 MB down MB/s, boto3, ranges": once(lambda: client.download_fileobj(bucket, "parts", target, Config=config)),
    }
    connection.close()
    client.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    directory = Path(tempfile.mkdtemp(prefix="seatrial-bench-", dir="."))
    best: dict[str, dict[str, Figure]] = {"seatrial": {}, "moto": {}}
    try:
        with (
            server("-m", "seatrial", "up", "--port=PORT", f"--home={directory}") as ours,
            server("-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT") as moto,
        ):
            for round_number in range(rounds):
                for name, asked in (("seatrial", ours), ("moto", moto)):
                    for what, figure in measure(asked, round_number).items():
                        kept = best[name].get(what, figure)
                        best[name][what] = Figure(
                            max(figure.rate, kept.rate), min(figure.server_cpu_ms, kept.server_cpu_ms)
                        )
    finally:
        shutil.rmtree(directory)
    print(f"{'':32} {'seatrial':>10} {'moto':>10} {'ratio':>7}   {'CPU ms':>8} {'moto':>8} {'ratio':>7}")
    for what, our in best["seatrial"].items():
        other = best["moto"][what]
        cpu = f"{our.server_cpu_ms:8.1f} {other.server_cpu_ms:8.1f} {other.server_cpu_ms / our.server_cpu_ms:6.1f}x"
        print(f"{what:32} {our.rate:10,.0f} {other.rate:10,.0f} {our.rate / other.rate:6.1f}x   {cpu}")


if __name__ == "__main__":
    main()

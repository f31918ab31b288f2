"""Our object store beside moto's server, in one run: small puts and gets, and 64 MB up and down.

    python benchmarks/objects.py [--rounds 3]

Needs ``pip install boto3 'moto[server]'``. Both servers are processes of their own and are asked in turns; each figure
is the best of its rounds, so that a busy machine burdens both alike. One connection of the standard library asks,
because boto3 itself takes longer for a small request than a server; the last two figures are boto3's transfer manager.
Every put of ours is synced to the disk before it is answered; moto keeps objects in memory.
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
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient

SMALL_COUNT = 100
LARGE_BYTES = 64_000_000
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""Neither server verifies it, but moto wants one."""


@contextmanager
def server(*arguments: str) -> Iterator[str]:
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
        yield url
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


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(url: str, round_number: int) -> dict[str, float]:
    """Each figure is better when it is higher."""
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

    def each(request: Callable[[str], object]) -> float:
        return SMALL_COUNT / timed(lambda: [request(f"small/{number}") for number in range(SMALL_COUNT)])

    target = io.BytesIO()
    config = TransferConfig(max_concurrency=4)
    large_mb = LARGE_BYTES / 1e6
    figures = {
        "1 KB put /s": each(lambda key: ask("PUT", key, small)),
        "1 KB get /s": each(lambda key: ask("GET", key)),
        "1 KB put /s, boto3": each(lambda key: client.put_object(Bucket=bucket, Key=key, Body=small)),
        "1 KB get /s, boto3": each(lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read()),
        "64 MB up MB/s": large_mb / timed(lambda: ask("PUT", "one", large)),
        "64 MB down MB/s": large_mb / timed(lambda: ask("GET", "one")),
        "64 MB up MB/s, boto3, parts": large_mb
        / timed(lambda: client.upload_fileobj(io.BytesIO(large), bucket, "parts", Config=config)),
        "64 MB down MB/s, boto3, ranges": large_mb
        / timed(lambda: client.download_fileobj(bucket, "parts", target, Config=config)),
    }
    connection.close()
    client.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    directory = Path(tempfile.mkdtemp(prefix="seatrial-bench-", dir="."))
    best: dict[str, dict[str, float]] = {"seatrial": {}, "moto": {}}
    try:
        with (
            server("-m", "seatrial", "up", "--port=PORT", f"--home={directory}") as ours,
            server("-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT") as moto,
        ):
            urls = {"seatrial": ours, "moto": moto}
            for round_number in range(rounds):
                for name, url in urls.items():
                    for what, figure in measure(url, round_number).items():
                        best[name][what] = max(figure, best[name].get(what, 0.0))
    finally:
        shutil.rmtree(directory)
    print(f"{'':32} {'seatrial':>10} {'moto':>10} {'ratio':>7}")
    for what, figure in best["seatrial"].items():
        print(f"{what:32} {figure:10,.0f} {best['moto'][what]:10,.0f} {figure / best['moto'][what]:6.1f}x")


if __name__ == "__main__":
    main()

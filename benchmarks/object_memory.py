"""Peak memory of the local SageMaker while one large object goes in and out.

    python benchmarks/object_memory.py [--gigabytes 5]

One put and one get in a single request each, as the largest that S3 takes; then a multipart upload of the same size,
whose parts are joined. The figure is the server's peak resident set (VmHWM of Linux), before and after. Needs about
three times the size on the disk of the working directory.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import boto3

CHUNK = bytes(range(256)) * 4096
PART_BYTES = 256 << 20


def peak_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000


def stream(size: int) -> Iterator[bytes]:
    for start in range(0, size, len(CHUNK)):
        yield CHUNK[: size - start]


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.1)


def ask(port: int, method: str, target: str, size: int = 0) -> int:
    """Send so many bytes; give how many came back."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, target, body=stream(size) if size else None, headers={"content-length": str(size)})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    buffer = memoryview(bytearray(1 << 20))
    received = 0
    while count := answer.readinto(buffer):
        received += count
    connection.close()
    return received


def upload_parts(port: int, size: int) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    upload = client.create_multipart_upload(Bucket="memory", Key="parts")
    target = f"/memory/parts?uploadId={upload['UploadId']}"
    for number, start in enumerate(range(0, size, PART_BYTES), 1):
        ask(port, "PUT", f"{target}&partNumber={number}", min(PART_BYTES, size - start))
    listed = client.list_parts(Bucket="memory", Key="parts", UploadId=upload["UploadId"])["Parts"]
    parts = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in listed]
    client.complete_multipart_upload(
        Bucket="memory", Key="parts", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1)
    size = int(parser.parse_args().gigabytes * (1 << 30))
    directory = tempfile.mkdtemp(prefix="seatrial-bench-", dir=".")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "seatrial", "up", f"--port={port}", f"--home={directory}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        ask(port, "PUT", "/memory")
        ask(port, "PUT", "/memory/small", len(CHUNK))
        figures = {"after 1 MB": peak_mb(process.pid)}
        for what, act in (
            ("put", lambda: ask(port, "PUT", "/memory/one", size)),
            ("get", lambda: ask(port, "GET", "/memory/one")),
            ("upload of parts", lambda: upload_parts(port, size)),
        ):
            start = time.perf_counter()
            act()
            print(f"{what:16} {size / 1e6 / (time.perf_counter() - start):8,.0f} MB/s", flush=True)
            figures[f"after {what}"] = peak_mb(process.pid)
        for what, figure in figures.items():
            print(f"peak memory {what:24} {figure:8,.0f} MB", flush=True)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()

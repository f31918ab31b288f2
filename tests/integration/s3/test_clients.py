"""Programs that people use: the AWS CLI and pandas through s3fs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3")

pytestmark = pytest.mark.slow


def test_aws_s3_sync_up_and_down(url: str, bucket: str, tmp_path: Path) -> None:
    pytest.importorskip("awscli", reason="make test-clients runs it: the AWS CLI wants a botocore of its own")
    up, down = tmp_path / "up", tmp_path / "down"
    (up / "a" / "b").mkdir(parents=True)
    (up / "one.csv").write_text("1,2\n")
    (up / "a" / "b" / "two é.bin").write_bytes(os.urandom(10 << 20))
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONIOENCODING": "utf-8",
        "LC_ALL": "C.UTF-8",
    }

    def sync(*arguments: str) -> str:
        command = [sys.executable, "-m", "awscli", "s3", "sync", "--endpoint-url", url, "--no-progress", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert sync(str(up), f"s3://{bucket}/data").count("upload:") == 2
    assert sync(str(up), f"s3://{bucket}/data") == ""
    assert sync(f"s3://{bucket}/data", str(down)).count("download:") == 2
    assert (down / "a" / "b" / "two é.bin").read_bytes() == (up / "a" / "b" / "two é.bin").read_bytes()
    (up / "one.csv").unlink()
    assert sync(str(up), f"s3://{bucket}/data", "--delete").count("delete:") == 1


def test_pandas_reads_and_writes_through_s3fs(url: str, bucket: str, client: Any) -> None:
    pandas = pytest.importorskip("pandas")
    s3fs = pytest.importorskip("s3fs", reason="make test-clients runs it: s3fs wants a botocore of its own")
    client.put_object(Bucket=bucket, Key="in/a.csv", Body=b"x,y\n1,2\n3,4\n")
    options = {"key": "test", "secret": "test", "client_kwargs": {"endpoint_url": url, "region_name": "us-east-1"}}
    try:
        frame = pandas.read_csv(f"s3://{bucket}/in/a.csv", storage_options=options)
        frame.to_csv(f"s3://{bucket}/out/b.csv", index=False, storage_options=options)
    finally:
        s3fs.S3FileSystem.clear_instance_cache()

    assert frame["y"].tolist() == [2, 4]
    assert client.get_object(Bucket=bucket, Key="out/b.csv")["Body"].read() == b"x,y\n1,2\n3,4\n"

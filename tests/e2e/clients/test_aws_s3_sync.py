"""``aws s3 sync``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


def test_s3_sync_up_and_down_transfers_only_what_differs(site: Any, tmp_path: Path) -> None:
    def aws(*arguments: str | Path) -> str:
        shown: str = site.run("awscli", "aws", *arguments)
        return shown

    up, down = tmp_path / "up", tmp_path / "down"
    (up / "a" / "b").mkdir(parents=True)
    (up / "one.csv").write_text("1,2\n")
    (up / "a" / "b" / "two é.bin").write_bytes(os.urandom(10 << 20))
    aws("s3", "mb", "s3://synced")

    assert aws("s3", "sync", up, "s3://synced/data").count("upload:") == 2
    assert aws("s3", "sync", up, "s3://synced/data") == ""
    assert aws("s3", "sync", "s3://synced/data", down).count("download:") == 2
    assert (down / "a" / "b" / "two é.bin").read_bytes() == (up / "a" / "b" / "two é.bin").read_bytes()
    (up / "one.csv").unlink()
    assert aws("s3", "sync", up, "s3://synced/data", "--delete").count("delete:") == 1

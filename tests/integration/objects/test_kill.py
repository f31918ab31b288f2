"""kill -9 at any point of a write leaves the old object or the new one, never a mixture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_writer.py")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("records", ["attributes", "sidecars"])
@pytest.mark.parametrize(
    ("operation", "points_min"),
    [("put", 10), ("create", 10), ("copy", 10), ("complete", 15), ("tags", 5), ("delete", 3)],
)
def test_operation_killed_at_every_call_leaves_the_old_or_the_new_object(
    tmp_path: Path, operation: str, points_min: int, records: str
) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), operation, records]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= points_min

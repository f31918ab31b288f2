"""A store to read channels from, and a directory to feed them into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.objects.files import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "store")
    store.create_bucket("b")
    return store


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A host's ``/opt/ml/input/data``; no feeder leaves a FIFO in it."""
    directory = tmp_path / "data"
    directory.mkdir()
    yield directory
    assert list(directory.glob("*")) == []

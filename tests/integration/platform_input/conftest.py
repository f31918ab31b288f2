"""Objects to read channels from: in a store of this machine, and as if they were elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.platform_input.elsewhere import ElsewhereSource

from seatrial.objects.files import FileStore
from seatrial.platform.jobs.input.source import ObjectSource, StoreSource


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "store")
    store.create_bucket("b")
    return store


@pytest.fixture(params=["here", "elsewhere"])
def source(request: pytest.FixtureRequest, store: FileStore) -> ObjectSource:
    return StoreSource(store) if request.param == "here" else ElsewhereSource(store)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A host's ``/opt/ml/input/data``; no feeder leaves a FIFO in it."""
    directory = tmp_path / "data"
    directory.mkdir()
    yield directory
    assert list(directory.glob("*")) == []

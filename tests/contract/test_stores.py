"""The contract of ``objects.base`` over every store."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.objects.base import ObjectStore
from seatrial.objects.files import FileStore
from seatrial.testing.store_suite import StoreSuite


class TestFileStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return FileStore(tmp_path)

"""The contract of ``objects.base`` over every store."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from seatrial.objects.base import ObjectStore
from seatrial.objects.files import FileStore
from seatrial.testing.store_suite import StoreSuite


class TestFileStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return FileStore(tmp_path)


class TestFileStoreWithoutAttributes(StoreSuite):
    """As on a file system that keeps no extended attributes."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
        def refuse(*_arguments: object, **_options: object) -> bytes:
            raise OSError(errno.ENOTSUP, "not supported")

        for name in ("setxattr", "getxattr", "removexattr"):
            monkeypatch.setattr(os, name, refuse, raising=False)
        return FileStore(tmp_path)

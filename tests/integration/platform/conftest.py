"""A running platform, and programs for it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.platform.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "home")
    site.up()
    try:
        yield site
    finally:
        site.command("down")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        directory = tmp_path / f"program-{time.monotonic_ns()}"
        directory.mkdir()
        (directory / "train").write_text(text)
        (directory / "train").chmod(0o755)
        return directory.as_uri()

    return write

"""The wheel of the source tree, installed and packed again."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from seatrial.build.wheels import build_wheel

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def contents(wheel: Path) -> dict[str, bytes]:
    """Every member but RECORD, whose order is the packer's."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith(".dist-info/RECORD")}


def test_repack_wheel_of_an_installed_seatrial_gives_the_wheel_it_came_from(tmp_path: Path) -> None:
    original = build_wheel(ROOT, tmp_path)
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site]
    subprocess.run([*install, original], check=True, timeout=60)
    # As in an installed package: the examples are the package's own, so the wheel is packed from it.
    build = "from seatrial.cli import _demo_images; print(_demo_images._wheel_of_this(Path(sys.argv[1])))"
    (tmp_path / "again").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; from pathlib import Path; {build}", tmp_path / "again"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(site)},
        timeout=60,
    )

    repacked = Path(done.stdout.strip())
    assert repacked.name == original.name
    assert contents(repacked) == contents(original)
    assert contents(repacked)["seatrial/errors.md"] == (ROOT / "docs/reference/errors.md").read_bytes()
    subprocess.run([*install[:-1], tmp_path / "site-again", repacked], check=True, timeout=60)

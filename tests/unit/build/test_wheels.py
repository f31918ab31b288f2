"""An installed distribution becomes a wheel again."""

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from seatrial.build.wheels import repack_wheel
from seatrial.core.errors import BuildError

INFO = "shipshape-1.2.dist-info"
FILES = {
    "shipshape/__init__.py": "",
    "shipshape/data/train": "#!/bin/sh\n",
    "shipshape/__pycache__/__init__.cpython-311.pyc": "",
    "neighbour/__init__.py": "",
    "bin/train": "#!/some/venv/bin/python\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.3\nName: shipshape\nVersion: 1.2\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\ntrain = shipshape:train\n",
    f"{INFO}/INSTALLER": "pip\n",
    f"{INFO}/REQUESTED": "",
    f"{INFO}/direct_url.json": "{}",
    f"{INFO}/RECORD": "",
}
PACKED = [f"{INFO}/METADATA", f"{INFO}/RECORD", f"{INFO}/WHEEL", f"{INFO}/entry_points.txt"]
PACKED += ["shipshape/__init__.py", "shipshape/data/train"]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on ``sys.path`` with one installed distribution."""
    site = tmp_path / "site"
    for name, text in FILES.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (site / "shipshape/data/train").chmod(0o755)
    (site / INFO / "RECORD").write_text("".join(f"{name},,\n" for name in [*FILES, "../../bin/serve"]))
    monkeypatch.syspath_prepend(site)
    return site


def test_repack_wheel_takes_the_package_and_leaves_what_the_installer_wrote(site: Path, tmp_path: Path) -> None:
    wheel = repack_wheel("shipshape", tmp_path)

    assert wheel == tmp_path / "shipshape-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert sorted(archive.namelist()) == PACKED
        assert archive.getinfo("shipshape/data/train").external_attr >> 16 & 0o111
        record = archive.read(f"{INFO}/RECORD").decode().splitlines()
    digest = urlsafe_b64encode(hashlib.sha256(b"#!/bin/sh\n").digest()).rstrip(b"=").decode()
    assert f"shipshape/data/train,sha256={digest},10" in record
    assert record[-1] == f"{INFO}/RECORD,,"


def test_repack_wheel_with_a_file_gone_names_it(site: Path, tmp_path: Path) -> None:
    (site / "shipshape/data/train").unlink()

    with pytest.raises(BuildError, match="cannot be packed") as caught:
        repack_wheel("shipshape", tmp_path)

    assert caught.value.code == "wheel-not-repackable"
    assert str(site / "shipshape/data/train") in str(caught.value.found)


@pytest.mark.parametrize("record", [None, ""])
def test_repack_wheel_without_a_list_of_files_is_refused(site: Path, tmp_path: Path, record: str | None) -> None:
    if record is None:
        (site / INFO / "METADATA").rename(site / "METADATA")
        (site / INFO / "RECORD").unlink()
    else:
        (site / INFO / "RECORD").write_text(record)

    with pytest.raises(BuildError) as caught:
        repack_wheel("shipshape", tmp_path)

    assert caught.value.code == "wheel-not-repackable"


def test_repack_wheel_of_what_is_not_installed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        repack_wheel("not-installed-at-all", tmp_path)

    assert caught.value.found == "no installed package not-installed-at-all"

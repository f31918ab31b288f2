"""A wheel of this very Seatrial for an image, whether it runs from a source tree or is installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from seatrial.core.errors import BuildError

_WRITTEN_BY_INSTALLERS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Files of ``.dist-info`` that tell of one installation and have no place in a wheel."""


def build_wheel(source_dir: Path, directory: Path) -> Path:
    """A wheel of a source tree, in ``directory``.

    Raises:
        BuildError: pip could not build it; ``found`` is the end of its output.
    """
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    argv += ["--wheel-dir", str(directory), str(source_dir)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    wheels = sorted(directory.glob("*.whl"))
    if done.returncode or not wheels:
        raise BuildError(
            "wheel-build-failed",
            "the wheel of this source tree could not be built",
            where=str(source_dir),
            found=done.stderr.strip()[-2000:] or f"exit code {done.returncode}",
            fix="see that pip can install build requirements here",
        )
    return wheels[-1]


def repack_wheel(name: str, directory: Path) -> Path:
    """The wheel that an installed distribution came from, made again from its files, in ``directory``.

    Only the package of that name is packed. Scripts are left out: an installer makes them anew from the entry points,
    for the interpreter that it serves.

    Raises:
        BuildError: the distribution is not installed here, or a file of it is gone.
    """
    try:
        installed = distribution(name)
        return _repack(installed, directory)
    except (PackageNotFoundError, FileNotFoundError) as error:
        raise BuildError(
            "wheel-not-repackable",
            f"the installed {name} cannot be packed for the image",
            where=str(Path(__file__).parents[1]),
            found=f"no file {error.filename}" if isinstance(error, OSError) else f"no installed package {name}",
            fix=f"install {name} again with pip, or run the command in a clone",
        ) from error


def _repack(installed: Distribution, directory: Path) -> Path:
    # Not installed.files: since Python 3.12, and in the backport that some packages put in its place, it passes over
    # files that are gone.
    listed = [PurePosixPath(row[0]) for row in csv.reader((installed.read_text("RECORD") or "").splitlines()) if row]
    packed = [path for path in listed if _belongs_in_a_wheel(path, installed.name)]
    dist_info = next((path.parts[0] for path in packed if path.parts[0].endswith(".dist-info")), None)
    if dist_info is None:  # installed without a list of its files
        raise PackageNotFoundError(installed.name)
    wheel = directory / f"{dist_info.removesuffix('.dist-info')}-py3-none-any.whl"
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in packed:
            source = Path(str(installed.locate_file(path)))
            content = source.read_bytes()
            archive.write(source, str(path))
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.writerow((path, f"sha256={digest}", len(content)))
        rows.writerow((f"{dist_info}/RECORD", "", ""))
        archive.writestr(f"{dist_info}/RECORD", record.getvalue())
    return wheel


def _belongs_in_a_wheel(path: PurePosixPath, package: str) -> bool:
    top = path.parts[0]
    if top.endswith(".dist-info"):
        return path.name not in _WRITTEN_BY_INSTALLERS
    return top == package and "__pycache__" not in path.parts

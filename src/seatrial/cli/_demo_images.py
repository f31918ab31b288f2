"""Where the example containers lie, and how their images are built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import seatrial
from seatrial.build.builder import build_image
from seatrial.core.errors import BuildError, ConfigError

_PACKAGE_DIR = Path(seatrial.__file__).resolve().parent
_SOURCE_DIR = _PACKAGE_DIR.parent.parent


def examples_directory() -> Path:
    """``examples/`` of the source tree, or the copy that an installed wheel carries.

    Raises:
        ConfigError: neither is there.
    """
    for directory in (_PACKAGE_DIR / "examples", _SOURCE_DIR / "examples"):
        if (directory / "decision-trees").is_dir():
            return directory
    raise ConfigError(
        "examples-missing",
        "the example containers are not installed",
        where=str(_PACKAGE_DIR),
        fix="reinstall seatrial",
    )


def build_example_image(example_dir: Path, context_dir: Path, on_line: Callable[[str], None]) -> str:
    """Build the image of an example; from a source tree its runtime is the one of that tree.

    Args:
        example_dir: The example; it is not written to.
        context_dir: A directory to be made, for the build's context.
        on_line: Receives the build's output.

    Returns:
        The image's name.

    Raises:
        EngineError: no Docker engine answers.
        BuildError: the wheel or the image could not be built.
    """
    shutil.copytree(example_dir, context_dir)
    requirement = f"seatrial[serve]=={seatrial.__version__}"
    if (_SOURCE_DIR / "pyproject.toml").is_file():
        requirement = f"./{build_wheel(context_dir).name}[serve]"
    tag = f"seatrial/{example_dir.name}:demo"
    # Docker warns of a build argument that a Dockerfile does not declare.
    declares = "ARG SEATRIAL" in (context_dir / "Dockerfile").read_text()
    return build_image(context_dir, tag, on_line, build_arguments={"SEATRIAL": requirement} if declares else None)


def build_wheel(directory: Path) -> Path:
    """A wheel of this source tree, in ``directory``.

    Raises:
        BuildError: pip could not build it; ``found`` is the end of its output.
    """
    argv = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(directory),
        str(_SOURCE_DIR),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    wheels = sorted(directory.glob("seatrial-*.whl"))
    if done.returncode or not wheels:
        raise BuildError(
            "wheel-build-failed",
            "the wheel of this source tree could not be built",
            where=str(_SOURCE_DIR),
            found=done.stderr.strip()[-2000:] or f"exit code {done.returncode}",
            fix="see that pip can install build requirements here",
        )
    return wheels[-1]

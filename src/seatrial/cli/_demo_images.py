"""Where the example containers lie, and how their images are built."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import seatrial
from seatrial.build.builder import build_image
from seatrial.build.wheels import build_wheel, repack_wheel
from seatrial.core.errors import ConfigError

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
    """Build the image of an example; what it installs of Seatrial is what runs this, not the package index's.

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
    build_arguments = {}
    # Docker warns of a build argument that a Dockerfile does not declare.
    if "ARG SEATRIAL" in (context_dir / "Dockerfile").read_text():
        build_arguments["SEATRIAL"] = f"./{_wheel_of_this(context_dir).name}[serve]"
    return build_image(context_dir, f"seatrial/{example_dir.name}:demo", on_line, build_arguments=build_arguments)


def _wheel_of_this(directory: Path) -> Path:
    is_installed = examples_directory().is_relative_to(_PACKAGE_DIR)
    return repack_wheel("seatrial", directory) if is_installed else build_wheel(_SOURCE_DIR, directory)

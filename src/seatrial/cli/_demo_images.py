"""Where the example containers lie, and how their images are built."""

from __future__ import annotations

from pathlib import Path

import seatrial
from seatrial.core.errors import ConfigError

_PACKAGE_DIR = Path(seatrial.__file__).resolve().parent


def examples_directory() -> Path:
    """``examples/`` of the source tree, or the copy that an installed wheel carries.

    Raises:
        ConfigError: neither is there.
    """
    for directory in (_PACKAGE_DIR / "examples", _PACKAGE_DIR.parent.parent / "examples"):
        if (directory / "decision-trees").is_dir():
            return directory
    raise ConfigError(
        "examples-missing",
        "the example containers are not installed",
        where=str(_PACKAGE_DIR),
        fix="reinstall seatrial",
    )

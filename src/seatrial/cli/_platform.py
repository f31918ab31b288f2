"""Finding the platform that runs in a home directory: its port and process are in ``platform.json``."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from seatrial.core.errors import ConfigError

HOME_VARIABLE = "SEATRIAL_HOME"
DEFAULT_HOME = "~/.seatrial"

_FILE = "platform.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPlatform:
    """A platform that answers."""

    pid: int
    port: int
    bind: str | None = None
    """The address beside 127.0.0.1."""
    keys: str | None = None
    """The file with the keys that are asked for there."""
    s3_endpoint: str | None = None
    """The S3 server that it keeps objects in, when that is another one."""
    upstream: str | None = None
    """Who answers for services that it does not emulate."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def home_directory(home: Path | None) -> Path:
    """``--home``, else ``SEATRIAL_HOME``, else ``~/.seatrial``."""
    return (home or Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)).expanduser().absolute()


def announce(home: Path, platform: RunningPlatform) -> None:
    """Write where this process answers, and who else does."""
    partial = home / f"{_FILE}.partial"
    partial.write_text(json.dumps(asdict(platform)), encoding="utf-8")
    partial.replace(home / _FILE)


def find_platform(home: Path) -> RunningPlatform | None:
    """The platform that runs in a home directory; what a killed one left is passed over."""
    if not _is_locked(home / "lock"):
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads((home / _FILE).read_text(encoding="utf-8"))
        return RunningPlatform(
            pid=int(found["pid"]),
            port=int(found["port"]),
            bind=found.get("bind"),
            keys=found.get("keys"),
            s3_endpoint=found.get("s3_endpoint"),
            upstream=found.get("upstream"),
        )
    return None


def require_platform(home: Path) -> RunningPlatform:
    """As ``find_platform``.

    Raises:
        ConfigError: none runs there.
    """
    platform = find_platform(home)
    if platform is None:
        raise ConfigError(
            "platform-not-running",
            "no Seatrial platform runs in this home directory",
            where=str(home),
            fix="start one with 'seatrial up -d', or name its directory with --home",
        )
    return platform


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False

"""The platform of the demonstration: a process that ends when its parent does, however that ends.

The pipe to its standard input is the bond: once nobody holds the other end, it stops its jobs and goes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from seatrial.cli._clients import Clients
from seatrial.cli._platform import RunningPlatform
from seatrial.cli._streams import print_product
from seatrial.core.errors import ConfigError

_LOG = "platform.log"
_SHOWN_CHARACTERS = 2000


@contextlib.contextmanager
def demo_platform(home: Path) -> Iterator[Clients]:
    """Clients of a platform of one's own, at a free port; at the end its jobs are stopped.

    Args:
        home: A directory that does not exist yet.

    Raises:
        ConfigError: it did not start.
    """
    home.mkdir()
    log = home / _LOG
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.cli._demo_platform", str(home)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
            cwd="/", start_new_session=True,  # Ctrl-C is this process's to answer
        )  # fmt: skip
    with process:  # closes the pipes and waits for the end
        assert process.stdout is not None  # noqa: S101 (it is a pipe)
        port = process.stdout.readline()
        if not port:
            raise ConfigError(
                "platform-not-started",
                "the platform did not start",
                where=str(home),
                found=log.read_text(errors="replace").strip()[-_SHOWN_CHARACTERS:] or "nothing in its log",
                fix="mend what its log says",
            )
        yield Clients(RunningPlatform(pid=process.pid, port=int(port)))


def _run(home: Path) -> None:
    from seatrial.platform.server import PlatformSettings, run_platform

    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_platform(PlatformSettings(home=home, port=0), lambda port: print_product(f"{port}\n".encode()))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _run(Path(sys.argv[1]))

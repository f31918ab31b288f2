"""``seatrial up``: the local SageMaker, in front or in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click

from seatrial.cli._output import Output
from seatrial.cli._paths import FilledPath
from seatrial.cli._platform import announce, find_platform, home_directory
from seatrial.cli.env import ENVIRONMENT
from seatrial.core.errors import ConfigError

_START_SECONDS = 30.0
_POLL_SECONDS = 0.05
_LOG = "platform.log"


@click.command("up")
@click.option("--detach", "-d", is_flag=True, help="Run in the background.")
@click.option("--port", type=click.IntRange(0, 65535), default=4577, show_default=True, help="0 takes a free one.")
@click.option(
    "--home", type=FilledPath(path_type=Path, file_okay=False), metavar="DIR",
    help="Where jobs, objects and logs are kept (default: SEATRIAL_HOME, else ~/.seatrial).",
)  # fmt: skip
@click.option(
    "--max-jobs", type=click.IntRange(1, 1000), default=os.cpu_count() or 1, metavar="N",
    help="Training jobs that run at once; others wait (default: one for each processor).",
)  # fmt: skip
def command(*, detach: bool, port: int, home: Path | None, max_jobs: int) -> int:
    """Run a local SageMaker that AWS's clients can use.

    It answers at 127.0.0.1 and asks for no key. Ctrl-C or SIGTERM stops it, and its training jobs as StopTrainingJob
    does.
    """
    directory = home_directory(home)
    with Output() as out:
        if detach:
            return _start_in_background(out, directory, port, max_jobs)

        def say_ready(actual_port: int) -> None:
            announce(directory, actual_port)
            _say_ready(out, actual_port, directory)

        from seatrial.platform.server import PlatformSettings, run_platform

        run_platform(PlatformSettings(home=directory, port=port, max_jobs=max_jobs), say_ready)
        out.say("stopped")
    return 0


def _say_ready(out: Output, port: int, home: Path) -> None:
    out.say(f"a local SageMaker answers at http://127.0.0.1:{port}, its home is {home}")
    out.say("tell AWS's clients with")
    for name, value in ENVIRONMENT.items():
        out.say(f"  export {name}={value.format(port=port)}")


def _start_in_background(out: Output, home: Path, port: int, max_jobs: int) -> int:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if find_platform(home) is not None:
        raise ConfigError(
            "home-taken",
            "another Seatrial platform uses this home directory",
            where=str(home),
            fix="stop it with 'seatrial down', or name another directory with --home",
        )
    log = home / _LOG
    argv = [sys.executable, "-m", "seatrial", "up", f"--port={port}", f"--home={home}", f"--max-jobs={max_jobs}"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        platform = find_platform(home)
        if platform is not None and platform.pid == process.pid:
            _say_ready(out, platform.port, home)
            return 0
        time.sleep(_POLL_SECONDS)
    process.terminate()
    raise ConfigError(
        "platform-not-started",
        "the platform did not start",
        where=str(log),
        found=log.read_text(encoding="utf-8", errors="replace").strip()[-2000:] or "nothing in its log",
        fix="mend what its log says",
    )

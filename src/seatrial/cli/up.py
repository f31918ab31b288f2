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
from seatrial.cli._platform import announce, find_platform, home_directory, require_platform
from seatrial.cli.env import ENVIRONMENT, is_any_address
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
    "--bind",
    metavar="ADDRESS",
    help="Answer at this address or host's name too, for whoever signs with a key (see --keys); 0.0.0.0 for all.",
)
@click.option(
    "--keys",
    type=FilledPath(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The keys for --bind, in the form of ~/.aws/credentials (default: HOME/keys, made when missing).",
)
@click.option(
    "--max-jobs", type=click.IntRange(1, 1000), default=os.cpu_count() or 1, metavar="N",
    help="Training jobs that run at once; others wait (default: one for each processor).",
)  # fmt: skip
def command(*, detach: bool, port: int, home: Path | None, bind: str | None, keys: Path | None, max_jobs: int) -> int:
    """Run a local SageMaker that AWS's clients can use.

    It answers at 127.0.0.1 and asks for no key there. Ctrl-C or SIGTERM stops it, and its training jobs as
    StopTrainingJob does.
    """
    if keys is not None and bind is None:
        raise click.UsageError("--keys needs --bind: at 127.0.0.1 nobody is asked for a key")
    directory = home_directory(home)
    keys = None if keys is None else keys.expanduser().absolute()
    with Output() as out:
        if detach:
            options = [f"--port={port}", f"--home={directory}", f"--max-jobs={max_jobs}"]
            options += [f"--{name}={value}" for name, value in (("bind", bind), ("keys", keys)) if value is not None]
            return _start_in_background(out, directory, options)

        from seatrial.platform.server import PlatformSettings, keys_file, run_platform

        settings = PlatformSettings(home=directory, port=port, bind=bind, keys=keys, max_jobs=max_jobs)

        def say_ready(actual_port: int) -> None:
            announce(directory, actual_port, bind=bind, keys=keys_file(settings))
            _say_ready(out, directory)

        run_platform(settings, say_ready)
        out.say("stopped")
    return 0


def _say_ready(out: Output, home: Path) -> None:
    platform = require_platform(home)
    out.say(f"a local SageMaker answers at {platform.url}, its home is {home}")
    if platform.bind is not None and platform.keys is not None:
        where = "every address of this machine" if is_any_address(platform.bind) else platform.bind
        out.say(f"others reach it at {where}, port {platform.port}, with a key of {platform.keys} (seatrial env)")
    elif platform.bind is not None:
        out.say(f"it answers at {platform.bind} too, and asks for no key there")
    out.say("tell AWS's clients with")
    for name, value in ENVIRONMENT.items():
        out.say(f"  export {name}={value.format(port=platform.port)}")


def _start_in_background(out: Output, home: Path, options: list[str]) -> int:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if find_platform(home) is not None:
        raise ConfigError(
            "home-taken",
            "another Seatrial platform uses this home directory",
            where=str(home),
            fix="stop it with 'seatrial down', or name another directory with --home",
        )
    log = home / _LOG
    argv = [sys.executable, "-m", "seatrial", "up", *options]
    with log.open("wb") as file:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        platform = find_platform(home)
        if platform is not None and platform.pid == process.pid:
            _say_ready(out, home)
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

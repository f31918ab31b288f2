"""``seatrial up``: the local SageMaker, in front or in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click

from seatrial.cli._output import Output
from seatrial.cli._paths import FilledPath
from seatrial.cli._platform import RunningPlatform, announce, find_platform, home_directory
from seatrial.cli.env import client_environment, is_any_address
from seatrial.core.errors import ConfigError
from seatrial.platform.endpoint_urls import parse_endpoint_url
from seatrial.platform.engine_choice import EngineChoice

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
@click.option(
    "--no-instance-limits",
    is_flag=True,
    default=None,
    help="Take an instance type as a name only: no limits of processors and memory, GPU types also without a GPU.",
)
@click.option(
    "--engine", type=click.Choice([choice.value for choice in EngineChoice]), default=EngineChoice.AUTO.value,
    show_default=True,
    help="What runs training images: a program directory is a process, every other image needs Docker; 'auto' has "
    "both, the others refuse the kind that is not theirs.",
)  # fmt: skip
@click.option(
    "--s3-endpoint", metavar="URL",
    help="An S3 server that keeps the objects, such as SeaweedFS, instead of the platform itself. Jobs use the "
    "credentials that AWS's clients would find here, clients their own.",
)  # fmt: skip
@click.option(
    "--upstream", metavar="URL",
    help="A server that answers for the services that are not emulated, such as moto.",
)  # fmt: skip
@click.pass_context
def command(
    context: click.Context,
    *,
    detach: bool,
    port: int,
    home: Path | None,
    bind: str | None,
    keys: Path | None,
    max_jobs: int,
    no_instance_limits: bool | None,
    engine: str,
    s3_endpoint: str | None,
    upstream: str | None,
) -> int:
    """Run a local SageMaker that AWS's clients can use.

    It answers at 127.0.0.1 and asks for no key there. Ctrl-C or SIGTERM stops it, and its training jobs as
    StopTrainingJob does.
    """
    if keys is not None and bind is None:
        raise click.UsageError("--keys needs --bind: at 127.0.0.1 nobody is asked for a key")
    directory = home_directory(home)
    keys = None if keys is None else keys.expanduser().absolute()
    s3_endpoint = parse_endpoint_url("--s3-endpoint", s3_endpoint, own_port=port) if s3_endpoint is not None else None
    upstream = parse_endpoint_url("--upstream", upstream, own_port=port) if upstream is not None else None
    with Output() as out:
        _check_start(directory, port, bind)
        if detach:
            return _start_in_background(out, directory, _argv(context, home=directory, keys=keys))

        from seatrial.platform.server import PlatformSettings, keys_file, run_platform

        settings = PlatformSettings(
            home=directory,
            port=port,
            bind=bind,
            keys=keys,
            max_jobs=max_jobs,
            has_instance_limits=not no_instance_limits,
            engine=EngineChoice(engine),
            s3_endpoint=s3_endpoint,
            upstream=upstream,
        )

        def say_ready(actual_port: int) -> None:
            used_keys = keys_file(settings)
            platform = RunningPlatform(
                pid=os.getpid(),
                port=actual_port,
                bind=bind,
                keys=None if used_keys is None else str(used_keys),
                s3_endpoint=s3_endpoint,
                upstream=upstream,
            )
            announce(directory, platform)
            _say_ready(out, directory, platform)

        run_platform(settings, say_ready)
        out.say("stopped")
    return 0


def _say_ready(out: Output, home: Path, platform: RunningPlatform) -> None:
    out.say(f"a local SageMaker answers at {platform.url}, its home is {home}")
    if platform.bind is not None and platform.keys is not None:
        where = "every address of this machine" if is_any_address(platform.bind) else platform.bind
        out.say(f"others reach it at {where}, port {platform.port}, with a key of {platform.keys}")
        out.say("'seatrial env' prints what to set there")
    elif platform.bind is not None:
        out.say(f"it answers at {platform.bind} too, and asks for no key there")
    if platform.s3_endpoint:
        out.say(f"objects are kept by {platform.s3_endpoint}, for which your clients need keys of their own")
    if platform.upstream:
        out.say(f"other services are answered by {platform.upstream}")
    out.say("tell AWS's clients with" if platform.bind is None else "tell AWS's clients on this machine with")
    for name, value in client_environment(replace(platform, bind=None)).items():
        out.say(f"  export {name}={value}")


def _argv(context: click.Context, **replaced: object) -> list[str]:
    """The same command, in front, for a process that works in another directory."""
    values = {**context.params, **replaced, "detach": None}
    options = [(one.opts[0], values[one.name]) for one in context.command.params if one.name]
    given = [name if value is True else f"{name}={value}" for name, value in options if value is not None]
    return [sys.executable, "-m", "seatrial", "up", *given]


def _check_start(home: Path, port: int, bind: str | None) -> None:
    """See that a platform can start before anything is made for it.

    Raises:
        ConfigError: one has the home directory.
        EngineError: an address or the port cannot be had.
    """
    if find_platform(home) is not None:
        raise ConfigError(
            "home-taken",
            "another Seatrial platform uses this home directory",
            where=str(home),
            fix="stop it with 'seatrial down', or name another directory with --home",
        )
    from seatrial.engines import ports
    from seatrial.platform.listeners import addresses_of

    for address in addresses_of(None if bind is None else ports.resolve(bind)):
        ports.listen_at(address, port).close()


def _start_in_background(out: Output, home: Path, argv: list[str]) -> int:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = home / _LOG
    with log.open("wb") as file:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        platform = find_platform(home)
        if platform is not None and platform.pid == process.pid:
            _say_ready(out, home, platform)
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

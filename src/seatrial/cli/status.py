"""``seatrial status``: does a platform run, and where."""

from __future__ import annotations

from pathlib import Path

import click

from seatrial.cli._output import Output
from seatrial.cli._paths import FilledPath
from seatrial.cli._platform import find_platform, home_directory

NOT_RUNNING_EXIT_CODE = 3
"""As of ``systemctl status`` for a unit that is not active."""


@click.command("status")
@click.option("--home", type=FilledPath(path_type=Path, file_okay=False), metavar="DIR", help="As for 'seatrial up'.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON on stdout.")
def command(*, home: Path | None, is_json: bool) -> int:
    """Say whether a platform runs in the home directory; exit code 3 when none does."""
    directory = home_directory(home)
    platform = find_platform(directory)
    with Output() as out:
        if is_json:
            url = None if platform is None else platform.url
            out.result({"running": platform is not None, "url": url, "home": str(directory)})
        elif platform is None:
            out.say(f"no platform runs in {directory}")
        else:
            out.say(f"running at {platform.url}, process {platform.pid}, home {directory}")
    return 0 if platform is not None else NOT_RUNNING_EXIT_CODE

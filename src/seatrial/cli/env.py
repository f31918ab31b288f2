"""``seatrial env``: what AWS's clients have to know, as lines for a shell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import click

from seatrial.cli._output import Output
from seatrial.cli._paths import FilledPath
from seatrial.cli._platform import RunningPlatform, home_directory, require_platform

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "seatrial",
        "AWS_SECRET_ACCESS_KEY": "seatrial",
    }
)
"""Variables of a client, ``{port}`` for the platform's; the keys are checked by nobody at a loopback address."""

_KEYS = frozenset(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))


def client_environment(platform: RunningPlatform) -> dict[str, str]:
    """The variables that point a client at a platform.

    Without keys when an S3 server of the user's keeps the objects: that server checks the client's own.
    """
    left_out = _KEYS if platform.s3_endpoint else frozenset()
    return {name: value.format(port=platform.port) for name, value in ENVIRONMENT.items() if name not in left_out}


@click.command("env")
@click.option("--home", type=FilledPath(path_type=Path, file_okay=False), metavar="DIR", help="As for 'seatrial up'.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON instead of shell lines.")
def command(*, home: Path | None, is_json: bool) -> int:
    """Print the variables that point AWS's clients at the platform: eval "$(seatrial env)".

    They hold no keys when the platform keeps its objects in another S3 server: that server checks the client's own.
    """
    platform = require_platform(home_directory(home))
    variables = client_environment(platform)
    with Output() as out:
        if is_json:
            out.result(variables)
        else:
            out.body("".join(f"export {name}={value}\n" for name, value in variables.items()).encode())
    return 0

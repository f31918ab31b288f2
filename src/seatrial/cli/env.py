"""``seatrial env``: what AWS's clients have to know, as lines for a shell."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
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

KEY_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


_OTHER_IDENTITY = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION")
"""Of the caller's, what would take the place of our keys or be joined to them."""
_OTHER_ADDRESS = re.compile(r"AWS_ENDPOINT_URL_\w+|AWS_USE_FIPS_ENDPOINT|AWS_USE_DUALSTACK_ENDPOINT", re.ASCII)
"""What says, for one service or all, that the address is another one."""
_ADDRESS_COUNTS = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}
"""Wins over the same setting of a configuration file, with which ``AWS_ENDPOINT_URL`` would count for nothing."""


def client_environment(platform: RunningPlatform) -> dict[str, str]:
    """The variables that point a client at a platform; of one that asks for keys, the first of them.

    Without keys when an S3 server of the user's keeps the objects: that server checks the client's own.

    Raises:
        ConfigError: the keys cannot be read.
    """
    variables = {name: value.format(port=platform.port) for name, value in ENVIRONMENT.items()}
    if platform.bind is not None and platform.keys is not None:
        variables |= _environment_with_key(platform.bind, platform.port, Path(platform.keys))
    if platform.s3_endpoint is not None:
        for name in KEY_VARIABLES:
            variables.pop(name, None)
    return variables


def shell_lines(variables: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """What a POSIX shell evaluates so that AWS's clients use the platform.

    Args:
        variables: As ``client_environment`` makes them.
        environment: Of the caller; what in it wins over ``variables`` is unset.
    """
    identity = KEY_VARIABLES + _OTHER_IDENTITY if "AWS_ACCESS_KEY_ID" in variables else ()
    unset = sorted(
        name
        for name in environment
        if name not in variables and (name in identity or _OTHER_ADDRESS.fullmatch(name) is not None)
    )
    exported = {**variables, **_ADDRESS_COUNTS}
    return [
        *(f"unset {name}" for name in unset),
        *(f"export {name}={shlex.quote(value)}" for name, value in exported.items()),
    ]


def _environment_with_key(bind: str, port: int, keys: Path) -> dict[str, str]:
    from seatrial.platform.keys import read_keys

    access_key_id, key = next(iter(read_keys(keys).items()))
    variables = {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}
    if key.session_token is not None:
        variables["AWS_SESSION_TOKEN"] = key.session_token
    if not is_any_address(bind):
        variables["AWS_ENDPOINT_URL"] = endpoint_url(bind, port)
    return variables


def endpoint_url(address: str, port: int) -> str:
    """Of an address or a host's name."""
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def is_any_address(address: str) -> bool:
    """Whether it stands for all addresses of a machine, and so for none that a client could use."""
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False


@click.command("env")
@click.option("--home", type=FilledPath(path_type=Path, file_okay=False), metavar="DIR", help="As for 'seatrial up'.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON instead of shell lines.")
def command(*, home: Path | None, is_json: bool) -> int:
    """Print the variables that point AWS's clients at the platform: eval "$(seatrial env)".

    Variables of yours that would win over them are unset: another profile, the token of other keys, the address of one
    service. --json has the variables to set only.

    Of a platform that asks for a key, they show it. They hold no keys when the platform keeps its objects in another S3
    server: that server checks the client's own.
    """
    platform = require_platform(home_directory(home))
    variables = client_environment(platform)
    with Output() as out:
        if is_json:
            out.result(variables)
        else:
            out.body("".join(f"{line}\n" for line in shell_lines(variables, os.environ)).encode())
    return 0

"""What the commands that ask the platform share: ``--home``, JSON, and how they reach it."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from seatrial.cli._paths import FilledPath
from seatrial.cli._platform import home_directory, require_platform

if TYPE_CHECKING:
    from seatrial.cli._clients import Clients

_Function = TypeVar("_Function", bound=Callable[..., Any])


def home_option(function: _Function) -> _Function:
    """``--home``."""
    add = click.option(
        "--home", type=FilledPath(path_type=Path, file_okay=False), metavar="DIR", help="As for 'seatrial up'."
    )
    return add(function)


@contextlib.contextmanager
def platform_clients(home: Path | None) -> Iterator[Clients]:
    """Clients of the platform that runs in a home directory; what it refuses is an error of ours.

    Raises:
        ConfigError: none runs there.
        RequestError: it refused, or did not answer.
    """
    platform = require_platform(home_directory(home))
    from seatrial.cli._clients import Clients  # botocore is slow to import

    clients = Clients(platform)
    with clients.asking():
        yield clients


def as_json(value: Any) -> Any:  # noqa: ANN401 (JSON values)
    """A response without datetimes: ISO 8601 in their place, as the AWS CLI writes them."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: as_json(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return value

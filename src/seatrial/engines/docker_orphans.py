"""Containers and networks of ours that the Docker daemon keeps running after the process that started them was killed.

Only what carries our labels is ever looked at. Several processes may do this at once: what one cannot remove, because
another is at it, it passes over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from docker.errors import APIError

if TYPE_CHECKING:
    from docker import APIClient


def remove(api: APIClient, our_labels: Mapping[str, str], is_orphan: Callable[[Mapping[str, str]], bool]) -> int:
    """Remove orphaned containers with their anonymous volumes, then orphaned networks.

    Args:
        api: The engine.
        our_labels: What a container must carry to be asked for.
        is_orphan: Gets all its labels.

    Returns:
        How many containers were removed.

    Raises:
        DockerException, requests.RequestException: the engine does not answer.
    """
    ours = {"label": [f"{name}={value}" for name, value in our_labels.items()]}
    containers = [one for one in api.containers(all=True, filters=ours) if is_orphan(one["Labels"] or {})]
    count = sum(_could(partial(api.remove_container, one["Id"], v=True, force=True)) for one in containers)
    for one in api.networks(filters=ours):
        if is_orphan(one["Labels"] or {}):
            _could(partial(api.remove_network, one["Id"]))
    return count


def _could(remove_one: Callable[[], object]) -> bool:
    try:
        remove_one()
    except APIError:  # gone, being removed, or a network that somebody else's container has joined
        return False
    return True

"""Containers and networks of ours that the Docker daemon keeps running after the process that started them was killed.

Only what carries our labels is ever looked at, and of the containers only those that also bear their own name: labels
come from images too, and an image committed from a container of ours has that one's. Several processes may do this at
once: what one cannot remove, because another is at it, it passes over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from docker.errors import APIError

if TYPE_CHECKING:
    from docker import APIClient


def remove(
    api: APIClient,
    our_labels: Mapping[str, str],
    name_label: str,
    is_orphan: Callable[[Mapping[str, str]], bool],
) -> int:
    """Remove orphaned containers with their anonymous volumes, then orphaned networks.

    Args:
        api: The engine.
        our_labels: What a container or network must carry to be asked for.
        name_label: The label that holds a container's own name.
        is_orphan: Gets all its labels.

    Returns:
        How many containers were removed.

    Raises:
        DockerException, requests.RequestException: the engine does not answer.
    """
    ours = {"label": [f"{name}={value}" for name, value in our_labels.items()]}
    count = 0
    for one in api.containers(all=True, filters=ours):
        labels = one["Labels"] or {}
        if f"/{labels.get(name_label)}" in (one["Names"] or ()) and is_orphan(labels):
            count += _could(partial(api.remove_container, one["Id"], v=True, force=True))
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

"""From where containers of Docker reach this host, told from what the engine says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.engines.base import HostAccess
from seatrial.engines.docker_host_access import find_host_access

UNIX = "unix:///var/run/docker.sock"
BRIDGE = {"IPAM": {"Config": [{"Subnet": "fd00::/64", "Gateway": "fd00::1"}, {"Gateway": "172.17.0.1"}]}}
AT_GATEWAY = HostAccess(listen_address="172.17.0.1", container_address="172.17.0.1", is_shared=True)
THROUGH_A_VM = HostAccess(listen_address="127.0.0.1", container_address="host.docker.internal", is_shared=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, AT_GATEWAY),
        ({"is_ours": lambda _: False}, None),  # rootless, or an engine whose socket was handed in
        ({"bridge": {}}, None),  # Podman
        ({"bridge": {"IPAM": {"Config": None}}}, None),
        ({"host": "tcp://192.0.2.1:2375"}, None),
        ({"host": "ssh://somewhere"}, None),
        ({"info": {"OperatingSystem": "Docker Desktop"}}, THROUGH_A_VM),
        ({"system": "darwin"}, THROUGH_A_VM),
        ({"system": "darwin", "host": "tcp://192.0.2.1:2375"}, None),
    ],
)
def test_find_host_access_depends_on_where_the_engine_runs(changes: dict[str, Any], expected: HostAccess) -> None:
    situation = {"host": UNIX, "system": "linux", "info": {}, "bridge": BRIDGE, "is_ours": lambda _: True}

    assert find_host_access(**{**situation, **changes}) == expected

"""Which addresses are this host's, asked of the host."""

from __future__ import annotations

from seatrial.engines.docker_host_access import is_own_address


def test_is_own_address_tells_ours_from_others() -> None:
    assert is_own_address("127.0.0.1")
    assert not is_own_address("192.0.2.77")

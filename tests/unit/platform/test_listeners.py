"""Which addresses are listened at, and which connections need no key."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.platform.listeners import addresses_of, is_local


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        (None, ("127.0.0.1",)),
        ("127.0.0.1", ("127.0.0.1",)),
        ("127.0.0.2", ("127.0.0.1", "127.0.0.2")),
        ("0.0.0.0", ("0.0.0.0",)),
        ("::", ("::",)),
        ("::1", ("127.0.0.1", "::1")),
        ("192.0.2.1", ("127.0.0.1", "192.0.2.1")),
    ],
)
def test_addresses_of_bind_always_hold_loopback(bind: str | None, expected: tuple[str, ...]) -> None:
    assert addresses_of(bind) == expected


@pytest.mark.parametrize(
    ("client", "server", "expected"),
    [
        (("127.0.0.1", 1), ("127.0.0.1", 2), True),
        (("::1", 1), ("::1", 2), True),
        (("::ffff:127.0.0.1", 1), ("::ffff:127.0.0.1", 2), True),
        (("192.0.2.1", 1), ("192.0.2.1", 2), False),
        (("127.0.0.1", 1), ("192.0.2.1", 2), False),
        (("192.0.2.1", 1), ("127.0.0.1", 2), False),
        (("::ffff:192.0.2.1", 1), ("::ffff:127.0.0.1", 2), False),
        (None, ("127.0.0.1", 2), False),
        (("127.0.0.1", 1), None, False),
        (("localhost", 1), ("127.0.0.1", 2), False),
    ],
)
def test_is_local_needs_both_ends_at_loopback(client: Any, server: Any, expected: bool) -> None:
    assert is_local({"client": client, "server": server}) is expected

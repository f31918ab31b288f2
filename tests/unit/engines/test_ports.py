"""A port that cannot be had: which error, and what to do. No socket is opened here."""

from __future__ import annotations

import errno

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines import ports
from seatrial.engines.base import PublishedPort


class _FakeSocket:
    fault: Exception

    def __init__(self, *_: object) -> None:
        pass

    def setsockopt(self, *_: object) -> None:
        pass

    def bind(self, _address: object) -> None:
        raise self.fault

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("fault", "code", "fix"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use"), "port-taken", "another port"),
        (OSError(errno.EACCES, "Permission denied"), "port-refused", "from 1024"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), "port-refused", "address of this machine"),
        (UnicodeError("label empty or too long"), "port-refused", "address of this machine"),
    ],
)
def test_listen_that_fails_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, fault: Exception, code: str, fix: str
) -> None:
    monkeypatch.setattr(_FakeSocket, "fault", fault, raising=False)
    monkeypatch.setattr("seatrial.engines.ports.socket.socket", _FakeSocket)
    with pytest.raises(EngineError) as refusal:
        ports.listen(PublishedPort(container_port=8080, host_address="192.0.2.1", host_port=80))
    assert refusal.value.code == code
    assert refusal.value.where == "192.0.2.1:80"
    assert fix in (refusal.value.fix or "")

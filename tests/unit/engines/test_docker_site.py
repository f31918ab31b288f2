"""Which containers of Docker are known to which engine: those of one address."""

from __future__ import annotations

import contextlib

import docker
import pytest

from seatrial.engines.docker import DEFAULT_HOST, DockerEngine


def _site(monkeypatch: pytest.MonkeyPatch, host: str | None) -> str:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    if host is not None:
        monkeypatch.setenv("DOCKER_HOST", host)
    return DockerEngine().site


def test_site_is_the_address_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    sites = [_site(monkeypatch, host) for host in (None, "", DEFAULT_HOST)]
    others = [_site(monkeypatch, host) for host in ("tcp://127.0.0.1:9", "unix:///run/a b.sock", "x" * 1000)]

    assert len(set(sites)) == 1
    assert len({*sites, *others}) == 4
    assert all(site.startswith("docker-") and len(site.split()) == 1 and len(site) < 40 for site in (*sites, *others))


@pytest.mark.parametrize("address", ["/run/other.sock", "/run/third.sock"])
def test_site_of_a_client_is_that_of_its_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with contextlib.closing(docker.DockerClient(base_url=f"unix://{address}", version="1.41")) as client:
        assert DockerEngine(client).site == _site(monkeypatch, f"unix://{address}")

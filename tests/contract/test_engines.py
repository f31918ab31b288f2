"""The contract of ``engines.base`` over every engine."""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from seatrial.engines.base import Engine
from seatrial.engines.isolation import Isolation, find_isolation
from seatrial.engines.process import ProcessEngine
from seatrial.testing.engine_keep_suite import KeptContainerSuite
from seatrial.testing.engine_network_suite import ClusterNetworkSuite
from seatrial.testing.engine_suite import EngineSuite


def _require_namespaces() -> None:
    finding = find_isolation()
    if finding.isolation is Isolation.NONE:
        pytest.skip(f"no namespaces here: {finding.reason}")


class _ProcessEngineSuite(EngineSuite, KeptContainerSuite, ClusterNetworkSuite):
    engine_factory = ProcessEngine

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, programs_dir: Path) -> str:
        return programs_dir.as_uri()

    @pytest.fixture(scope="class")
    @classmethod
    def unknown_image(cls) -> str:
        return "file:///no/such/program"


class TestProcessEngineInNamespaces(_ProcessEngineSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        _require_namespaces()
        return ProcessEngine()


class TestProcessEngineInAUserNamespace(_ProcessEngineSuite):
    engine_factory = partial(ProcessEngine, isolation=Isolation.USER)

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        _require_namespaces()
        return ProcessEngine(isolation=Isolation.USER)


class TestProcessEngineWithoutNamespaces(_ProcessEngineSuite):
    engine_factory = partial(ProcessEngine, isolation=Isolation.NONE)
    has_cluster_networks = False
    has_isolated_network = False
    has_read_only_mounts = False
    has_shared_memory_limit = False
    has_memory_limit = sys.platform == "linux"

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return ProcessEngine(isolation=Isolation.NONE)


@pytest.mark.docker
class TestDockerEngine(EngineSuite, KeptContainerSuite, ClusterNetworkSuite):
    @property
    def engine_factory(self) -> Callable[[], Engine]:
        from seatrial.engines.docker import DockerEngine

        return DockerEngine

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        from seatrial.engines.docker import DockerEngine

        with contextlib.closing(DockerEngine()) as engine:
            yield engine

    @pytest.fixture(scope="class")
    @classmethod
    def image(cls, programs_dir: Path) -> Iterator[str]:
        import docker

        tag = f"seatrial-engine-suite:{secrets.token_hex(4)}"
        # The label makes every layer this run's own: removing the image cannot take one from another run.
        (programs_dir / "Dockerfile").write_text(
            f"FROM debian:bookworm-slim\nLABEL run={tag}\n"
            "COPY . /opt/program\nWORKDIR /opt/program\nENV PATH=/opt/program:/usr/local/bin:/usr/bin:/bin\n"
        )
        with contextlib.closing(docker.from_env()) as client:
            client.images.build(path=str(programs_dir), tag=tag, rm=True)
            yield tag
            client.images.remove(tag, force=True)

    @pytest.fixture(scope="class")
    @classmethod
    def unknown_image(cls) -> str:
        return "no-such-image:1"

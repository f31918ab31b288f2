"""What a container is given to find the platform, and when it is given nothing."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines.base import HostAccess
from seatrial.platform.jobs.stored_training import PlatformAccess
from seatrial.platform.services.container_access import STAGING_ALLOWANCE, ContainerAccess
from seatrial.platform.services.sessions import Sessions
from seatrial.testing.fakes import FakeEngine

NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc)
AT_GATEWAY = HostAccess(listen_address="172.17.0.1", container_address="172.17.0.1", is_shared=True)
REQUEST: dict[str, Any] = {
    "RoleArn": "arn:aws:iam::000000000000:role/path/Trainer",
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
SESSIONS = Sessions(b"secret")


class Engine(FakeEngine):
    def __init__(self, access: HostAccess | Exception | None) -> None:
        super().__init__({})
        self._access = access

    def host_access(self) -> HostAccess | None:
        if isinstance(self._access, Exception):
            raise self._access
        return self._access


def access_of(engine: Engine, **members: Any) -> PlatformAccess:
    access = ContainerAccess("eu-west-1", SESSIONS, lambda found: len(found.listen_address), now=lambda: NOW)
    return access.of_training_job(engine, "job", {**REQUEST, **members})


def test_container_gets_an_address_and_a_session_of_its_role() -> None:
    found = access_of(Engine(AT_GATEWAY))

    assert found.host_ports == (10,)
    assert found.environment["AWS_ENDPOINT_URL"] == "http://172.17.0.1:10"
    assert found.environment["AWS_DEFAULT_REGION"] == "eu-west-1"
    session = SESSIONS.read(found.environment["AWS_SESSION_TOKEN"])
    assert session is not None
    assert (session.role_name, session.session_name) == ("Trainer", "SageMaker")
    assert session.expires_at == NOW + datetime.timedelta(seconds=60) + STAGING_ALLOWANCE
    assert found.environment["AWS_ACCESS_KEY_ID"] == session.access_key_id
    assert found.environment["AWS_SECRET_ACCESS_KEY"] == session.secret_access_key


@pytest.mark.parametrize(
    "name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"]
)
def test_users_own_credentials_are_not_mixed_with_ours(name: str) -> None:
    found = access_of(Engine(AT_GATEWAY), Environment={name: "the user's"})

    assert set(found.environment) == {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"}


def test_users_own_endpoint_stays() -> None:
    found = access_of(Engine(AT_GATEWAY), Environment={"AWS_ENDPOINT_URL": "http://elsewhere"})

    assert "AWS_ENDPOINT_URL" not in found.environment
    assert "AWS_SESSION_TOKEN" in found.environment


@pytest.mark.parametrize("access", [None, EngineError("docker-not-running", "no answer")])
def test_container_without_a_way_gets_nothing_and_the_log_says_so(
    access: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert access_of(Engine(access)) == PlatformAccess()
    assert "the container of training job job does not reach the platform" in caplog.text


def test_isolated_container_gets_nothing() -> None:
    assert access_of(Engine(AT_GATEWAY), EnableNetworkIsolation=True) == PlatformAccess()

"""Services on a store in a temporary directory, called through the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.unit.platform.services.model_shapes import problems_of_output, service_model

from seatrial.platform.logs.store import LogStore
from seatrial.platform.services import iam, logs, sts
from seatrial.platform.services.declarations import DECLARATIONS
from seatrial.platform.services.handlers import Handler
from seatrial.platform.services.sessions import Sessions
from seatrial.platform.store.database import Database
from seatrial.platform.store.resources import ResourceStore
from seatrial.platform.wire.operations import Use, members_not_acted_on

ACCOUNT = "000000000000"

_model = cache(service_model)

Call = Callable[..., dict[str, Any]]


def caller(service: str, handlers: Mapping[str, Handler]) -> Call:
    """Calls an operation by name; what its model does not allow in the output fails the test."""

    def call(operation: str, **parameters: Any) -> dict[str, Any]:
        uses = {found.use for found in members_not_acted_on(DECLARATIONS[service][operation], parameters)}
        assert not uses & {Use.REFUSED, Use.UNDECLARED}
        output = handlers[operation](parameters)
        assert problems_of_output(_model(service), operation, output) == []
        return output

    return call


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[ResourceStore]:
    database = Database(tmp_path / "store.db")
    yield ResourceStore(database)
    database.close()


@pytest.fixture
def call_iam(resources: ResourceStore) -> Call:
    return caller("iam", iam.IamService(resources, ACCOUNT).handlers())


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(b"a secret")


@pytest.fixture
def call_sts(sessions: Sessions) -> Call:
    return caller("sts", sts.StsService(ACCOUNT, sessions).handlers())


@pytest.fixture
def log_store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path / "logs")


@pytest.fixture
def call_logs(log_store: LogStore) -> Call:
    return caller("logs", logs.LogsService(log_store, account_id=ACCOUNT, region="eu-west-1").handlers())

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.platform.services import iam, logs, sts


def test_members_are_members_of_the_model(service_members: tuple[Any, Mapping[str, Any]]) -> None:
    model, members = service_members
    for operation, stated in members.items():
        shape = model.operation_model(operation).input_shape
        assert stated.known() <= set(shape.members if shape else ())
        assert set(shape.required_members if shape else ()) <= stated.known()


def test_members_are_stated_for_every_handler() -> None:
    assert set(iam.IamService(None, "").handlers()) == set(iam.MEMBERS)  # type: ignore[arg-type]
    service = sts.StsService("", None)  # type: ignore[arg-type]
    assert {*service.handlers(), *service.caller_handlers()} == set(sts.MEMBERS)
    assert set(logs.LogsService(None, account_id="", region="").handlers()) == set(logs.MEMBERS)  # type: ignore[arg-type]

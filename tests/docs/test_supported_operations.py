"""The page of supported operations names every operation that has a handler, and no other."""

from __future__ import annotations

import re

from source_tree import DOCS

from seatrial.platform.services import iam, logs, sts
from seatrial.platform.services.sagemaker.tags import Tags
from seatrial.platform.services.sagemaker.training import TrainingJobs

PAGE = DOCS / "reference" / "supported-operations.md"


def test_page_names_every_operation_that_has_a_handler() -> None:
    text = PAGE.read_text(encoding="utf-8")
    handled = {*iam.MEMBERS, *logs.MEMBERS, *sts.MEMBERS}
    for service in (Tags, TrainingJobs):
        methods = re.findall(r'"(\w+)": self\.', _source_of_handlers(service))
        handled |= set(methods)

    assert {operation for operation in handled if f"`{operation}`" not in text} == set()


def _source_of_handlers(service: type) -> str:
    import inspect

    return inspect.getsource(service.handlers)  # type: ignore[attr-defined]

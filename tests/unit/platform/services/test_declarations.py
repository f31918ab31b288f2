"""Every operation declares every member that botocore's model has; a newer model makes these fail."""

from __future__ import annotations

import pytest

from seatrial.platform.jobs.training_record import ECHOED_MEMBERS
from seatrial.platform.services import iam, logs, sts
from seatrial.platform.services.declarations import DECLARATIONS
from seatrial.platform.services.handlers import Handler
from seatrial.platform.services.sagemaker.tags import Tags
from seatrial.platform.services.sagemaker.training import TrainingJobs
from seatrial.platform.wire import models
from seatrial.platform.wire.operations import WHOLE, Declaration, Use, check_declaration, undeclared_members

ALL = [declaration for service in DECLARATIONS.values() for declaration in service.values()]
each_operation = pytest.mark.parametrize("declaration", ALL, ids=lambda one: f"{one.service}-{one.operation}")


@each_operation
def test_declaration_fits_the_model_and_forgets_no_member(declaration: Declaration) -> None:
    check_declaration(declaration)

    assert undeclared_members(declaration) == ()


@each_operation
def test_no_required_member_is_refused_of_an_operation_that_is_not(declaration: Declaration) -> None:
    model = models.find_operation(declaration.service, declaration.operation)
    assert model is not None
    required = model.input_shape.required_members if model.input_shape else []

    if WHOLE not in declaration.refused:
        assert [name for name in required if declaration.use_of(name) is Use.REFUSED] == []


def test_every_handler_has_a_declaration_and_every_declaration_that_is_not_refused_a_handler() -> None:
    nothing: object = None
    of_sts = sts.StsService("", nothing)  # type: ignore[arg-type]
    handlers: dict[str, dict[str, Handler]] = {
        "sagemaker": {
            **TrainingJobs(nothing, nothing, nothing, nothing, nothing).handlers(),  # type: ignore[arg-type]
            **Tags(nothing).handlers(),  # type: ignore[arg-type]
        },
        "logs": logs.LogsService(nothing, account_id="", region="").handlers(),  # type: ignore[arg-type]
        "sts": {**of_sts.handlers(), **of_sts.caller_handlers()},  # type: ignore[dict-item]
        "iam": iam.IamService(nothing, "").handlers(),  # type: ignore[arg-type]
    }

    assert {service: set(operations) for service, operations in handlers.items()} == {
        service: {operation for operation, one in declarations.items() if WHOLE not in one.refused}
        for service, declarations in DECLARATIONS.items()
    }


def test_what_a_training_job_echoes_is_kept_for_describe() -> None:
    """A member that is said to be given back is given back."""
    create = DECLARATIONS["sagemaker"]["CreateTrainingJob"]
    described = models.service_model("sagemaker").operation_model("DescribeTrainingJob").output_shape
    assert described is not None

    assert {path.partition(".")[0].removesuffix("[]") for path in create.echoed} <= set(ECHOED_MEMBERS)
    assert set(ECHOED_MEMBERS) <= set(described.members)

"""What every operation does with each member of its request: one module a service.

The door refuses and logs by it, and the reference page is drawn from it; tests compare it with botocore's models, so
that a member of a newer one is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from seatrial.platform.services.declarations import iam, logs, sagemaker, sts
from seatrial.platform.wire.operations import Declaration, by_operation

DECLARATIONS: Mapping[str, Mapping[str, Declaration]] = MappingProxyType(
    {
        "sagemaker": by_operation(sagemaker.DECLARATIONS),
        "logs": by_operation(logs.DECLARATIONS),
        "sts": by_operation(sts.DECLARATIONS),
        "iam": by_operation(iam.DECLARATIONS),
    }
)
"""By botocore's name of the service and AWS's name of the operation."""

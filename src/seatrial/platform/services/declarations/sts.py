"""STS: any role may be assumed, as nobody here checks policies."""

from __future__ import annotations

import functools

from seatrial.platform.wire.operations import Declaration

_declare = functools.partial(Declaration, service="sts")

DECLARATIONS = (
    _declare(operation="GetCallerIdentity"),
    _declare(
        operation="AssumeRole",
        acted_on=("RoleArn", "RoleSessionName", "DurationSeconds"),
        echoed=("SourceIdentity",),
        no_effect=(
            "Policy",
            "PolicyArns",
            "Tags",
            "TransitiveTagKeys",
            "ExternalId",
            "SerialNumber",
            "TokenCode",
            "ProvidedContexts",
            "MinimumSessionTokenSize",
        ),
        note="Any role of the platform's account may be assumed.",
    ),
    _declare(
        operation="GetSessionToken",
        acted_on=("DurationSeconds",),
        no_effect=("SerialNumber", "TokenCode", "MinimumSessionTokenSize"),
    ),
)

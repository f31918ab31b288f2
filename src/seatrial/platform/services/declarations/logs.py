"""CloudWatch Logs."""

from __future__ import annotations

import functools

from seatrial.platform.wire.operations import WHOLE, Declaration

_declare = functools.partial(Declaration, service="logs")
_GROUP = ("logGroupName", "logGroupIdentifier")
_ONE_ACCOUNT = "there is one account here"

DECLARATIONS = (
    _declare(
        operation="DescribeLogGroups",
        acted_on=(
            "logGroupNamePrefix",
            "logGroupNamePattern",
            "logGroupIdentifiers",
            "logGroupClass",
            "limit",
            "nextToken",
        ),
        refused={"accountIdentifiers": _ONE_ACCOUNT, "includeLinkedAccounts": _ONE_ACCOUNT},
    ),
    _declare(
        operation="DescribeLogStreams",
        acted_on=(*_GROUP, "logStreamNamePrefix", "orderBy", "descending", "limit", "nextToken"),
    ),
    _declare(
        operation="GetLogEvents",
        acted_on=(*_GROUP, "logStreamName", "startTime", "endTime", "limit", "nextToken", "startFromHead"),
        no_effect=("unmask",),
        note="Nothing is masked.",
    ),
    _declare(
        operation="FilterLogEvents",
        acted_on=(
            *_GROUP,
            "logStreamNames",
            "logStreamNamePrefix",
            "startTime",
            "endTime",
            "filterPattern",
            "limit",
            "nextToken",
            "interleaved",  # AWS takes any value and interleaves, and so do we
            "startFromHead",
        ),
        only={"startFromHead": (True,)},
        no_effect=("unmask",),
        note="Events come oldest first; GetLogEvents reads from the end. Nothing is masked.",
    ),
    _declare(
        operation="CreateLogGroup",
        acted_on=("logGroupName", "logGroupClass"),
        only={"logGroupClass": ("STANDARD",)},
        no_effect=("kmsKeyId", "tags"),
        refused={"deletionProtectionEnabled": ""},
    ),
    _declare(operation="CreateLogStream", acted_on=("logGroupName", "logStreamName")),
    _declare(
        operation="PutLogEvents",
        acted_on=("logGroupName", "logStreamName", "logEvents[].timestamp", "logEvents[].message"),
        no_effect=("sequenceToken", "entity"),
        note="AWS has no use for a sequence token since 2023 either. Events never go before those that the stream has.",
    ),
    _declare(operation="DeleteLogGroup", acted_on=("logGroupName",)),
    _declare(operation="DeleteLogStream", acted_on=("logGroupName", "logStreamName")),
    _declare(
        operation="StartLiveTail",
        refused={WHOLE: "'aws logs tail GROUP --follow', or FilterLogEvents with a startTime, shows new events"},
    ),
)

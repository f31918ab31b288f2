from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from seatrial.platform.logs.store import LogStore
from seatrial.platform.wire.errors import ServiceError

Call = Callable[..., dict[str, Any]]
GROUP = "/aws/sagemaker/TrainingJobs"
GROUP_ARN = f"arn:aws:logs:eu-west-1:000000000000:log-group:{GROUP}"
STREAM = "job/algo-1-1680535238"


def error_of(call: Call, operation: str, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        call(operation, **parameters)
    assert caught.value.status == 400
    return caught.value.code, caught.value.message


@pytest.fixture
def job_log(log_store: LogStore) -> None:
    """Two hosts of one job."""
    with log_store.open_stream(GROUP, STREAM) as writer:
        writer.write_events([(10, "epoch 1"), (30, "ERROR: no memory")])
    with log_store.open_stream(GROUP, "job/algo-2-1680535238") as writer:
        writer.write_events([(20, "epoch 1")])


@pytest.mark.usefixtures("job_log")
def test_describe_log_groups_tells_arns_with_and_without_star(call_logs: Call) -> None:
    (group,) = call_logs("DescribeLogGroups", logGroupNamePrefix="/aws/sagemaker")["logGroups"]

    assert group["arn"] == f"{GROUP_ARN}:*"
    assert group["logGroupArn"] == GROUP_ARN
    assert abs(group["creationTime"] - time.time() * 1000) < 60_000
    assert group["storedBytes"] == len("10 epoch 1\n30 ERROR: no memory\n20 epoch 1\n")
    assert set(call_logs("DescribeLogGroups", logGroupNamePattern="Training")["logGroups"][0]) == {
        "arn",
        "creationTime",
        "logGroupName",
    }
    by_arn = call_logs("DescribeLogGroups", logGroupIdentifiers=[GROUP_ARN, "none", "/aws"])["logGroups"]
    assert [found["logGroupName"] for found in by_arn] == [GROUP]
    assert call_logs("DescribeLogGroups", logGroupClass="INFREQUENT_ACCESS") == {"logGroups": []}


@pytest.mark.usefixtures("job_log")
@pytest.mark.parametrize(
    "group", [{"logGroupName": GROUP}, {"logGroupIdentifier": GROUP_ARN}, {"logGroupIdentifier": f"{GROUP_ARN}:*"}]
)
def test_streams_and_events_of_a_job_are_found(call_logs: Call, group: dict[str, str]) -> None:
    """What SDK v2's `logs()` asks for."""
    streams = call_logs("DescribeLogStreams", **group, logStreamNamePrefix="job/", orderBy="LogStreamName", limit=2)[
        "logStreams"
    ]
    assert [stream["logStreamName"] for stream in streams] == [STREAM, "job/algo-2-1680535238"]
    assert streams[0]["arn"] == f"{GROUP_ARN}:log-stream:{STREAM}"
    assert (streams[0]["firstEventTimestamp"], streams[0]["lastEventTimestamp"]) == (10, 30)

    first = call_logs("GetLogEvents", **group, logStreamName=STREAM, startFromHead=True, limit=1)
    token = first["nextForwardToken"]
    second = call_logs("GetLogEvents", **group, logStreamName=STREAM, startFromHead=True, nextToken=token)
    assert [event["message"] for event in (*first["events"], *second["events"])] == ["epoch 1", "ERROR: no memory"]
    token = second["nextForwardToken"]
    end = call_logs("GetLogEvents", **group, logStreamName=STREAM, startFromHead=True, nextToken=token)
    assert (end["events"], end["nextForwardToken"]) == ([], token)


@pytest.mark.usefixtures("job_log")
def test_filter_log_events_interleaves_the_hosts(call_logs: Call) -> None:
    output = call_logs("FilterLogEvents", logGroupName=GROUP, logStreamNamePrefix="job/", interleaved=True)

    assert [event["timestamp"] for event in output["events"]] == [10, 20, 30]
    assert "nextToken" not in output
    errors = call_logs("FilterLogEvents", logGroupName=GROUP, filterPattern="ERROR", startTime=1, endTime=30)
    assert [event["message"] for event in errors["events"]] == ["ERROR: no memory"]
    page = call_logs("FilterLogEvents", logGroupName=GROUP, limit=2)
    rest = call_logs("FilterLogEvents", logGroupName=GROUP, limit=2, nextToken=page["nextToken"])
    assert [event["timestamp"] for event in rest["events"]] == [30]


@pytest.mark.usefixtures("job_log")
@pytest.mark.parametrize(
    ("operation", "parameters", "code", "text"),
    [
        ("DescribeLogStreams", {"logGroupName": "none"}, "ResourceNotFoundException", "log group does not exist."),
        ("FilterLogEvents", {"logGroupName": "none"}, "ResourceNotFoundException", "log group does not exist."),
        (
            "FilterLogEvents",
            {"logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:x"},
            "ResourceNotFoundException",
            "log group does not exist.",
        ),
        (
            "GetLogEvents",
            {"logGroupName": GROUP, "logStreamName": "x"},
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
        (
            "GetLogEvents",
            {"logGroupName": GROUP, "logStreamName": STREAM, "nextToken": "x"},
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        ("GetLogEvents", {"logStreamName": STREAM}, "InvalidParameterException", "but not both."),
        (
            "GetLogEvents",
            {"logGroupName": GROUP, "logGroupIdentifier": GROUP, "logStreamName": STREAM},
            "InvalidParameterException",
            "but not both.",
        ),
        (
            "DescribeLogStreams",
            {"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "x"},
            "InvalidParameterException",
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
        (
            "DescribeLogGroups",
            {"logGroupNamePrefix": "x", "logGroupNamePattern": "x"},
            "InvalidParameterException",
            "mutually exclusive",
        ),
        (
            "FilterLogEvents",
            {"logGroupName": GROUP, "logStreamNamePrefix": "x", "logStreamNames": ["x"]},
            "InvalidParameterException",
            "mutually exclusive",
        ),
        (
            "FilterLogEvents",
            {"logGroupName": GROUP, "filterPattern": "{ $.a = 1 }"},
            "InvalidParameterException",
            "does not support JSON filter patterns",
        ),
        ("CreateLogGroup", {"logGroupName": GROUP}, "ResourceAlreadyExistsException", "log group already exists"),
        (
            "CreateLogStream",
            {"logGroupName": GROUP, "logStreamName": STREAM},
            "ResourceAlreadyExistsException",
            "log stream already exists",
        ),
        (
            "PutLogEvents",
            {"logGroupName": GROUP, "logStreamName": "x", "logEvents": [{"timestamp": 1, "message": "m"}]},
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
    ],
)
def test_requests_that_cannot_be_answered_are_refused_in_aws_s_words(
    call_logs: Call, operation: str, parameters: dict[str, Any], code: str, text: str
) -> None:
    told_code, told = error_of(call_logs, operation, **parameters)

    assert told_code == code
    assert text in told


def test_put_log_events_keeps_events_of_several_lines(call_logs: Call) -> None:
    call_logs("CreateLogGroup", logGroupName="mine")
    call_logs("CreateLogStream", logGroupName="mine", logStreamName="s")
    names = {"logGroupName": "mine", "logStreamName": "s"}
    now_ms = int(time.time() * 1000)
    message = "Traceback:\n  File \\n\n" + "x" * 300_000

    call_logs("PutLogEvents", **names, logEvents=[{"timestamp": now_ms, "message": message}])

    (event,) = call_logs("GetLogEvents", **names)["events"]
    assert event == {"timestamp": now_ms, "ingestionTime": now_ms, "message": message}
    older = [{"timestamp": now_ms - 1, "message": "m"}]
    assert "in order of time" in error_of(call_logs, "PutLogEvents", **names, logEvents=older)[1]
    assert call_logs("DeleteLogStream", **names) == {}
    assert call_logs("DeleteLogGroup", logGroupName="mine") == {}
    assert call_logs("DescribeLogGroups") == {"logGroups": []}


def test_put_log_events_rejects_what_is_too_old_or_too_new(call_logs: Call) -> None:
    call_logs("CreateLogGroup", logGroupName="mine")
    call_logs("CreateLogStream", logGroupName="mine", logStreamName="s")
    names = {"logGroupName": "mine", "logStreamName": "s"}
    now_ms = int(time.time() * 1000)
    times = [now_ms - 15 * 86_400_000, now_ms, now_ms + 3 * 3_600_000]

    output = call_logs(
        "PutLogEvents", **names, logEvents=[{"timestamp": when, "message": "m"} for when in times], sequenceToken="1"
    )

    assert output["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    assert [event["timestamp"] for event in call_logs("GetLogEvents", **names)["events"]] == [now_ms]
    falling = [{"timestamp": when, "message": "m"} for when in (now_ms, now_ms - 1)]
    assert "chronological" in error_of(call_logs, "PutLogEvents", **names, logEvents=falling)[1]
    big = [{"timestamp": now_ms, "message": "x" * 1_048_551}]
    assert "Upload too large: 1048577 bytes" in error_of(call_logs, "PutLogEvents", **names, logEvents=big)[1]
    long = [{"timestamp": now_ms - day, "message": "m"} for day in (100_000_000, 0)]
    assert "24 hours" in error_of(call_logs, "PutLogEvents", **names, logEvents=long)[1]


def test_delete_log_stream_that_a_job_writes_to_is_refused(call_logs: Call, log_store: LogStore) -> None:
    writer = log_store.open_stream(GROUP, STREAM)

    refused = error_of(call_logs, "DeleteLogStream", logGroupName=GROUP, logStreamName=STREAM)
    writer.close()

    assert refused[0] == "OperationAbortedException"
    assert call_logs("DeleteLogStream", logGroupName=GROUP, logStreamName=STREAM) == {}

"""Amazon CloudWatch Logs: the groups and streams that jobs write, and those that programs make themselves.

The texts of errors are AWS's where AWS has them; "Seatrial" in a text marks one of ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from seatrial.platform.logs.directories import ExistsError, MissingGroupError, MissingStreamError
from seatrial.platform.logs.lists import MAX_LIST_ITEMS, Group, Stream
from seatrial.platform.logs.pages import EVENT_OVERHEAD_BYTES, MAX_PAGE_EVENTS
from seatrial.platform.logs.patterns import PatternError
from seatrial.platform.logs.store import BusyError, LogStore
from seatrial.platform.logs.tokens import TokenError
from seatrial.platform.logs.writer import OutOfOrderError, clock_ms
from seatrial.platform.services.handlers import Handler
from seatrial.platform.wire.errors import ServiceError

_GROUP = ("logGroupName", "logGroupIdentifier")

MAX_BATCH_BYTES = 1_048_576
"""Messages and ``EVENT_OVERHEAD_BYTES`` each. Source: API_PutLogEvents, as the next two."""
MAX_FUTURE_MS = 2 * 3_600_000
MAX_AGE_MS = 14 * 86_400_000
_DAY_MS = 86_400_000


class LogsService:
    """Handlers of CloudWatch Logs.

    Args:
        store: The events.
        account_id: 12 digits, for ARNs.
        region: For ARNs.
        now_ms: The clock, in milliseconds since 1970.
    """

    def __init__(self, store: LogStore, *, account_id: str, region: str, now_ms: Callable[[], int] = clock_ms) -> None:
        self._store = store
        self._arn = f"arn:aws:logs:{region}:{account_id}:log-group:"
        self._now_ms = now_ms

    def handlers(self) -> dict[str, Handler]:
        """By operation. They read and write files, so a server runs them in a thread."""
        return {
            "DescribeLogGroups": self.describe_log_groups,
            "DescribeLogStreams": self.describe_log_streams,
            "GetLogEvents": self.get_log_events,
            "FilterLogEvents": self.filter_log_events,
            "CreateLogGroup": self.create_log_group,
            "CreateLogStream": self.create_log_stream,
            "PutLogEvents": self.put_log_events,
            "DeleteLogGroup": self.delete_log_group,
            "DeleteLogStream": self.delete_log_stream,
        }

    # --- reading ----------------------------------------------------------------------------------------------------

    def describe_log_groups(self, parameters: dict[str, Any]) -> dict[str, Any]:
        pattern = parameters.get("logGroupNamePattern", "")
        if pattern and "logGroupNamePrefix" in parameters:
            raise _invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        if parameters.get("logGroupClass", "STANDARD") != "STANDARD":
            return {"logGroups": []}  # every group here is a standard one
        wanted = parameters.get("logGroupIdentifiers")
        with _told():
            if wanted is not None:
                names = {self._group_of_identifier(identifier) for identifier in wanted}
                groups = [group for name in sorted(names) for group in self._groups_named(name)]
                return {"logGroups": [self._log_group(group) for group in groups]}
            listed = self._store.lists.describe_groups(
                prefix=parameters.get("logGroupNamePrefix", ""),
                contains=pattern,
                limit=parameters.get("limit", MAX_LIST_ITEMS),
                token=parameters.get("nextToken"),
            )
        described = [self._log_group(group) for group in listed.groups]
        if pattern:  # Source: API_DescribeLogGroups, logGroupNamePattern
            kept = ("arn", "creationTime", "logGroupName")
            described = [{name: group[name] for name in kept} for group in described]
        return _with_token({"logGroups": described}, listed.token)

    def _groups_named(self, name: str) -> list[Group]:
        # A name is the first of all names that begin with it.
        return [group for group in self._store.lists.describe_groups(prefix=name, limit=1).groups if group.name == name]

    def _log_group(self, group: Group) -> dict[str, Any]:
        arn = f"{self._arn}{group.name}"
        return {
            "logGroupName": group.name,
            "creationTime": group.created_ms,
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "storedBytes": group.stored_bytes,
            "logGroupClass": "STANDARD",
            "logGroupArn": arn,
        }

    def describe_log_streams(self, parameters: dict[str, Any]) -> dict[str, Any]:
        group = self._group(parameters)
        is_by_time = parameters.get("orderBy") == "LastEventTime"
        if is_by_time and "logStreamNamePrefix" in parameters:
            raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        with _told():
            listed = self._store.lists.describe_streams(
                group,
                prefix=parameters.get("logStreamNamePrefix", ""),
                order_by_time=is_by_time,
                is_descending=parameters.get("descending", False),
                limit=parameters.get("limit", MAX_LIST_ITEMS),
                token=parameters.get("nextToken"),
            )
        return _with_token({"logStreams": [self._log_stream(group, stream) for stream in listed.streams]}, listed.token)

    def _log_stream(self, group: str, stream: Stream) -> dict[str, Any]:
        output = {
            "logStreamName": stream.name,
            "creationTime": stream.created_ms,
            "arn": f"{self._arn}{group}:log-stream:{stream.name}",
            "storedBytes": 0,  # for streams always, since 2019
        }
        if stream.last_ms is not None:
            output["firstEventTimestamp"] = stream.first_ms
            output["lastEventTimestamp"] = output["lastIngestionTime"] = stream.last_ms
        return output

    def get_log_events(self, parameters: dict[str, Any]) -> dict[str, Any]:
        with _told():
            page = self._store.events(
                self._group(parameters),
                parameters["logStreamName"],
                start_ms=parameters.get("startTime"),
                end_ms=parameters.get("endTime"),
                limit=parameters.get("limit", MAX_PAGE_EVENTS),
                token=parameters.get("nextToken"),
                start_from_head=parameters.get("startFromHead", False),
            )
        return {
            "events": [
                {"timestamp": line.timestamp_ms, "message": line.message, "ingestionTime": line.timestamp_ms}
                for line in page.events
            ],
            "nextForwardToken": page.forward_token,
            "nextBackwardToken": page.backward_token,
        }

    def filter_log_events(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if "logStreamNames" in parameters and "logStreamNamePrefix" in parameters:
            raise _invalid("logStreamNamePrefix and logStreamNames are mutually exclusive parameters.")
        with _told():
            page, token = self._store.filter(
                self._group(parameters),
                streams=parameters.get("logStreamNames"),
                prefix=parameters.get("logStreamNamePrefix", ""),
                start_ms=parameters.get("startTime", 0),
                end_ms=parameters.get("endTime"),
                pattern=parameters.get("filterPattern", ""),
                limit=parameters.get("limit", MAX_PAGE_EVENTS),
                token=parameters.get("nextToken"),
            )
        events = [
            {
                "logStreamName": event.stream,
                "timestamp": event.line.timestamp_ms,
                "message": event.line.message,
                "ingestionTime": event.line.timestamp_ms,
                "eventId": event.event_id(),
            }
            for event in page.events
        ]
        return _with_token({"events": events, "searchedLogStreams": []}, token)  # the latter is empty since 2020

    # --- writing ----------------------------------------------------------------------------------------------------

    def create_log_group(self, parameters: dict[str, Any]) -> dict[str, Any]:
        with _told(exists="The specified log group already exists"):
            self._store.create_group(parameters["logGroupName"])
        return {}

    def create_log_stream(self, parameters: dict[str, Any]) -> dict[str, Any]:
        with _told(exists="The specified log stream already exists"):
            self._store.create_stream(parameters["logGroupName"], parameters["logStreamName"])
        return {}

    def put_log_events(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Append events; unlike AWS, never before those that the stream has, which a clear error says."""
        group, stream = parameters["logGroupName"], parameters["logStreamName"]
        events = [(event["timestamp"], event["message"]) for event in parameters["logEvents"]]
        _check_batch(events)
        now_ms = self._now_ms()
        too_old_count = sum(1 for when, _ in events if when < now_ms - MAX_AGE_MS)
        in_time_count = sum(1 for when, _ in events if when <= now_ms + MAX_FUTURE_MS)
        accepted = events[too_old_count:in_time_count]
        if accepted and accepted[-1][0] - accepted[0][0] > _DAY_MS:
            raise _invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
        with _told():
            self._store.require_stream(group, stream)
            with self._store.open_stream(group, stream) as writer:
                writer.write_events(accepted)
        output: dict[str, Any] = {"nextSequenceToken": f"{events[-1][0]:056d}"}
        rejected = {}
        if too_old_count:
            rejected["tooOldLogEventEndIndex"] = too_old_count
        if in_time_count < len(events):
            rejected["tooNewLogEventStartIndex"] = in_time_count
        if rejected:
            output["rejectedLogEventsInfo"] = rejected
        return output

    def delete_log_group(self, parameters: dict[str, Any]) -> dict[str, Any]:
        with _told():
            self._store.delete_group(parameters["logGroupName"])
        return {}

    def delete_log_stream(self, parameters: dict[str, Any]) -> dict[str, Any]:
        with _told():
            self._store.delete_stream(parameters["logGroupName"], parameters["logStreamName"])
        return {}

    # --- names ------------------------------------------------------------------------------------------------------

    def _group(self, parameters: dict[str, Any]) -> str:
        """The name of the group that a request is about, which may give an ARN instead."""
        given = [parameters[member] for member in _GROUP if member in parameters]
        if len(given) != 1:
            raise _invalid("You must include either logGroupName or logGroupIdentifier, but not both.")
        return self._group_of_identifier(given[0])

    def _group_of_identifier(self, identifier: str) -> str:
        if not identifier.startswith("arn:"):
            return identifier
        if not identifier.startswith(self._arn):
            raise _missing("The specified log group does not exist.")
        return identifier[len(self._arn) :].removesuffix(":*")


def _check_batch(events: list[tuple[int, str]]) -> None:
    size = 0
    last_ms = 0
    for timestamp_ms, message in events:
        if timestamp_ms < last_ms:
            raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
        last_ms = timestamp_ms
        size += len(message.encode("utf-8", "surrogatepass")) + EVENT_OVERHEAD_BYTES
    if size > MAX_BATCH_BYTES:
        raise _invalid(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}")


@contextlib.contextmanager
def _told(*, exists: str = "") -> Iterator[None]:
    """Turn what the store raises into AWS's errors."""
    try:
        yield
    except MissingGroupError:
        raise _missing("The specified log group does not exist.") from None
    except MissingStreamError:
        raise _missing("The specified log stream does not exist.") from None
    except ExistsError:
        raise ServiceError("ResourceAlreadyExistsException", exists, 400) from None
    except TokenError:
        raise _invalid("The specified nextToken is invalid.") from None
    except PatternError as error:
        raise _invalid(str(error)) from None
    except BusyError as error:
        what = f"Seatrial deletes no log stream that a job still writes to: '{error}'"
        raise ServiceError("OperationAbortedException", what, 400) from None
    except OutOfOrderError as error:
        raise _invalid(
            f"Seatrial keeps the events of a stream in order of time: its last one is of {error.last_ms}; "
            "write older ones to another stream"
        ) from None


def _invalid(what: str) -> ServiceError:
    return ServiceError("InvalidParameterException", what, 400)


def _missing(what: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", what, 400)


def _with_token(output: dict[str, Any], token: str | None) -> dict[str, Any]:
    return output if token is None else {**output, "nextToken": token}

"""``FinalMetricDataList``: what the regexes of MetricDefinitions find in a job's log. Source: contract.md §1.11."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.core.errors import ContractError

_LINE_MAX_CHARACTERS = 65_536
"""How much of a line is searched: a regex of a user's over a line of megabytes would stop the log."""


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A name, and the regex whose first group is the value."""

    name: str
    regex: str


class MetricScanner:
    """Takes a job's log line by line and keeps the last value of each metric.

    Raises:
        ContractError: a regex cannot be compiled.
    """

    def __init__(self, definitions: Sequence[MetricDefinition]) -> None:
        self._patterns = [(one.name, _compile(one)) for one in definitions]
        self._values: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def scan(self, line: str, now: float) -> None:
        """Search one line; a group that is no finite number is passed over."""
        for name, pattern in self._patterns:
            found = pattern.search(line[:_LINE_MAX_CHARACTERS])
            if found is None or not pattern.groups or found[1] is None:
                continue
            try:
                value = float(found[1])
            except ValueError:
                continue
            if math.isfinite(value):
                with self._lock:
                    self._values[name] = (value, now)

    def final(self) -> list[dict[str, object]]:
        """``FinalMetricDataList`` so far, in the order of the definitions."""
        with self._lock:
            values = dict(self._values)
        names = dict.fromkeys(name for name, _ in self._patterns)
        return [
            {"MetricName": name, "Value": values[name][0], "Timestamp": values[name][1]}
            for name in names
            if name in values
        ]


def _compile(definition: MetricDefinition) -> re.Pattern[str]:
    try:
        return re.compile(definition.regex)
    except re.error as error:
        raise ContractError(
            "metric-regex-invalid",
            f"the regex of the metric '{definition.name}' cannot be read",
            found=f"'{definition.regex}': {error}",
            expected="a regular expression with one group around the value",
            fix="correct it in MetricDefinitions",
        ) from error

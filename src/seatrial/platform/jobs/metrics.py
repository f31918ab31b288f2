"""``FinalMetricDataList``: what the regexes of MetricDefinitions find in a job's log. Source: contract.md §1.11.

A regex is the user's, and so is the line: one can keep the other busy for hours. The search has a limit of time, and
lets other threads run meanwhile; Python's own ``re`` has neither (docs/decisions/0011).
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from seatrial.core.errors import ContractError

LOG = logging.getLogger(__name__)

_LINE_MAX_CHARACTERS = 65_536
"""How much of a line is searched."""

SEARCH_SECONDS = 0.05
"""For one regex and one line; what takes longer finds nothing there."""

_TIMEOUTS_MAX = 20
"""After so many a regex is given up: it would slow down the whole log."""


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A name, and the regex whose first group is the value."""

    name: str
    regex: str


class _Metric:
    """One definition, and the last value that it has found."""

    def __init__(self, definition: MetricDefinition) -> None:
        self.name = definition.name
        self.value: tuple[float, float] | None = None
        """The value and when it was found."""
        self._pattern = _compile(definition)
        self._timeout_count = 0

    def scan(self, text: str, now: float) -> None:
        if self._timeout_count >= _TIMEOUTS_MAX:
            return
        try:
            found = self._pattern.search(text, timeout=SEARCH_SECONDS, concurrent=True)
        except TimeoutError:
            self._timeout_count += 1
            self._say_timeout()
            return
        if found is None or found[1] is None:
            return
        try:
            value = float(found[1])
        except ValueError:
            return
        if math.isfinite(value):
            self.value = (value, now)

    def _say_timeout(self) -> None:
        if self._timeout_count not in {1, _TIMEOUTS_MAX}:
            return
        given_up = "; it is given up" if self._timeout_count == _TIMEOUTS_MAX else ""
        LOG.warning(
            "the regex of metric %r took more than %g seconds for a line of the job's log%s: %s",
            self.name, SEARCH_SECONDS, given_up, self._pattern.pattern,
        )  # fmt: skip


class MetricScanner:
    """Takes a job's log line by line and keeps the last value of each metric.

    Raises:
        ContractError: a regex cannot be compiled or has no group, or two have one name.
    """

    def __init__(self, definitions: Sequence[MetricDefinition]) -> None:
        names = [one.name for one in definitions]
        for name in names:
            if names.count(name) > 1:
                raise ContractError(
                    "metric-name-duplicate",
                    f"the metric '{name}' is defined twice",
                    fix="give each of MetricDefinitions a name of its own",
                )
        self._metrics = [_Metric(one) for one in definitions]
        self._lock = threading.Lock()

    def scan(self, line: str, now: float) -> None:
        """Search one line, of a progress bar each of its states; a group that is no finite number is passed over."""
        for text in line[:_LINE_MAX_CHARACTERS].split("\r"):
            for metric in self._metrics:
                with self._lock:
                    metric.scan(text, now)

    def final(self) -> list[dict[str, object]]:
        """``FinalMetricDataList`` so far, in the order of the definitions."""
        with self._lock:
            values = [(metric.name, metric.value) for metric in self._metrics]
        return [
            {"MetricName": name, "Value": value[0], "Timestamp": value[1]}
            for name, value in values
            if value is not None
        ]


def _compile(definition: MetricDefinition) -> regex.Pattern[str]:
    try:
        pattern = regex.compile(definition.regex)
        problem = None if pattern.groups else "it has no group"
    except regex.error as error:
        problem = str(error)
    if problem is not None:
        raise ContractError(
            "metric-regex-invalid",
            f"the regex of the metric '{definition.name}' cannot be read",
            found=f"'{definition.regex}': {problem}",
            expected="a regular expression with one group around the value",
            fix="correct it in MetricDefinitions",
        )
    return pattern

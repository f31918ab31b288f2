"""Metrics found in a log."""

import pytest

from seatrial.core.errors import ContractError
from seatrial.platform.jobs.metrics import MetricDefinition, MetricScanner


def test_scan_keeps_the_last_finite_value_of_each_metric() -> None:
    scanner = MetricScanner([MetricDefinition("loss", "loss=(.*?);"), MetricDefinition("never", "never=(.*)")])
    for now, line in enumerate(("loss=0.5;", "loss=0.25; loss=9;", "loss=nan;", "loss=inf;", "loss=x;", "other")):
        scanner.scan(line, float(now))

    assert scanner.final() == [{"MetricName": "loss", "Value": 0.25, "Timestamp": 1.0}]


def test_scan_regex_without_a_group_finds_nothing() -> None:
    scanner = MetricScanner([MetricDefinition("loss", "loss=[0-9]"), MetricDefinition("maybe", "a(b)?")])
    scanner.scan("loss=1 a", 0.0)

    assert scanner.final() == []


def test_regex_that_cannot_be_read_is_refused_with_its_name() -> None:
    with pytest.raises(ContractError, match="'loss'"):
        MetricScanner([MetricDefinition("loss", "(")])

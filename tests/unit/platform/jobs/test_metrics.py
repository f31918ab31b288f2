"""Metrics found in a log."""

import threading
import time

import pytest

from seatrial.core.errors import ContractError
from seatrial.platform.jobs.metrics import MetricDefinition, MetricScanner

SLOW = MetricDefinition("slow", r".*loss: (.*?) .*acc: (.*?) .*val: ([0-9.]+)")
PROGRESS = "loss: 1 acc: 2 " * 400
"""What a progress bar prints; it looks harmless, and the regex too."""


def test_scan_keeps_the_last_finite_value_of_each_metric() -> None:
    scanner = MetricScanner([MetricDefinition("loss", "loss=(.*?);"), MetricDefinition("never", "never=(.*)")])
    for now, line in enumerate(("loss=0.5;", "loss=0.25; loss=9;", "loss=nan;", "loss=inf;", "loss=x;", "other")):
        scanner.scan(line, float(now))

    assert scanner.final() == [{"MetricName": "loss", "Value": 0.25, "Timestamp": 1.0}]


def test_group_that_took_no_part_finds_nothing() -> None:
    scanner = MetricScanner([MetricDefinition("maybe", "a(b)?")])
    scanner.scan("loss=1 a", 0.0)

    assert scanner.final() == []


def test_progress_bar_is_searched_state_by_state() -> None:
    scanner = MetricScanner([MetricDefinition("loss", "^step loss=(.*)$")])
    scanner.scan("step loss=3\rstep loss=2\rstep loss=1", 0.0)

    assert scanner.final() == [{"MetricName": "loss", "Value": 1.0, "Timestamp": 0.0}]


def test_regex_that_would_run_for_ever_costs_its_own_metric_only(caplog: pytest.LogCaptureFixture) -> None:
    scanner = MetricScanner([SLOW, MetricDefinition("loss", "loss=([0-9])")])
    began = time.monotonic()
    for _ in range(100):
        scanner.scan(f"{PROGRESS} loss=7", 0.0)

    assert time.monotonic() - began < 30
    assert scanner.final() == [{"MetricName": "loss", "Value": 7.0, "Timestamp": 0.0}]
    assert ["given up" in record.getMessage() for record in caplog.records] == [False, True]


def test_other_threads_run_while_a_regex_does() -> None:
    scanner = MetricScanner([SLOW])
    ran = threading.Event()
    thread = threading.Thread(target=ran.set)
    thread.start()
    scanner.scan(PROGRESS, 0.0)

    assert ran.is_set()
    thread.join()


@pytest.mark.parametrize("regexes", [["loss=[0-9]"], ["a(b)", "c(d)"]])
def test_definition_that_could_find_nothing_or_hide_another_is_refused(regexes: list[str]) -> None:
    with pytest.raises(ContractError, match="'loss'"):
        MetricScanner([MetricDefinition("loss", regex) for regex in regexes])


def test_regex_that_cannot_be_read_is_refused_with_its_name() -> None:
    with pytest.raises(ContractError, match="'loss'"):
        MetricScanner([MetricDefinition("loss", "(")])

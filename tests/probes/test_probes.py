"""Every supported operation answers the probes made of its model; how many do so may only rise."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.probes.patterns import fitting, misfit
from tests.probes.run import Counts, fallen, is_complete, read_baseline, run

from seatrial.platform.wire.java_patterns import compile_java


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_operation_answers_fewer_probes_than_recorded(tmp_path: Path) -> None:
    """When more pass, ``python -m tests.probes.run --update`` records it."""
    counts = run(tmp_path)

    assert is_complete(counts)
    assert set(read_baseline()) == set(counts)
    assert fallen(counts, read_baseline()) == []


def test_fallen_names_the_probes_that_fail() -> None:
    counts = {"sts AssumeRole": Counts(passed=4, failures=["AssumeRole: seed: expected allowed, got 500"])}

    assert fallen(counts, {"sts AssumeRole": 4}) == []
    (told,) = fallen(counts, {"sts AssumeRole": 5})
    assert told == "sts AssumeRole: 4 of 5 pass\n  AssumeRole: seed: expected allowed, got 500"


@pytest.mark.parametrize(
    ("pattern", "lengths"),
    [
        (r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", (1, 2, 63)),
        (r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", (40, 2048)),
        (r"(https|s3)://([^/]+)/?(.*)", (9, 1024)),
        (r"\S(.*\S)?", (1, 3, 10)),
    ],
)
def test_fitting_and_misfit(pattern: str, lengths: tuple[int, ...]) -> None:
    for length in lengths:
        text = fitting(pattern, 0, None, length)
        assert text is not None
        assert len(text) == length
        assert compile_java(pattern).fullmatch(text)
    wrong = misfit(pattern, 3, 2048)
    assert wrong is not None
    assert compile_java(pattern).fullmatch(wrong) is None

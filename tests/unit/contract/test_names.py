from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.names import (
    CHANNEL_NAME,
    ENVIRONMENT_KEY,
    MODEL_NAME,
    TRAINING_JOB_NAME,
    NameRule,
    host_name,
    training_job_arn,
)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (TRAINING_JOB_NAME, "a"),
        (TRAINING_JOB_NAME, "Job-1--x"),
        (TRAINING_JOB_NAME, "a" * 63),
        (MODEL_NAME, "m--1"),
        (CHANNEL_NAME, "train.v1_2-x"),
        (CHANNEL_NAME, "c" * 64),
        (ENVIRONMENT_KEY, "_A1"),
    ],
)
def test_is_met_by_a_good_name_is_true(rule: NameRule, name: str) -> None:
    assert rule.is_met_by(name)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (TRAINING_JOB_NAME, ""),
        (TRAINING_JOB_NAME, "a" * 64),
        (TRAINING_JOB_NAME, "a_b"),
        (TRAINING_JOB_NAME, "a.b"),
        (TRAINING_JOB_NAME, "-a"),
        (TRAINING_JOB_NAME, "a-"),
        (TRAINING_JOB_NAME, "a\n"),
        (TRAINING_JOB_NAME, "\u0663"),  # a digit, but no ASCII one
        (CHANNEL_NAME, "a/b"),
        (CHANNEL_NAME, "c" * 65),
        (ENVIRONMENT_KEY, "1A"),
        (ENVIRONMENT_KEY, "A=B"),
    ],
)
def test_is_met_by_a_bad_name_is_false(rule: NameRule, name: str) -> None:
    assert not rule.is_met_by(name)


@given(st.text(max_size=70))
def test_is_met_by_any_text_agrees_with_the_rule_in_words(name: str) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
    in_words = 1 <= len(name) <= 63 and set(name) <= allowed and name[0] != "-" and name[-1] != "-"

    assert TRAINING_JOB_NAME.is_met_by(name) is in_words


def test_training_job_arn_lowers_the_name() -> None:
    assert training_job_arn("My-Job") == "arn:aws:sagemaker:us-east-1:000000000000:training-job/my-job"


def test_host_name_counts_from_one() -> None:
    assert host_name(1) == "algo-1"

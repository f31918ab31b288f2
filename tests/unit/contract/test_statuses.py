from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.statuses import (
    ENDPOINT_TRANSITIONS,
    PRIMARY_OF,
    TRAINING_STATUS_MESSAGES,
    TRAINING_TRANSITIONS,
    UNFINISHED_TRAINING_STATUSES,
    EndpointStatus,
    SecondaryStatus,
    TrainingJobStatus,
    is_final,
)

Status = TypeVar("Status", SecondaryStatus, EndpointStatus)
FINAL = {
    SecondaryStatus.COMPLETED,
    SecondaryStatus.FAILED,
    SecondaryStatus.STOPPED,
    SecondaryStatus.MAX_RUNTIME_EXCEEDED,
    SecondaryStatus.MAX_WAIT_TIME_EXCEEDED,
}


def reachable(table: Mapping[Status, Set[Status]], start: Status) -> set[Status]:
    seen, frontier = {start}, [start]
    while frontier:
        new = table[frontier.pop()] - seen
        seen |= new
        frontier += new
    return seen


@given(st.data())
def test_a_walk_that_avoids_statuses_it_has_seen_ends_in_a_final_one(data: st.DataObject) -> None:
    status, seen = SecondaryStatus.STARTING, {SecondaryStatus.STARTING}
    while not is_final(status):
        following = TRAINING_TRANSITIONS[status] - seen
        assert following, f"{status} leads only back"
        status = data.draw(st.sampled_from(sorted(following)))
        seen.add(status)

    assert status in FINAL


@pytest.mark.parametrize("status", SecondaryStatus)
def test_every_training_status_can_be_reached_and_can_end(status: SecondaryStatus) -> None:
    assert status in reachable(TRAINING_TRANSITIONS, SecondaryStatus.STARTING)
    assert reachable(TRAINING_TRANSITIONS, status) & FINAL


@pytest.mark.parametrize("status", SecondaryStatus)
def test_is_final_is_true_of_the_documented_ends_only(status: SecondaryStatus) -> None:
    assert is_final(status) is (status in FINAL)


@pytest.mark.parametrize("status", [status for status in SecondaryStatus if status not in FINAL])
def test_every_status_of_a_living_job_may_fail(status: SecondaryStatus) -> None:
    assert SecondaryStatus.FAILED in TRAINING_TRANSITIONS[status]


@pytest.mark.parametrize("status", SecondaryStatus)
def test_primary_of_a_final_status_is_final_and_of_a_living_one_living(status: SecondaryStatus) -> None:
    ended = {TrainingJobStatus.COMPLETED, TrainingJobStatus.FAILED, TrainingJobStatus.STOPPED}

    assert (PRIMARY_OF[status] in ended) is is_final(status)


def test_a_stopping_job_never_completes() -> None:
    after_stop = reachable(TRAINING_TRANSITIONS, SecondaryStatus.STOPPING) - {SecondaryStatus.UPLOADING}

    assert SecondaryStatus.COMPLETED not in TRAINING_TRANSITIONS[SecondaryStatus.STOPPING]
    assert not after_stop & {SecondaryStatus.STARTING, SecondaryStatus.TRAINING, SecondaryStatus.DOWNLOADING}


@pytest.mark.parametrize("status", EndpointStatus)
def test_every_endpoint_status_can_be_reached_and_deleted(status: EndpointStatus) -> None:
    assert status in reachable(ENDPOINT_TRANSITIONS, EndpointStatus.CREATING)
    assert EndpointStatus.DELETING in reachable(ENDPOINT_TRANSITIONS, status)


def test_status_messages_belong_to_statuses() -> None:
    assert set(TRAINING_STATUS_MESSAGES) <= set(TRAINING_TRANSITIONS)


def test_unfinished_statuses_are_those_of_phases_that_are_not_final() -> None:
    assert {PRIMARY_OF[status] for status in SecondaryStatus if not is_final(status)} == UNFINISHED_TRAINING_STATUSES
    assert "InProgress" in UNFINISHED_TRAINING_STATUSES, "as the store has it"

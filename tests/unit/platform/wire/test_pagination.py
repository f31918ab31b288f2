"""Lists: order, pages and their tokens."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.pagination import Listing, Page, encode_token, list_page

EPOCH = datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Job:
    name: str
    minute: int
    status: str = "Completed"

    @property
    def created_at(self) -> datetime.datetime:
        return EPOCH + datetime.timedelta(minutes=self.minute)


LISTING: Listing[Job] = Listing(
    operation="ListTrainingJobs",
    name=lambda job: job.name,
    sort_keys={
        "Name": lambda job: job.name,
        "CreationTime": lambda job: job.created_at,
        "Status": lambda job: job.status,
    },
)
JOBS = [Job("b", 1), Job("a", 2, "Failed"), Job("c", 2), Job("d", 0, "Failed")]


def names(page: Page[Job]) -> str:
    return "".join(job.name for job in page.rows)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "dbac"),
        ({"SortOrder": "Descending"}, "cabd"),
        ({"SortBy": "Name"}, "abcd"),
        ({"SortBy": "Name", "SortOrder": "Descending"}, "dcba"),
        ({"SortBy": "Status"}, "bcad"),
    ],
)
def test_list_page_sorts(parameters: dict[str, Any], expected: str) -> None:
    page = list_page(LISTING, JOBS, parameters)

    assert names(page) == expected
    assert page.next_token is None


def test_list_page_holds_ten_rows_by_default() -> None:
    page = list_page(LISTING, [Job(f"{number:02}", number) for number in range(11)], {})

    assert len(page.rows) == 10
    assert page.next_token is not None


@given(
    jobs=st.lists(
        st.builds(Job, st.text("abc", min_size=1, max_size=3), st.integers(0, 3)), unique_by=lambda job: job.name
    ),
    size=st.integers(1, 4),
    sort_by=st.sampled_from(["Name", "CreationTime", "Status"]),
    order=st.sampled_from(["Ascending", "Descending"]),
)
def test_list_page_pages_have_every_row_once_in_order(jobs: list[Job], size: int, sort_by: str, order: str) -> None:
    parameters: dict[str, Any] = {"MaxResults": size, "SortBy": sort_by, "SortOrder": order}
    whole = list_page(LISTING, jobs, parameters | {"MaxResults": 100}).rows

    found: list[Job] = []
    page = list_page(LISTING, jobs, parameters)
    found += page.rows
    while page.next_token is not None:
        page = list_page(LISTING, jobs, parameters | {"NextToken": page.next_token})
        assert page.rows
        found += page.rows

    assert tuple(found) == whole


def test_list_page_goes_on_when_rows_came_and_went() -> None:
    first = list_page(LISTING, JOBS, {"MaxResults": 2})
    later = [job for job in JOBS if job.name != "b"] + [Job("e", 0), Job("f", 9)]

    second = list_page(LISTING, later, {"MaxResults": 5, "NextToken": first.next_token})

    assert (names(first), names(second)) == ("db", "acf")


def test_list_page_with_a_token_of_other_filters_is_refused() -> None:
    token = list_page(LISTING, JOBS, {"MaxResults": 1, "CreationTimeAfter": EPOCH}).next_token
    same = {"CreationTimeAfter": EPOCH, "NextToken": token}
    other = dataclasses.replace(LISTING, operation="ListModels")

    assert names(list_page(LISTING, JOBS, same)) == "bac"
    for listing, parameters in [
        (LISTING, {"NextToken": token}),
        (LISTING, same | {"SortBy": "Name"}),
        (LISTING, same | {"NameContains": "a"}),
        (other, same),
    ]:
        with pytest.raises(ServiceError, match="ValidationException"):
            list_page(listing, JOBS, parameters)


@given(st.one_of(st.text(max_size=30), st.binary(max_size=30).map(lambda data: base64.b64encode(data).decode())))
def test_list_page_with_any_token_is_refused(token: str) -> None:
    with pytest.raises(ServiceError, match="ValidationException"):
        list_page(LISTING, JOBS, {"NextToken": token})


def test_list_page_with_a_place_of_another_type_is_refused() -> None:
    token = encode_token(["text", "a"], "ListTrainingJobs", {})
    assert json.loads(base64.urlsafe_b64decode(token))[1:] == ["text", "a"]

    with pytest.raises(ServiceError, match="pagination token"):
        list_page(LISTING, JOBS, {"NextToken": token})

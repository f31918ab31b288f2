"""Lists of stored resources: what the database answers is what a few lines of Python over all of them would."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.services.resource_lists import ResourceListing, list_resources
from seatrial.platform.services.sagemaker.training import LISTING
from seatrial.platform.store.database import Database
from seatrial.platform.store.resources import Kind, Resource, ResourceStore
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.pagination import encode_token

EPOCH = datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc)


def minute(number: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(minutes=number)


def job(name: str, created: int, status: str = "Completed", modified: int | None = None) -> Resource:
    return Resource(
        kind=Kind.TRAINING_JOB,
        name=name,
        arn=f"arn:{name}",
        status=status,
        created_at=minute(created).timestamp(),
        modified_at=minute(created if modified is None else modified).timestamp(),
        document={},
    )


JOBS = [job("b", 1), job("a", 2, "Failed"), job("c", 2, modified=9), job("d", 0, "Failed")]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("store") / "state.db")
    with database.read() as connection:  # which every write gets again
        connection.execute("PRAGMA synchronous = OFF")  # thousands of transactions, none of which has to last
    yield database
    database.close()


def store_of(database: Database, jobs: list[Resource]) -> ResourceStore:
    with database.write() as connection:
        connection.execute("DELETE FROM resource")
    store = ResourceStore(database)
    store.insert(dataclasses.replace(job("role", 1), kind=Kind.ROLE))  # another kind is never listed
    for one in jobs:
        store.insert(one)
    return store


@pytest.fixture
def store(database: Database) -> ResourceStore:
    return store_of(database, JOBS)


def names(rows: tuple[Resource, ...]) -> str:
    return "".join(row.name for row in rows)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, "dbac"),
        ({"SortOrder": "Descending"}, "cabd"),
        ({"SortBy": "Name"}, "abcd"),
        ({"SortBy": "Name", "SortOrder": "Descending"}, "dcba"),
        ({"SortBy": "Status"}, "bcad"),
        ({"NameContains": "a"}, "a"),
        ({"NameContains": "%"}, ""),
        ({"StatusEquals": "Failed"}, "da"),
        ({"CreationTimeAfter": minute(1)}, "ac"),
        ({"CreationTimeBefore": minute(1)}, "d"),
        ({"CreationTimeAfter": EPOCH, "StatusEquals": "Completed"}, "bc"),
        ({"LastModifiedTimeAfter": minute(2)}, "c"),
        ({"LastModifiedTimeBefore": minute(1)}, "d"),
        ({"NameContains": "nothing"}, ""),
        ({"WarmPoolStatusEquals": "Available"}, ""),
    ],
)
def test_list_resources_filters_and_sorts(store: ResourceStore, request_: dict[str, Any], expected: str) -> None:
    page = list_resources(store, LISTING, request_)

    assert (names(page.rows), page.next_token) == (expected, None)


def test_list_resources_holds_ten_rows_by_default(database: Database) -> None:
    page = list_resources(store_of(database, [job(f"{number:02}", number) for number in range(11)]), LISTING, {})

    assert len(page.rows) == 10
    assert page.next_token is not None


def test_list_resources_filters_by_status_after_the_cut_as_documented(store: ResourceStore) -> None:
    """API_ListTrainingJobs: first MaxResults jobs of any status, then those with the status."""
    request = {"StatusEquals": "Failed", "MaxResults": 2}

    first = list_resources(store, LISTING, request)
    second = list_resources(store, LISTING, request | {"NextToken": first.next_token})

    assert (names(first.rows), names(second.rows), second.next_token) == ("d", "a", None)


def test_list_resources_goes_on_when_rows_came_and_went(store: ResourceStore) -> None:
    first = list_resources(store, LISTING, {"MaxResults": 2})
    store.delete(Kind.TRAINING_JOB, "b")
    store.insert(job("e", 0))
    store.insert(job("f", 9))

    second = list_resources(store, LISTING, {"MaxResults": 5, "NextToken": first.next_token})

    assert (names(first.rows), names(second.rows)) == ("db", "acf")


def test_list_resources_with_a_token_of_other_filters_or_a_place_of_another_type_is_refused(
    store: ResourceStore,
) -> None:
    token = list_resources(store, LISTING, {"MaxResults": 1}).next_token
    for request in (
        {"NextToken": token, "SortBy": "Name"},
        {"NextToken": token, "WarmPoolStatusEquals": "Available"},
        {"NextToken": encode_token(["text", "a"], "ListTrainingJobs", {})},
        {"NextToken": encode_token([1.5, "a"], "ListTrainingJobs", {"SortBy": "Name"}), "SortBy": "Name"},
        {"NextToken": "no token"},
    ):
        with pytest.raises(ServiceError, match="pagination token"):
            list_resources(store, LISTING, request)


# --- compared with an oracle ----------------------------------------------------------------------------------------

STATUSES = ("InProgress", "Completed", "Failed")
jobs_strategy = st.lists(
    st.builds(
        job, st.text("aAb-", min_size=1, max_size=3), st.integers(0, 3), st.sampled_from(STATUSES), st.integers(0, 3)
    ),
    unique_by=lambda one: one.name,
    max_size=8,
)
request_strategy = st.fixed_dictionaries(
    {},
    optional={
        "SortBy": st.sampled_from(["Name", "CreationTime", "Status"]),
        "SortOrder": st.sampled_from(["Ascending", "Descending"]),
        "MaxResults": st.integers(1, 4),
        "NameContains": st.text("aA-", max_size=2),
        "StatusEquals": st.sampled_from(STATUSES),
        **{
            f"{what}Time{side}": st.integers(0, 3).map(minute)
            for what in ("Creation", "LastModified")
            for side in ("After", "Before")
        },
    },
)


def expected_pages(jobs: list[Resource], request: dict[str, Any], default_is_descending: bool) -> list[list[str]]:
    """All pages, the plain way."""
    kept = [
        one
        for one in jobs
        if request.get("NameContains", "") in one.name
        and request.get("CreationTimeAfter", minute(-1)).timestamp() < one.created_at
        and one.created_at < request.get("CreationTimeBefore", minute(9)).timestamp()
        and request.get("LastModifiedTimeAfter", minute(-1)).timestamp() < one.modified_at
        and one.modified_at < request.get("LastModifiedTimeBefore", minute(9)).timestamp()
    ]
    wanted = {request["StatusEquals"]} if "StatusEquals" in request else set(STATUSES)
    if "MaxResults" not in request:
        kept = [one for one in kept if one.status in wanted]
    keys = {"Name": "name", "CreationTime": "created_at", "Status": "status"}
    default = "Descending" if default_is_descending else "Ascending"
    kept.sort(
        key=lambda one: (getattr(one, keys[request.get("SortBy", "CreationTime")]), one.name),
        reverse=request.get("SortOrder", default) == "Descending",
    )
    size = request.get("MaxResults", 10)
    return [
        [one.name for one in kept[start : start + size] if one.status in wanted]
        for start in range(0, max(len(kept), 1), size)
    ]


@given(jobs=jobs_strategy, request_=request_strategy, is_descending=st.booleans())
def test_pages_are_those_of_the_oracle(
    database: Database, jobs: list[Resource], request_: dict[str, Any], is_descending: bool
) -> None:
    store = store_of(database, jobs)
    listing: ResourceListing = dataclasses.replace(LISTING, is_descending_by_default=is_descending)

    page = list_resources(store, listing, request_)
    pages = [[row.name for row in page.rows]]
    while page.next_token is not None:
        page = list_resources(store, listing, request_ | {"NextToken": page.next_token})
        pages.append([row.name for row in page.rows])

    assert pages == expected_pages(jobs, request_, is_descending)

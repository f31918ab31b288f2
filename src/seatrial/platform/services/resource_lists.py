"""Lists of stored resources, filtered, sorted and cut by the database.

The order of work is filter, sort, cut; tokens are those of ``wire/pagination``.

``ListTrainingJobs`` is documented to do otherwise when ``StatusEquals`` and ``MaxResults`` are given together: the
page is cut first and its rows are filtered by status then, so that a page may be short or empty and still carry a
token. We do as documented: a caller that stops at the first page sees here what it would see there. boto3's paginators
are not touched. Source: §6.5; API_ListTrainingJobs, ``StatusEquals``.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from seatrial.platform.store.queries import Column, Comparison, Condition, Query
from seatrial.platform.store.resources import Kind, Resource, ResourceStore
from seatrial.platform.wire.pagination import (
    DEFAULT_PAGE_SIZE,
    Page,
    decode_token,
    encode_token,
    invalid_token,
    is_descending,
)

STANDARD_FILTERS: Mapping[str, tuple[Column, Comparison]] = MappingProxyType(
    {
        "NameContains": (Column.NAME, Comparison.CONTAINS),
        "StatusEquals": (Column.STATUS, Comparison.EQUALS),
        "CreationTimeAfter": (Column.CREATED_AT, Comparison.ABOVE),
        "CreationTimeBefore": (Column.CREATED_AT, Comparison.BELOW),
        "LastModifiedTimeAfter": (Column.MODIFIED_AT, Comparison.ABOVE),
        "LastModifiedTimeBefore": (Column.MODIFIED_AT, Comparison.BELOW),
    }
)
"""The filters that most List operations share. ``NameContains`` minds upper and lower case (UNVERIFIED)."""

_TIMES = frozenset({Column.CREATED_AT, Column.MODIFIED_AT})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResourceListing:
    """How one List operation reads a kind of resource, as a table."""

    operation: str
    """AWS's name."""
    kind: Kind
    sort_columns: Mapping[str, Column]
    """``SortBy`` to the column."""
    default_sort_by: str = "CreationTime"
    is_descending_by_default: bool = False
    filters: Mapping[str, tuple[Column, Comparison]] = dataclasses.field(default_factory=lambda: STANDARD_FILTERS)
    """Request member to what it compares."""
    finds_nothing: frozenset[str] = frozenset()
    """Members for what no resource has here, such as a warm pool: with one of them the list is empty."""
    late_filters: frozenset[str] = frozenset()
    """Members that filter the page and not the list when ``MaxResults`` is given too; of ``Comparison.EQUALS``."""


def list_resources(store: ResourceStore, listing: ResourceListing, request: Mapping[str, Any]) -> Page[Resource]:
    """One page of the resources that a request asks for.

    Args:
        store: Where they are.
        listing: The operation's table.
        request: Its parameters, validated.

    Raises:
        ServiceError: ValidationException: the token is not one of this operation with these filters and this order.
    """
    column = listing.sort_columns[request.get("SortBy", listing.default_sort_by)]
    after = _place(listing, column, request)
    if listing.finds_nothing & set(request):
        return Page(rows=(), next_token=None)
    size = int(request.get("MaxResults", DEFAULT_PAGE_SIZE))
    late = listing.late_filters if "MaxResults" in request else frozenset()
    query = Query(
        conditions=tuple(
            Condition(*listing.filters[member], _comparable(value))
            for member, value in request.items()
            if member in listing.filters and member not in late
        ),
        order_by=column,
        is_descending=is_descending(request, by_default=listing.is_descending_by_default),
        after=after,
        limit=size + 1,
    )
    found = store.list_page(listing.kind, query)
    page, rest = found[:size], found[size:]
    token = None
    if rest:
        token = encode_token([_value(page[-1], column), page[-1].name], listing.operation, request)
    shown = (row for row in page if all(_passes(listing, row, name, request[name]) for name in late & set(request)))
    return Page(rows=tuple(shown), next_token=token)


def _place(listing: ResourceListing, column: Column, request: Mapping[str, Any]) -> tuple[str | float, str] | None:
    if "NextToken" not in request:
        return None
    value, name = decode_token(request["NextToken"], listing.operation, request)
    if isinstance(value, str) is (column in _TIMES):  # a place made by hand, such as a text among times
        raise invalid_token()
    return value, name


def _passes(listing: ResourceListing, row: Resource, member: str, wanted: object) -> bool:
    return _value(row, listing.filters[member][0]) == wanted


def _value(row: Resource, column: Column) -> str | float:
    value: str | float = getattr(row, column.value)
    return value


def _comparable(value: Any) -> str | float:  # noqa: ANN401 (a member of any request)
    result: str | float = value.timestamp() if isinstance(value, datetime.datetime) else value
    return result

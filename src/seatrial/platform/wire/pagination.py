"""Lists: order, pages, tokens. Pure, and generic over what is listed; ``services/resource_lists`` has the filters.

A page ends with a token from which the next one goes on, also when rows have come or gone in between, because the
token holds the last row's place in the order and not a number of rows. A token is bound to its operation, filters and
order: with others it is refused.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from seatrial.platform.wire.errors import ServiceError, validation_error
from seatrial.platform.wire.timestamps import to_epoch

Row = TypeVar("Row")
Parameters: TypeAlias = Mapping[str, Any]

DEFAULT_PAGE_SIZE = 10
"""``MaxResults`` when it is not given. Source: §6.5."""
TOKEN_LIMIT_CHARACTERS = 8192
"""Source: §6.5."""
_PAGING = frozenset({"NextToken", "MaxResults"})
_BAD_TOKEN = "The pagination token is invalid: it belongs to another operation, filter or order, or was changed."  # noqa: S105


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[Row]):
    """How one List operation reads its rows, as a table.

    Attributes:
        operation: AWS's name.
        name: The row's name: unique, and what decides between rows that sort alike.
        sort_keys: ``SortBy`` to the value it sorts by; each value is a string, a number or an aware datetime.
        default_sort_by: One of these.
        is_descending_by_default: ``SortOrder`` when it is not given.
    """

    operation: str
    name: Callable[[Row], str]
    sort_keys: Mapping[str, Callable[[Row], Any]]
    default_sort_by: str = "CreationTime"
    is_descending_by_default: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """``next_token`` is ``None`` on the last page."""

    rows: tuple[Row, ...]
    next_token: str | None


def list_page(listing: Listing[Row], rows: Iterable[Row], parameters: Parameters) -> Page[Row]:
    """One page of the rows that a request asks for.

    Args:
        listing: The operation's table.
        rows: All of them, in any order.
        parameters: The request's, validated.

    Raises:
        ServiceError: ValidationException: the token is not one of this operation with these filters and this order.
    """
    order = order_of(listing, parameters)
    keyed: Iterable[tuple[tuple[Any, str], Row]] = ((order.key(row), row) for row in rows)
    token = parameters.get("NextToken")
    if token is not None:
        last = decode_token(token, listing.operation, parameters)
        keyed = (pair for pair in keyed if order.is_after(pair[0], last))
    size = int(parameters.get("MaxResults", DEFAULT_PAGE_SIZE))
    take = heapq.nlargest if order.is_descending else heapq.nsmallest
    try:
        first = take(size + 1, keyed, key=lambda pair: pair[0])
    except TypeError:  # a place made by hand, such as a text among times
        if token is None:
            raise
        raise invalid_token() from None
    next_token = encode_token(first[size - 1][0], listing.operation, parameters) if len(first) > size else None
    return Page(rows=tuple(row for _, row in first[:size]), next_token=next_token)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order(Generic[Row]):
    """A total order of rows: by a key, then by name, both in the same direction."""

    key: Callable[[Row], tuple[Any, str]]
    is_descending: bool

    def is_after(self, key: tuple[Any, str], last: tuple[Any, str]) -> bool:
        """Whether a row's key comes after the place of another row, whether or not that one still exists."""
        return key < last if self.is_descending else key > last


def order_of(listing: Listing[Row], parameters: Parameters) -> Order[Row]:
    """The order that ``SortBy`` and ``SortOrder`` ask for."""
    value = listing.sort_keys[parameters.get("SortBy", listing.default_sort_by)]
    return Order(
        key=lambda row: (_comparable(value(row)), listing.name(row)),
        is_descending=is_descending(parameters, by_default=listing.is_descending_by_default),
    )


def is_descending(parameters: Parameters, *, by_default: bool) -> bool:
    """The direction that ``SortOrder`` asks for."""
    return bool(parameters.get("SortOrder", "Descending" if by_default else "Ascending") == "Descending")


def _comparable(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime.datetime) else value


# --- tokens ---------------------------------------------------------------------------------------------------------


def encode_token(place: Sequence[Any], operation: str, parameters: Parameters) -> str:
    """An opaque text that holds a place in an order.

    Args:
        place: Strings, numbers or ``None``; what a store needs to go on.
        operation: It is bound to this,
        parameters: and to these, the token and the page's size left out.
    """
    document = json.dumps([_binding(operation, parameters), *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode("ascii")


def decode_token(token: str, operation: str, parameters: Parameters) -> tuple[Any, str]:
    """The place that a token holds.

    Raises:
        ServiceError: ValidationException.
    """
    try:
        binding, *place = json.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True))
        is_ours = binding == _binding(operation, parameters)
        is_place = len(place) == 2 and isinstance(place[1], str) and isinstance(place[0], (str, int, float))
    except (ValueError, TypeError, UnicodeError, binascii.Error, RecursionError):
        raise invalid_token() from None
    if not is_ours or not is_place:
        raise invalid_token()
    return place[0], place[1]


def invalid_token() -> ServiceError:
    """AWS's words for it are not known (UNVERIFIED)."""
    return validation_error(_BAD_TOKEN)


def _binding(operation: str, parameters: Parameters) -> str:
    """A short digest of everything that must stay the same from page to page."""
    kept = {name: _plain(value) for name, value in sorted(parameters.items()) if name not in _PAGING}
    return hashlib.sha256(json.dumps([operation, kept], sort_keys=True, default=str).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return to_epoch(value) if isinstance(value, datetime.datetime) else value

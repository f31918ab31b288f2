"""AddTags, ListTags, DeleteTags for every kind of resource. Source: contract.md §6.2, §6.5."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.platform.services.handlers import Handler
from seatrial.platform.store.resources import MissingError, ResourceStore
from seatrial.platform.wire.errors import ServiceError, validation_error
from seatrial.platform.wire.pagination import Listing, list_page

MAX_TAGS = 50
"""Tags of one resource (§6.2)."""

LISTING: Listing[tuple[str, str]] = Listing(
    operation="ListTags", name=lambda tag: tag[0], sort_keys={"Key": lambda tag: tag[0]}, default_sort_by="Key"
)


class Tags:
    """The operations on tags.

    Args:
        store: Keeps them beside their resources.
    """

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        """By operation."""
        return {"AddTags": self.add_tags, "ListTags": self.list_tags, "DeleteTags": self.delete_tags}

    def add_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Add or replace; the answer has all tags."""

        def check(tags: Mapping[str, str]) -> None:
            if len(tags) > MAX_TAGS:
                raise ServiceError(
                    "ResourceLimitExceeded", f"A resource can have at most {MAX_TAGS} tags; found {len(tags)}.", 400
                )

        with _missing_is_told():
            tags = self._store.add_tags(
                request["ResourceArn"], {tag["Key"]: tag["Value"] for tag in request["Tags"]}, check
            )
        return {"Tags": _rendered(tags)}

    def list_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        arn = request["ResourceArn"]
        with _missing_is_told():
            if not self._store.has_arn(arn):
                raise MissingError(arn)
        tags = self._store.tags(arn)
        page = list_page(LISTING, tags.items(), {"MaxResults": MAX_TAGS, **request})
        response: dict[str, Any] = {"Tags": _rendered(dict(page.rows))}
        if page.next_token is not None:
            response["NextToken"] = page.next_token
        return response

    def delete_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with _missing_is_told():
            self._store.delete_tags(request["ResourceArn"], request["TagKeys"])
        return {}


@contextlib.contextmanager
def _missing_is_told() -> Iterator[None]:
    try:
        yield
    except MissingError as error:
        raise validation_error(f"Resource does not exist: {error}") from error


def _rendered(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]

"""A page of resources as an SQL query: filters, order, and the place from which it goes on.

Only names that stand in this module become part of a statement's text; every value is bound.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Column(str, enum.Enum):
    """What lists filter and sort by."""

    NAME = "name"
    ARN = "arn"
    STATUS = "status"
    CREATED_AT = "created_at"
    MODIFIED_AT = "modified_at"


class Comparison(str, enum.Enum):
    """How a column is compared with a value."""

    EQUALS = "{column} = ?"
    ABOVE = "{column} > ?"
    BELOW = "{column} < ?"
    CONTAINS = "instr({column}, ?) > 0"
    STARTS_WITH = "instr({column}, ?) = 1"


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter."""

    column: Column
    test: Comparison
    value: str | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which resources of a kind, in which order.

    The order is total: by the column, then by name, both in the same direction.
    """

    limit: int
    conditions: tuple[Condition, ...] = ()
    order_by: Column = Column.NAME
    is_descending: bool = False
    after: tuple[str | float, str] | None = None
    """The column's value and the name of a resource, whether it still exists or not: only what comes behind it."""


_INDEX = {Column.NAME: " INDEXED BY resource_listed_by_name"}
"""Where SQLite would go through the table itself, with its documents, because that is in this order too."""


def render_query(kind: str, query: Query, columns: str) -> tuple[str, tuple[str | float, ...]]:
    """The statement and its values.

    The inner part is answered by an index alone (``database.py``); documents are read of the page's rows only.
    """
    where = ["kind = ?"]
    values: list[str | float] = [kind]
    for condition in query.conditions:
        where.append(condition.test.value.format(column=condition.column.value))
        values.append(condition.value)
    column = query.order_by.value
    if query.after is not None:
        where.append(f"({column}, name) {'<' if query.is_descending else '>'} (?, ?)")
        values += query.after
    direction = "DESC" if query.is_descending else "ASC"
    order = f"ORDER BY {column} {direction}, name {direction}"
    table = f"resource{_INDEX.get(query.order_by, '')}"
    page = f"SELECT kind, name FROM {table} WHERE {' AND '.join(where)} {order} LIMIT ?"  # noqa: S608
    text = f"SELECT {columns} FROM ({page}) CROSS JOIN resource USING (kind, name) {order}"  # noqa: S608
    return text, (*values, query.limit)

"""Named resources of every kind (training jobs, models, endpoints …): stored, listed, changed, waited for.

A resource is a row with what lists sort and filter by, and a document: whatever its service keeps, as JSON. Changes go
through ``update``, which reads and writes in one transaction, so that a job's thread and a request never overwrite each
other.
"""

from __future__ import annotations

import asyncio
import enum
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from seatrial.platform.store.database import Database
from seatrial.platform.store.queries import Query, render_query

Document = dict[str, Any]


class Kind(str, enum.Enum):
    """What a resource is."""

    TRAINING_JOB = "training-job"
    ROLE = "role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource as it is stored."""

    kind: Kind
    name: str
    arn: str
    status: str
    created_at: float
    """Seconds since the epoch; kept in milliseconds, as answers tell it, so that a filter with a told time fits."""
    modified_at: float
    """Likewise."""
    document: Document
    version: int = 0
    """Counts the changes."""


class AlreadyExistsError(Exception):
    """A resource of this kind and name is there."""

    def __init__(self, existing: Resource) -> None:
        super().__init__(existing.name)
        self.existing = existing


class MissingError(Exception):
    """No resource of this kind and name is there."""


_COLUMNS = "kind, name, arn, status, created_at, modified_at, document, version"


class ResourceStore:
    """Resources and their tags in one database.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes = Changes()

    def insert(self, resource: Resource, tags: Mapping[str, str] | None = None) -> None:
        """Store a new resource and its tags.

        Raises:
            AlreadyExistsError: the kind has one of that name, or one has that ARN.
        """
        with self._database.write() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM resource WHERE (kind = ? AND name = ?) OR arn = ?",  # noqa: S608
                (resource.kind.value, resource.name, resource.arn),
            ).fetchone()
            if row is not None:
                raise AlreadyExistsError(_resource(row))
            connection.execute(
                f"INSERT INTO resource ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                _row(resource),
            )
            _write_tags(connection, resource.arn, tags or {})

    def find(self, kind: Kind, name: str) -> Resource | None:
        with self._database.read() as connection:
            return _find(connection, kind, name)

    def update(self, kind: Kind, name: str, change: Callable[[Resource], Resource]) -> Resource:
        """Replace a resource by what ``change`` makes of it, in one transaction; what it raises changes nothing.

        Raises:
            MissingError: there is none.
        """
        with self._database.write() as connection:
            old = _find(connection, kind, name)
            if old is None:
                raise MissingError(name)
            new = replace(change(old), version=old.version + 1)
            new = replace(new, modified_at=round(new.modified_at, 3))
            connection.execute(
                "UPDATE resource SET status = ?, modified_at = ?, document = ?, version = ?"
                " WHERE kind = ? AND name = ?",
                (new.status, new.modified_at, msgspec.json.encode(new.document), new.version, kind.value, name),
            )
        self._changes.announce(kind, name)
        return new

    def delete(self, kind: Kind, name: str, check: Callable[[Resource], None] = lambda _: None) -> Resource:
        """Remove a resource and its tags.

        Args:
            kind: Which.
            name: Which.
            check: What it raises keeps the resource.

        Raises:
            MissingError: there is none.
        """
        with self._database.write() as connection:
            old = _find(connection, kind, name)
            if old is None:
                raise MissingError(name)
            check(old)
            connection.execute("DELETE FROM resource WHERE kind = ? AND name = ?", (kind.value, name))
            connection.execute("DELETE FROM tag WHERE arn = ?", (old.arn,))
        self._changes.announce(kind, name)
        return old

    def list_page(self, kind: Kind, query: Query) -> list[Resource]:
        """The resources that a query asks for, in its order."""
        text, values = render_query(kind.value, query, _COLUMNS)
        with self._database.read() as connection:
            rows = connection.execute(text, values).fetchall()
        return [_resource(row) for row in rows]

    def has_name_in_any_case(self, kind: Kind, name: str) -> bool:
        """Whether a kind has a resource whose name differs in the case of ASCII letters at most."""
        text = "SELECT 1 FROM resource WHERE kind = ? AND name = ? COLLATE NOCASE LIMIT 1"
        with self._database.read() as connection:
            return connection.execute(text, (kind.value, name)).fetchone() is not None

    def all_with_status(self, kind: Kind, *statuses: str) -> list[Resource]:
        """Every resource of a kind that has one of these statuses, oldest first."""
        marks = ", ".join("?" * len(statuses))
        text = f"SELECT {_COLUMNS} FROM resource WHERE kind = ? AND status IN ({marks}) ORDER BY created_at, name"  # noqa: S608
        with self._database.read() as connection:
            rows = connection.execute(text, (kind.value, *statuses)).fetchall()
        return [_resource(row) for row in rows]

    def has_arn(self, arn: str) -> bool:
        with self._database.read() as connection:
            return _has_arn(connection, arn)

    def tags(self, arn: str) -> dict[str, str]:
        """Key → value, sorted by key."""
        with self._database.read() as connection:
            return dict(connection.execute("SELECT key, value FROM tag WHERE arn = ? ORDER BY key", (arn,)).fetchall())

    def add_tags(
        self, arn: str, tags: Mapping[str, str], check: Callable[[Mapping[str, str]], None] = lambda _: None
    ) -> dict[str, str]:
        """Add or replace tags.

        Args:
            arn: Whose; that it is there is looked at in the same transaction.
            tags: Key → value.
            check: Gets all tags as they would be; what it raises keeps them as they are.

        Returns:
            All tags, as ``tags``.

        Raises:
            MissingError: no resource has that ARN.
        """
        with self._database.write() as connection:
            _require_arn(connection, arn)
            _write_tags(connection, arn, tags)
            rows = connection.execute("SELECT key, value FROM tag WHERE arn = ? ORDER BY key", (arn,))
            result: dict[str, str] = dict(rows.fetchall())
            check(result)
        return result

    def delete_tags(self, arn: str, keys: list[str]) -> None:
        """Remove tags; keys that are not there are passed over.

        Raises:
            MissingError: no resource has that ARN.
        """
        with self._database.write() as connection:
            _require_arn(connection, arn)
            connection.executemany("DELETE FROM tag WHERE arn = ? AND key = ?", [(arn, key) for key in keys])

    async def wait_for_change(self, resource: Resource, timeout_seconds: float) -> None:
        """Return once the resource is another than this one, is gone, or the time is up."""
        waiting = self._changes.wait(resource.kind, resource.name)
        try:
            now = self.find(resource.kind, resource.name)
            if now is not None and now.version == resource.version:
                await asyncio.wait_for(waiting, timeout_seconds)
        except asyncio.TimeoutError:
            return
        finally:
            self._changes.forget(resource.kind, resource.name, waiting)

    def wake_all(self) -> None:
        """Let every ``wait_for_change`` return; may be called from any thread."""
        self._changes.announce_all()


class Changes:
    """Wakes coroutines when a resource has changed; ``announce`` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Kind, str], list[asyncio.Future[None]]] = {}

    def wait(self, kind: Kind, name: str) -> asyncio.Future[None]:
        """A future that is done after the next ``announce``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.setdefault((kind, name), []).append(future)
        return future

    def forget(self, kind: Kind, name: str, future: asyncio.Future[None]) -> None:
        with self._lock:
            futures = self._waiting.get((kind, name), [])
            if future in futures:
                futures.remove(future)
            if not futures:
                self._waiting.pop((kind, name), None)

    def announce(self, kind: Kind, name: str) -> None:
        """Wake everybody who waits for this resource."""
        with self._lock:
            futures = self._waiting.pop((kind, name), [])
        _wake(futures)

    def announce_all(self) -> None:
        """Wake everybody."""
        with self._lock:
            futures = [future for waiting in self._waiting.values() for future in waiting]
            self._waiting.clear()
        _wake(futures)


def _wake(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        future.get_loop().call_soon_threadsafe(_finish, future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _find(connection: sqlite3.Connection, kind: Kind, name: str) -> Resource | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM resource WHERE kind = ? AND name = ?",  # noqa: S608
        (kind.value, name),
    ).fetchone()
    return None if row is None else _resource(row)


def _has_arn(connection: sqlite3.Connection, arn: str) -> bool:
    return connection.execute("SELECT 1 FROM resource WHERE arn = ?", (arn,)).fetchone() is not None


def _require_arn(connection: sqlite3.Connection, arn: str) -> None:
    if not _has_arn(connection, arn):
        raise MissingError(arn)


def _row(resource: Resource) -> tuple[object, ...]:
    return (
        resource.kind.value,
        resource.name,
        resource.arn,
        resource.status,
        round(resource.created_at, 3),
        round(resource.modified_at, 3),
        msgspec.json.encode(resource.document),
        resource.version,
    )


def _resource(row: tuple[Any, ...]) -> Resource:
    kind, name, arn, status, created_at, modified_at, document, version = row
    return Resource(
        kind=Kind(kind),
        name=name,
        arn=arn,
        status=status,
        created_at=created_at,
        modified_at=modified_at,
        document=msgspec.json.decode(document),
        version=version,
    )


def _write_tags(connection: sqlite3.Connection, arn: str, tags: Mapping[str, str]) -> None:
    connection.executemany(
        "INSERT INTO tag (arn, key, value) VALUES (?, ?, ?)"
        " ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
        [(arn, key, value) for key, value in tags.items()],
    )

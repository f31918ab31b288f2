"""One SQLite file, opened by one platform process, written in short transactions.

WAL, so that a reader never waits for a writer; ``synchronous=FULL``, so that what an answer promised survives a loss of
power. The schema has a number (``PRAGMA user_version``); a newer file than ours is refused, never guessed at.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from seatrial.core.errors import ConfigError

_FIRST_SCHEMA = """
CREATE TABLE resource (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    arn TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    modified_at REAL NOT NULL,
    version INTEGER NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE UNIQUE INDEX resource_arn ON resource (arn);
CREATE INDEX resource_status ON resource (kind, status, created_at, name);
CREATE TABLE tag (
    arn TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (arn, key)
) WITHOUT ROWID;
"""
_INDEXES_OF_LISTS = """
CREATE INDEX resource_listed_by_name ON resource (kind, name, status, created_at, modified_at, arn);
CREATE INDEX resource_listed_by_status ON resource (kind, status, name, created_at, modified_at);
CREATE INDEX resource_listed_by_creation ON resource (kind, created_at, name, status, modified_at);
"""
"""Each has all that a list filters by, so that rows, with their documents, are read of one page only."""

_MIGRATIONS = (_FIRST_SCHEMA, _INDEXES_OF_LISTS)
"""What makes each schema of the one before it."""
SCHEMA_VERSION = len(_MIGRATIONS)

_IDLE_CONNECTIONS = 8
"""How many are kept open for the next user: each holds two descriptors and its own cache of pages."""


class Database:
    """Connections to one file; safe for use by many threads.

    A connection is lent for a moment, not kept by a thread: threads come and go with the jobs.

    Args:
        path: The file; made with its directory if need be.

    Raises:
        ConfigError: the file is no database, or was written by a newer Seatrial.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._max_idle = _IDLE_CONNECTIONS
        self._write_lock = threading.Lock()
        try:
            with self.write() as connection:
                self._migrate(connection)
        except sqlite3.DatabaseError as error:
            self.close()
            raise ConfigError(
                "store-unreadable",
                "the file that holds jobs and tags cannot be read",
                where=str(path),
                found=str(error),
                expected="a database that Seatrial wrote",
                fix="move the file away, or name another directory with --home",
            ) from error

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise ConfigError(
                "store-newer",
                "the file that holds jobs and tags was written by a newer Seatrial",
                where=str(self._path),
                found=f"schema {version}",
                expected=f"schema {SCHEMA_VERSION}",
                fix="upgrade seatrial, or name another directory with --home",
            )
        for migration in _MIGRATIONS[version:]:
            for statement in filter(str.strip, migration.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees the last committed state; fetch what you need before you give it back."""
        with self._pool_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._take_back(connection)

    def _take_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            if len(self._idle) < self._max_idle and not connection.in_transaction:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed at the end, rolled back by an exception."""
        with self._write_lock, self.read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Keep no connection open any more; one that is lent is closed when it comes back."""
        with self._pool_lock:
            idle, self._idle, self._max_idle = self._idle, [], 0
        for connection in idle:
            connection.close()

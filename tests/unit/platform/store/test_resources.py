"""The store of named resources: transactions, lists, tags, waiting, and what survives."""

import asyncio
import contextlib
import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.core.errors import ConfigError
from seatrial.platform.store.database import SCHEMA_VERSION, Database
from seatrial.platform.store.queries import Column, Comparison, Condition, Query, render_query
from seatrial.platform.store.resources import (
    AlreadyExistsError,
    Kind,
    MissingError,
    Resource,
    ResourceStore,
)

KIND = Kind.TRAINING_JOB


def job(name: str, *, status: str = "InProgress", created_at: float = 1.0) -> Resource:
    return Resource(
        kind=KIND,
        name=name,
        arn=f"arn:{name}",
        status=status,
        created_at=created_at,
        modified_at=created_at,
        document={"n": 0},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "state.db"


@pytest.fixture
def store(path: Path) -> ResourceStore:
    return ResourceStore(Database(path))


def test_insert_then_find_gives_the_same_also_after_reopening(store: ResourceStore, path: Path) -> None:
    store.insert(job("a"), {"team": "x"})

    for reader in (store, ResourceStore(Database(path))):
        assert reader.find(KIND, "a") == job("a")
        assert reader.tags("arn:a") == {"team": "x"}
        assert reader.has_arn("arn:a")
    assert store.find(KIND, "b") is None


def test_insert_twice_is_refused_and_keeps_the_first(store: ResourceStore) -> None:
    store.insert(job("a"), {"k": "1"})

    with pytest.raises(AlreadyExistsError) as caught:
        store.insert(job("a", status="Failed"), {"k": "2"})

    assert caught.value.existing.status == "InProgress"
    assert store.tags("arn:a") == {"k": "1"}


def test_insert_of_an_arn_that_another_name_has_is_refused(store: ResourceStore) -> None:
    store.insert(job("a"))

    with pytest.raises(AlreadyExistsError):
        store.insert(replace(job("A"), arn="arn:a"))


def test_update_from_many_threads_loses_none(store: ResourceStore) -> None:
    store.insert(job("a"))

    def add() -> None:
        for _ in range(20):
            store.update(KIND, "a", lambda old: replace(old, document={"n": old.document["n"] + 1}))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.find(KIND, "a")
    assert found is not None
    assert found.document == {"n": 80}
    assert found.version == 80


def test_update_that_raises_changes_nothing(store: ResourceStore) -> None:
    store.insert(job("a"))

    def fail(old: Resource) -> Resource:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update(KIND, "a", fail)
    store.update(KIND, "a", lambda old: replace(old, status="Stopped"))

    found = store.find(KIND, "a")
    assert found is not None
    assert (found.status, found.version) == ("Stopped", 1)


def test_update_and_delete_of_what_is_not_there_are_refused(store: ResourceStore) -> None:
    with pytest.raises(MissingError):
        store.update(KIND, "a", lambda old: old)
    with pytest.raises(MissingError):
        store.delete(KIND, "a")


def test_delete_takes_the_tags_along_and_frees_the_name(store: ResourceStore) -> None:
    store.insert(job("a"), {"k": "1"})
    store.delete(KIND, "a")
    store.insert(job("a"))

    assert store.tags("arn:a") == {}


def test_delete_that_the_check_refuses_keeps_all(store: ResourceStore) -> None:
    def refuse(old: Resource) -> None:
        raise PermissionError

    store.insert(job("a"), {"k": "1"})
    with pytest.raises(PermissionError):
        store.delete(KIND, "a", refuse)

    assert store.tags("arn:a") == {"k": "1"}


def test_all_with_status_gives_the_oldest_first(store: ResourceStore) -> None:
    store.insert(job("c", created_at=1.0))
    store.insert(job("a", created_at=2.0, status="Completed"))
    store.insert(job("B", created_at=3.0))

    assert [one.name for one in store.all_with_status(KIND, "InProgress", "Stopping")] == ["c", "B"]


def test_has_name_in_any_case(store: ResourceStore) -> None:
    store.insert(job("Trees"))

    assert store.has_name_in_any_case(KIND, "tREES")
    assert not store.has_name_in_any_case(KIND, "Tree_")
    assert not store.has_name_in_any_case(Kind.ROLE, "Trees")


def test_times_are_kept_as_answers_tell_them(store: ResourceStore) -> None:
    store.insert(job("a", created_at=1.23456789))
    changed = store.update(KIND, "a", lambda old: replace(old, modified_at=2.34567891))

    assert store.find(KIND, "a") == changed
    assert (changed.created_at, changed.modified_at) == (1.235, 2.346)


def test_page_reads_the_documents_of_its_rows_only(path: Path) -> None:
    """Every order and filter is answered by an index that has all it needs."""
    store, database = ResourceStore(Database(path)), Database(path)
    store.insert(job("a"))
    for column in (Column.NAME, Column.STATUS, Column.CREATED_AT):
        for condition in (
            Condition(Column.NAME, Comparison.CONTAINS, "a"),
            Condition(Column.STATUS, Comparison.EQUALS, "InProgress"),
            Condition(Column.CREATED_AT, Comparison.ABOVE, 0.0),
            Condition(Column.MODIFIED_AT, Comparison.BELOW, 9.0),
        ):
            query = Query(conditions=(condition,), order_by=column, limit=2, after=("", ""))
            text, values = render_query(KIND.value, query, "document")
            with database.read() as connection:
                plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
            assert "USING COVERING INDEX" in plan[1], plan
    database.close()


def test_database_of_the_first_schema_gets_the_indexes(path: Path) -> None:
    ResourceStore(Database(path)).insert(job("a"))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for name in ("name", "status", "creation"):
            connection.execute(f"DROP INDEX resource_listed_by_{name}")
        connection.execute("PRAGMA user_version = 1")

    assert ResourceStore(Database(path)).list_page(KIND, Query(limit=2)) == [job("a")]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'resource_listed_by%'")
        assert found.fetchone() == (3,)


def test_tags_that_the_check_refuses_stay_as_they_were(store: ResourceStore) -> None:
    store.insert(job("a"), {"k": "1"})

    def refuse(tags: object) -> None:
        raise OverflowError

    with pytest.raises(OverflowError):
        store.add_tags("arn:a", {"k": "2"}, refuse)
    assert store.tags("arn:a") == {"k": "1"}
    assert store.add_tags("arn:a", {"b": "2"}) == {"b": "2", "k": "1"}
    store.delete_tags("arn:a", ["b", "never was"])
    assert store.tags("arn:a") == {"k": "1"}


def test_wait_for_change_returns_with_the_change_from_another_thread(store: ResourceStore) -> None:
    store.insert(job("a"))
    seen = store.find(KIND, "a")
    assert seen is not None

    async def wait() -> None:
        waiting = asyncio.create_task(store.wait_for_change(seen, 30))
        await asyncio.sleep(0)
        await asyncio.to_thread(store.update, KIND, "a", lambda old: replace(old, status="Completed"))
        await waiting
        await store.wait_for_change(seen, 30)  # changed already: at once

    asyncio.run(asyncio.wait_for(wait(), 20))


def test_wait_for_change_ends_when_the_time_is_up(store: ResourceStore) -> None:
    store.insert(job("a"))
    seen = store.find(KIND, "a")
    assert seen is not None

    asyncio.run(store.wait_for_change(seen, 0.01))


def test_open_what_is_no_database_is_one_sentence(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no database, but long enough to be looked at as one " * 30)

    with pytest.raises(ConfigError) as caught:
        Database(path)
    assert caught.value.code == "store-unreadable"


def test_open_a_newer_schema_is_refused(path: Path) -> None:
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(ConfigError) as caught:
        Database(path)
    assert caught.value.code == "store-newer"


def test_tags_of_what_is_gone_are_refused_and_not_inherited(store: ResourceStore) -> None:
    """Issue 3: the ARN was looked up before the transaction; a delete in between left tags to the next one."""
    store.insert(job("a"), {"k": "1"})
    store.delete(KIND, "a")
    for change in (lambda: store.add_tags("arn:a", {"b": "2"}), lambda: store.delete_tags("arn:a", ["k"])):
        with pytest.raises(MissingError):
            change()
    store.insert(job("a"))

    assert store.tags("arn:a") == {}


def test_threads_that_have_ended_leave_no_connection(store: ResourceStore, path: Path) -> None:
    """Issue 3: every job's thread left two descriptors, so that a platform died after some five hundred jobs."""

    def open_files() -> int:
        return sum(
            os.path.realpath(f"/dev/fd/{number}").startswith(os.path.realpath(path))
            for number in os.listdir("/dev/fd")
            if number.isdigit()
        )

    def work(number: int) -> None:
        store.insert(job(f"job-{number}"))
        assert store.find(KIND, f"job-{number}") is not None

    for number in range(30):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        thread.join()

    assert open_files() <= 4


def test_many_readers_at_once_leave_few_connections_and_a_failed_one_none(path: Path) -> None:
    database = Database(path)
    with contextlib.ExitStack() as readers:
        connections = {id(readers.enter_context(database.read())) for _ in range(20)}
    with pytest.raises(sqlite3.OperationalError), database.write() as connection:
        connection.execute("no SQL")

    assert len(connections) == 20
    assert len(database._idle) <= 8
    with database.write() as connection:
        assert connection.in_transaction
        database.close()
    assert database._idle == []

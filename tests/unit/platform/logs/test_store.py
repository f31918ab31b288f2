from __future__ import annotations

import itertools
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.logs import pages
from seatrial.platform.logs.directories import ExistsError, MissingGroupError, MissingStreamError
from seatrial.platform.logs.store import BusyError, LogStore
from seatrial.platform.logs.tokens import TokenError

GROUP = "/aws/sagemaker/TrainingJobs"
HOSTILE = ["../../x", "..", ".", "/etc/passwd", "a\0b", "\n", "~", "%2F", ".deleted", "x" * 512, "ü" * 512, "/" * 512]


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path / "logs")


def put(store: LogStore, stream: str, *events: tuple[int, str], group: str = GROUP) -> None:
    with store.open_stream(group, stream) as writer:
        writer.write_events(events)


def read_all(store: LogStore, stream: str, **options: Any) -> list[str]:
    """Every message, page by page forwards."""
    messages: list[str] = []
    token = None
    while True:
        page = store.events(GROUP, stream, token=token, start_from_head=True, **options)
        messages += [line.message for line in page.events]
        if page.forward_token == token:
            return messages
        token = page.forward_token


def filter_all(store: LogStore, **options: Any) -> list[tuple[str, int, str]]:
    """Every event that a filter finds, page by page."""
    events: list[tuple[str, int, str]] = []
    token = None
    while True:
        page, token = store.filter(GROUP, token=token, **options)
        events += [(event.stream, event.line.timestamp_ms, event.line.message) for event in page.events]
        if token is None:
            return events


# --- writing ----------------------------------------------------------------------------------------------------------


def test_write_is_readable_at_once_and_after_a_restart(store: LogStore, tmp_path: Path) -> None:
    writer = store.open_stream(GROUP, "job/algo-1-1680535238")
    writer.write("first\t\x1b[1m")
    assert read_all(store, "job/algo-1-1680535238") == ["first\t\x1b[1m"]

    # No close: the process was killed.
    again = LogStore(tmp_path / "logs")
    with again.open_stream(GROUP, "job/algo-1-1680535238") as other:
        other.write("second")
    writer.close()

    assert read_all(again, "job/algo-1-1680535238") == ["first\t\x1b[1m", "second"]


def test_late_write_reaches_no_other_file(store: LogStore, tmp_path: Path) -> None:
    """Issue 3: a line that came after the stream was closed was written into whatever file had got its number."""
    writer = store.open_stream(GROUP, "late")
    writer.write("in time")
    writer.close()
    others = [(tmp_path / f"other-{number}").open("wb") for number in range(8)]
    writer.write("late")
    writer.write_events([(2_000_000_000_000, "late")])
    writer.close()
    for other in others:
        other.close()

    assert [path.name for path in tmp_path.glob("other-*") if path.stat().st_size] == []
    assert read_all(store, "late") == ["in time"]


def test_write_of_a_long_message_makes_several_events_of_one_time(store: LogStore) -> None:
    with store.open_stream(GROUP, "s") as writer:
        writer.write("x" * (256 * 1024 + 5))

    events = store.events(GROUP, "s").events
    assert [len(line.message) for line in events] == [256 * 1024, 5]
    assert events[0].timestamp_ms == events[1].timestamp_ms


def test_write_from_many_threads_and_writers_keeps_every_line_whole(store: LogStore) -> None:
    def write(number: int) -> None:
        with store.open_stream(GROUP, "s") as writer:
            for index in range(200):
                writer.write(f"{number} {index} " + "x" * index)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    messages = read_all(store, "s")
    for number in range(4):
        own = [message for message in messages if message.startswith(f"{number} ")]
        assert own == [f"{number} {index} " + "x" * index for index in range(200)]
    times = [line.timestamp_ms for line in store.events(GROUP, "s").events]
    assert times == sorted(times)


@pytest.mark.parametrize("name", HOSTILE)
def test_open_stream_with_a_hostile_name_stays_below_the_root(tmp_path: Path, name: str) -> None:
    store = LogStore(tmp_path / "a" / "logs")
    put(store, name, (1, "hello"), group=name)

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["logs"]
    assert [group.name for group in store.lists.describe_groups().groups] == [name]
    assert [stream.name for stream in store.lists.describe_streams(name, prefix=name[:300]).streams] == [name]
    assert [line.message for line in store.events(name, name).events] == ["hello"]


# --- one stream -------------------------------------------------------------------------------------------------------


def test_events_from_the_head_ends_with_the_same_token_and_goes_on_with_what_comes(store: LogStore) -> None:
    put(store, "s", *[(time, f"m{time}") for time in range(5)])

    first = store.events(GROUP, "s", limit=3, start_from_head=True)
    second = store.events(GROUP, "s", limit=3, token=first.forward_token)
    third = store.events(GROUP, "s", limit=3, token=second.forward_token)
    assert [[line.message for line in page.events] for page in (first, second, third)] == [
        ["m0", "m1", "m2"],
        ["m3", "m4"],
        [],
    ]
    assert third.forward_token == second.forward_token

    put(store, "s", (9, "late"))
    fourth = store.events(GROUP, "s", token=third.forward_token)
    assert [line.message for line in fourth.events] == ["late"]


def test_events_from_the_tail_gives_the_latest_in_order_and_goes_back(store: LogStore) -> None:
    put(store, "s", *[(time, f"m{time}") for time in range(5)])

    last = store.events(GROUP, "s", limit=2)
    before = store.events(GROUP, "s", limit=2, token=last.backward_token)
    first = store.events(GROUP, "s", limit=2, token=before.backward_token)
    none = store.events(GROUP, "s", limit=2, token=first.backward_token)
    assert [[line.message for line in page.events] for page in (last, before, first, none)] == [
        ["m3", "m4"],
        ["m1", "m2"],
        ["m0"],
        [],
    ]
    assert none.backward_token == first.backward_token
    assert store.events(GROUP, "s", token=last.forward_token).events == []
    assert [line.message for line in store.events(GROUP, "s", token=first.forward_token).events] == [
        "m1",
        "m2",
        "m3",
        "m4",
    ]


@pytest.mark.parametrize("from_head", [True, False])
def test_events_between_times_has_the_start_and_not_the_end(store: LogStore, from_head: bool) -> None:
    put(store, "s", *[(time, f"m{time}") for time in (1, 2, 2, 3, 4)])

    page = store.events(GROUP, "s", start_ms=2, end_ms=4, start_from_head=from_head)

    assert [line.message for line in page.events] == ["m2", "m2", "m3"]
    for token in (page.forward_token, page.backward_token):
        following = store.events(GROUP, "s", start_ms=2, end_ms=4, token=token)
        assert following.events == []
        assert token in (following.forward_token, following.backward_token)


def test_events_of_an_empty_stream_gives_tokens_that_find_the_first_event(store: LogStore) -> None:
    store.create_group(GROUP)
    store.create_stream(GROUP, "s")

    page = store.events(GROUP, "s")
    put(store, "s", (1, "m"))

    assert page.events == []
    assert [line.message for line in store.events(GROUP, "s", token=page.forward_token).events] == ["m"]


def test_events_page_holds_a_mebibyte(store: LogStore) -> None:
    put(store, "s", *[(time, str(time).ljust(1024 * 100 - 26, "x")) for time in range(25)])

    assert len(store.events(GROUP, "s").events) == 10
    assert len(read_all(store, "s")) == 25


def test_events_page_holds_one_event_that_is_larger_than_a_page(store: LogStore, monkeypatch: Any) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_BYTES", 100)
    put(store, "s", (1, "x" * 500), (2, "y" * 500))

    assert [message[0] for message in read_all(store, "s")] == ["x", "y"]


@pytest.mark.parametrize("token", ["", "f", "f/1/s", "x/" + "0" * 56 + "/s", "f/" + "٣" * 56 + "/s"])
def test_events_with_a_token_that_is_none_raises(store: LogStore, token: str) -> None:
    put(store, "s", (1, "m"))

    with pytest.raises(TokenError):
        store.events(GROUP, "s", token=token)


# --- many streams -----------------------------------------------------------------------------------------------------

STREAMS = st.dictionaries(
    st.sampled_from(["a/1", "a/2", "b/1", "b"]),
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["ERROR x", "fine"])), max_size=8).map(
        lambda events: sorted(events, key=lambda event: event[0])
    ),
    min_size=1,
)


@given(STREAMS, st.integers(0, 13), st.integers(0, 13), st.sampled_from(["", "ERROR"]), st.integers(1, 5))
def test_filter_page_by_page_is_the_sorted_whole(
    streams: dict[str, list[tuple[int, str]]], start_ms: int, end_ms: int, pattern: str, limit: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = LogStore(Path(directory))
        for name, events in streams.items():
            put(store, name, *events)

        found = filter_all(store, start_ms=start_ms, end_ms=end_ms, pattern=pattern, limit=limit, prefix="a")

    expected = [
        (name, time, message)
        for name, events in streams.items()
        for time, message in events
        if name.startswith("a") and start_ms <= time <= end_ms and pattern in message
    ]
    assert found == sorted(expected, key=lambda event: (event[1], event[0]))


def test_filter_when_events_of_the_same_millisecond_come_between_pages_misses_none(store: LogStore) -> None:
    put(store, "a", (5, "a1"))
    put(store, "b", (5, "b1"), (5, "b2"))
    page, token = store.filter(GROUP, limit=2)
    assert [event.line.message for event in page.events] == ["a1", "b1"]

    put(store, "a", (5, "a2"))
    page, token = store.filter(GROUP, limit=2, token=token)

    assert sorted(event.line.message for event in page.events) == ["a2", "b2"]
    assert token is None


def test_filter_that_finds_nothing_in_much_log_gives_an_empty_page_and_a_token(
    store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_SEARCHED_BYTES", 100)
    put(store, "s", *[(time, "x" * 20) for time in range(30)], (99, "needle"))

    page, token = store.filter(GROUP, pattern="needle")

    assert page.events == []
    assert token is not None
    assert filter_all(store, pattern="needle") == [("s", 99, "needle")]


def test_filter_events_have_ids_that_stay_and_differ(store: LogStore) -> None:
    put(store, "a", (1, "m"), (1, "m"))
    put(store, "b", (1, "m"))

    ids = [[event.event_id() for event in store.filter(GROUP)[0].events] for _ in range(2)]

    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3
    assert all(len(event_id) == 56 and event_id.isdecimal() for event_id in ids[0])


def test_filter_follows_a_stream_that_grows(store: LogStore) -> None:
    """As `aws logs tail --follow` polls: from the time of the newest event that it has seen."""
    seen: list[str] = []
    start_ms = 0
    for time in range(1, 6):
        put(store, "s", (time, f"m{time}"))
        page, _ = store.filter(GROUP, start_ms=start_ms)
        seen += [event.line.message for event in page.events if event.line.message not in seen]
        start_ms = page.events[-1].line.timestamp_ms

    assert seen == ["m1", "m2", "m3", "m4", "m5"]


def test_filter_by_names_takes_only_these_and_misses_none_silently(store: LogStore) -> None:
    put(store, "a", (2, "a"))
    put(store, "b", (1, "b"))
    put(store, "c", (0, "c"))

    assert filter_all(store, streams=["a", "b", "a"]) == [("b", 1, "b"), ("a", 2, "a")]
    with pytest.raises(MissingStreamError):
        store.filter(GROUP, streams=["a", "d"])


# --- lists ------------------------------------------------------------------------------------------------------------


def list_all(store: LogStore, **options: Any) -> list[str]:
    names: list[str] = []
    token = None
    while True:
        listed = store.lists.describe_streams(GROUP, token=token, **options)
        names += [stream.name for stream in listed.streams]
        token = listed.token
        if token is None:
            return names


def test_describe_streams_pages_by_name_and_by_time(store: LogStore) -> None:
    for index, name in enumerate(["b/1", "a/1", "c/1", "a/2"]):
        put(store, name, (index, "m"), (index + 10, "m"))
    store.create_stream(GROUP, "empty")

    for limit in (1, 2, 50):
        assert list_all(store, limit=limit) == ["a/1", "a/2", "b/1", "c/1", "empty"]
        assert list_all(store, limit=limit, prefix="a/") == ["a/1", "a/2"]
        assert list_all(store, limit=limit, is_descending=True)[0] == "empty"
        assert list_all(store, limit=limit, order_by_time=True) == ["empty", "b/1", "a/1", "c/1", "a/2"]
        assert list_all(store, limit=limit, order_by_time=True, is_descending=True)[:2] == ["a/2", "c/1"]
    stream = store.lists.describe_streams(GROUP, prefix="a/2").streams[0]
    assert (stream.first_ms, stream.last_ms) == (3, 13)
    assert store.lists.describe_streams(GROUP, prefix="empty").streams[0].last_ms is None


def test_describe_streams_tells_new_events_of_a_stream_it_knows(store: LogStore) -> None:
    put(store, "s", (1, "m"))
    store.lists.describe_streams(GROUP)
    put(store, "s", (2, "m"))

    assert store.lists.describe_streams(GROUP).streams[0].last_ms == 2


@pytest.mark.parametrize("segment_bytes", [1, 10**6])
def test_describe_streams_of_a_stream_that_was_quiet_for_long_tells_new_events(
    tmp_path: Path, segment_bytes: int
) -> None:
    store = LogStore(tmp_path, segment_bytes=segment_bytes)
    put(store, "s", (1, "m"))
    for last_ms in (1, 2, 2, 3):
        if last_ms > 1:
            put(store, "s", (last_ms, "m"))
        os.utime(tmp_path / "%2Faws%2Fsagemaker%2FTrainingJobs" / "s", (1_000_000, 1_000_000 + last_ms))
        for _ in range(2):
            assert store.lists.describe_streams(GROUP).streams[0].last_ms == last_ms


def test_log_store_after_a_kill_removes_what_was_being_deleted(tmp_path: Path) -> None:
    (tmp_path / ".deleted" / "x" / "s").mkdir(parents=True)

    assert LogStore(tmp_path).lists.describe_groups().groups == []
    assert list(tmp_path.iterdir()) == []


def test_stream_directory_without_its_card_is_found_and_made_whole(tmp_path: Path, store: LogStore) -> None:
    """A kill between the directory and its card."""
    directory = tmp_path / "logs" / "g" / "s"
    directory.mkdir(parents=True)

    assert [group.name for group in store.lists.describe_groups().groups] == ["g"]
    assert abs(store.lists.describe_streams("g").streams[0].created_ms - directory.stat().st_mtime * 1000) < 2
    put(store, "s", (1, "m"), group="g")
    assert (directory / "stream.json").exists()


def test_describe_groups_pages_and_filters(tmp_path: Path) -> None:
    times = itertools.count(1_000)
    store = LogStore(tmp_path, now_ms=lambda: next(times))
    for name in ("/aws/b", "/aws/a", "other"):
        store.create_group(name)
    put(store, "s", (1, "m"), group="/aws/a")

    first = store.lists.describe_groups(limit=2)
    second = store.lists.describe_groups(limit=2, token=first.token)
    assert [group.name for group in (*first.groups, *second.groups)] == ["/aws/a", "/aws/b", "other"]
    assert second.token is None
    assert first.groups[0].stored_bytes == 4
    assert first.groups[1].created_ms == 1_000
    assert [group.name for group in store.lists.describe_groups(contains="ws/b").groups] == ["/aws/b"]
    assert [group.name for group in store.lists.describe_groups(prefix="/aws").groups] == ["/aws/a", "/aws/b"]


def test_delete_removes_and_refuses_what_is_written_to(store: LogStore) -> None:
    writer = store.open_stream(GROUP, "s")
    put(store, "t", (1, "m"))
    with pytest.raises(BusyError):
        store.delete_stream(GROUP, "s")
    with pytest.raises(BusyError):
        store.delete_group(GROUP)
    writer.close()
    writer.close()

    store.delete_stream(GROUP, "s")
    assert list_all(store) == ["t"]
    store.delete_group(GROUP)
    assert store.lists.describe_groups().groups == []
    with pytest.raises(MissingGroupError):
        store.lists.describe_streams(GROUP)


def test_create_twice_and_missing_ones_raise(store: LogStore) -> None:
    with pytest.raises(MissingGroupError):
        store.create_stream(GROUP, "s")
    store.create_group(GROUP)
    with pytest.raises(ExistsError):
        store.create_group(GROUP)
    with pytest.raises(MissingStreamError):
        store.events(GROUP, "s")
    store.create_stream(GROUP, "s")
    with pytest.raises(ExistsError):
        store.create_stream(GROUP, "s")
    with pytest.raises(MissingStreamError):
        store.delete_stream(GROUP, "t")
    for token in ("", "f/1/s", "bm8", "e30"):
        with pytest.raises(TokenError):
            store.lists.describe_streams(GROUP, token=token)
        with pytest.raises(TokenError):
            store.filter(GROUP, token=token)

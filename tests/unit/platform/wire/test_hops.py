"""Headers that are sent on: nothing of one connection passes, nothing else is lost, nothing unclear is let through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.wire import hops
from seatrial.platform.wire.errors import ServiceError

ME = "seatrial-1"
NAMES = st.sampled_from([b"authorization", b"host", b"x-amz-date", b"x-amz-meta-k", b"accept", b"cookie", b"via"])
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).map(str.encode)


def test_request_headers_keep_what_a_signature_covers_and_drop_what_is_of_one_connection() -> None:
    headers = [
        (b"host", b"127.0.0.1:4577"),
        (b"authorization", b"AWS4-HMAC-SHA256 Credential=x"),
        (b"content-length", b"3"),
        (b"connection", b"keep-alive, X-Private"),
        (b"keep-alive", b"timeout=5"),
        (b"x-private", b"1"),
        (b"te", b"trailers"),
        (b"upgrade", b"websocket"),
        (b"proxy-authorization", b"Basic x"),
        (b"expect", b"100-continue"),
        (b"x-amz-meta-k", "é".encode()),
    ]

    assert hops.request_headers(headers, passed=ME) == [
        ("host", "127.0.0.1:4577"),
        ("authorization", "AWS4-HMAC-SHA256 Credential=x"),
        ("content-length", "3"),
        ("x-amz-meta-k", "é"),
        ("via", "1.1 seatrial-1"),
    ]


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8, unique_by=lambda pair: pair[0]))
def test_request_headers_without_a_connection_header_all_pass(headers: list[tuple[bytes, bytes]]) -> None:
    sent = hops.request_headers(headers, passed=ME)

    assert [(name.encode(), value.encode()) for name, value in sent[:-1]] == headers


def test_connection_header_cannot_take_host_or_length_away() -> None:
    headers = [(b"host", b"a"), (b"content-length", b"3"), (b"connection", b"host, content-length")]

    assert dict(hops.request_headers(headers, passed=ME)).keys() == {"host", "content-length", "via"}


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a"), (b"host", b"b")],
        [(b"content-length", b"3"), (b"content-length", b"30")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity")],
        [(b"x-amz-meta-k", b"\xff")],
    ],
)
def test_request_headers_that_two_servers_could_read_differently_are_refused(
    headers: list[tuple[bytes, bytes]],
) -> None:
    with pytest.raises(ServiceError, match="does not send this request on"):
        hops.request_headers(headers, passed=ME)


def test_chunked_request_has_no_length() -> None:
    headers = [(b"transfer-encoding", b"chunked"), (b"content-length", b"3")]

    assert hops.request_headers(headers, passed=ME) == [("via", "1.1 seatrial-1")]
    assert hops.has_body(headers)


@pytest.mark.parametrize(
    ("headers", "has_body"),
    [([], False), ([(b"content-length", b"0")], False), ([(b"content-length", b"1")], True)],
)
def test_body_is_told_by_its_length(headers: list[tuple[bytes, bytes]], has_body: bool) -> None:
    assert hops.has_body(headers) is has_body


def test_response_headers_lose_those_of_the_connection_and_the_length_of_chunks() -> None:
    headers = [
        (b"Content-Length", b"9"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"close"),
        (b"Date", b"now"),
        (b"ETag", b'"1"'),
        (b"Set-Cookie", b"a"),
        (b"Set-Cookie", b"b"),
    ]

    assert hops.response_headers(headers) == [(b"etag", b'"1"'), (b"set-cookie", b"a"), (b"set-cookie", b"b")]


@pytest.mark.parametrize("header", [(b"x y", b"1"), (b"", b"1"), (b"x", b"1\r\nset-cookie: a"), (b"x", b"\0")])
def test_response_header_that_is_none_is_told(header: tuple[bytes, bytes]) -> None:
    assert hops.response_headers([header]) is None


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=5))
def test_response_headers_of_any_bytes_never_break_a_line(headers: list[tuple[bytes, bytes]]) -> None:
    passed = hops.response_headers(headers)

    assert passed is None or not any(b"\n" in name + value or b"\r" in name + value for name, value in passed)


def test_request_that_has_passed_is_known_also_behind_others() -> None:
    headers = [(b"via", b"1.0 fred"), (b"via", b"1.1 other, 1.1 seatrial-1")]

    assert hops.has_passed(headers, ME)
    assert not hops.has_passed(headers, "seatrial-2")
    assert not hops.has_passed([], ME)

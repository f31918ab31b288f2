from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.runtime.serving.context import Context, Headers

RAW = [
    (b"x-amzn-sagemaker-custom-attributes", b"trace=1"),
    (b"x-amzn-sagemaker-target-model", b"a.tar.gz"),
    (b"x-amzn-sagemaker-target-variant", b"blue"),
    (b"x-amzn-sagemaker-inference-id", b"id-1"),
    (b"x-amzn-sagemaker-session-id", b"NEW_SESSION"),
    (b"X-Other", b"1"),
    (b"x-other", b"2"),
]


@pytest.fixture
def context() -> Context:
    return Context(RAW, {"model_dir": "/opt/ml/model"})


def test_context_names_the_headers_of_the_contract(context: Context) -> None:
    assert context.custom_attributes == "trace=1"
    assert context.target_model == "a.tar.gz"
    assert context.target_variant == "blue"
    assert context.inference_id == "id-1"
    assert context.is_new_session


def test_headers_are_found_without_regard_to_case_and_joined(context: Context) -> None:
    assert context.headers["X-OTHER"] == "1, 2"
    assert "x-Other" in context.headers
    assert context.headers.get("missing") is None


def test_context_answers_as_the_toolkits_model_servers_do(context: Context) -> None:
    assert context.system_properties.get("model_dir") == "/opt/ml/model"
    assert context.get_request_header(0, "X-Other") == "1, 2"
    assert context.get_request_id(0) == "id-1"
    assert context.request_processor[0].get_request_properties()["x-other"] == "1, 2"
    context.set_response_content_type(0, "text/plain")
    assert context.get_response_content_type(0) == "text/plain"
    context.set_response_header(0, "X-A", "1")
    context.set_response_header("X-B", "2")
    assert context.response_headers == {"content-type": "text/plain", "x-a": "1", "x-b": "2"}
    context.set_response_status(code=418, phrase="teapot")
    assert context.response_status == 418


def test_context_sets_sessions_and_custom_attributes_as_the_contract_spells_them(context: Context) -> None:
    context.set_custom_attributes("v=2")
    context.set_new_session("s-1", "2026-01-01T00:00:00Z")
    context.set_closed_session("s-0")
    assert context.response_headers == {
        "x-amzn-sagemaker-custom-attributes": "v=2",
        "x-amzn-sagemaker-new-session-id": "s-1; Expires=2026-01-01T00:00:00Z",
        "x-amzn-sagemaker-closed-session-id": "s-0",
    }


def test_set_new_session_takes_a_time_of_any_zone(context: Context) -> None:
    expires = datetime(2026, 1, 1, 0, 30, 7, 999, tzinfo=timezone(timedelta(hours=2)))

    context.set_new_session("s-1", expires)

    assert context.response_headers["x-amzn-sagemaker-new-session-id"] == "s-1; Expires=2025-12-31T22:30:07Z"


@pytest.mark.parametrize(
    "expires",
    [20, None, "20", "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z\n", "2026-02-30T00:00:00Z"],
)
def test_set_new_session_with_what_is_no_expiry_says_what_is_expected(context: Context, expires: Any) -> None:
    with pytest.raises(ValueError, match=r"the session's expiry is .*, expected .* 'YYYY-MM-DDTHH:MM:SSZ'"):
        context.set_new_session("s-1", expires)
    assert not context.response_headers


def test_set_new_session_with_a_time_without_zone_says_so(context: Context) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        context.set_new_session("s-1", datetime(2026, 1, 1))


@pytest.mark.parametrize("session_id", ["", "a b", "a;b", "é", "a\n", 7])
def test_session_id_that_cannot_be_told_from_its_expiry_is_refused(context: Context, session_id: Any) -> None:
    with pytest.raises(ValueError, match="session id"):
        context.set_closed_session(session_id)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X A", "1"), ("", "1"), ("X-A", "a\r\nSet-Cookie: b"), ("X-A", "é"), ("Content-Length", "3"), ("X\n", "1")],
)
def test_set_response_header_that_would_break_the_response_raises(context: Context, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"header"):
        context.set_response_header(name, value)


def test_response_headers_cannot_be_changed_past_the_check(context: Context) -> None:
    for headers in (context.response_headers, context.get_response_headers()):
        with pytest.raises(TypeError):
            headers["x-a"] = "a\r\nSet-Cookie: b"  # type: ignore[index]


def test_context_refuses_what_the_contract_does_not_allow(context: Context) -> None:
    with pytest.raises(ValueError, match="1024"):
        context.set_custom_attributes("x" * 1025)
    with pytest.raises(ValueError, match="256"):
        context.set_closed_session("x" * 257)
    with pytest.raises(ValueError, match="status"):
        context.set_response_status(99)


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8))))
def test_headers_of_any_bytes_are_read(raw: Any) -> None:
    headers = Headers(raw)
    assert all(name.decode("latin-1") in headers for name, _ in raw)

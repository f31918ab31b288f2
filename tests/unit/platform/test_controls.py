"""What the platform answers beside AWS's API."""

import json

import pytest

from seatrial.platform.controls import Controls
from seatrial.platform.wire.errors import validation_error
from seatrial.platform.wire.request import Headers, WireRequest


def ask(path: str, body: bytes = b"", method: str = "POST") -> tuple[int, dict[str, str], list[tuple[str, float]]]:
    asked: list[tuple[str, float]] = []

    def interrupt(name: str, after_seconds: float) -> None:
        if name == "unknown":
            raise validation_error("Requested resource not found.")
        asked.append((name, after_seconds))

    request = WireRequest(method=method, path=path, query="", headers=Headers(()), body=body)
    response = Controls(interrupt).answer(request)
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body), asked


@pytest.mark.parametrize(("body", "seconds"), [(b"", 0.0), (b"{}", 0.0), (b'{"AfterSeconds": 1.5}', 1.5)])
def test_job_is_interrupted(body: bytes, seconds: float) -> None:
    assert ask("/_seatrial/training-jobs/a%2Fb/interrupt", body) == (200, {}, [("a/b", seconds)])


@pytest.mark.parametrize("seconds", [b"-1", b"NaN", b"Infinity", b"true", b'"1"', b"null", b"[]", b"1e999"])
def test_time_that_is_none_is_refused(seconds: bytes) -> None:
    status, answer, asked = ask("/_seatrial/training-jobs/a/interrupt", b'{"AfterSeconds": %s}' % seconds)
    assert (status, answer["code"], asked) == (400, "ValidationException", [])


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert ask("/_seatrial/training-jobs/a/interrupt", body)[0] == 400


def test_refusal_is_told() -> None:
    status, answer, _ = ask("/_seatrial/training-jobs/unknown/interrupt")
    assert (status, answer["message"]) == (400, "Requested resource not found.")


@pytest.mark.parametrize(("method", "path"), [("GET", "training-jobs/a/interrupt"), ("POST", "x"), ("POST", "")])
def test_what_is_not_there_is_404(method: str, path: str) -> None:
    assert ask(f"/_seatrial/{path}", method=method)[0] == 404

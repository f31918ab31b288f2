"""A real ``serve`` process under bodies and headers of any kind: never a 5xx, never a traceback, never a hang.

``SEATRIAL_FUZZ_EXAMPLES`` sets the number of requests a test (20,000 for a long run).
"""

from __future__ import annotations

import http.client
import os
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.unit.runtime.serving.codecs.strategies import accepts, bodies, content_types

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

EXAMPLES = int(os.environ.get("SEATRIAL_FUZZ_EXAMPLES", "200"))
ANSWER_SECONDS = 20.0
"""The client waits no longer. A small body takes a millisecond; a busy machine may make it wait."""

AS_NUMPY = """
import numpy as np

def model_fn(model_dir): return None
def predict_fn(data, model): return np.arange(len(data))
"""

AS_DATAFRAME = """
import pandas

def model_fn(model_dir): return None
def predict_fn(data: pandas.DataFrame, model): return data.index.to_numpy()
"""


class KeptConnection:
    """One client; it connects again only after the server said that it closes."""

    def __init__(self, port: int) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        self.closed_by_server = 0

    def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        self._client.request("POST", "/invocations", body, headers)
        response = self._client.getresponse()
        answer = response.status, response.read()
        if response.will_close:
            self.closed_by_server += 1
            self._client.close()
        return answer

    def close(self) -> None:
        self._client.close()


def _header(value: str) -> str:
    """What a client can send: http.client refuses line ends and what is not Latin-1."""
    return value.encode("latin-1", "replace").decode("latin-1").translate(dict.fromkeys(map(ord, "\r\n"), " "))


@pytest.mark.parametrize("source", [AS_NUMPY, AS_DATAFRAME], ids=["numpy", "dataframe"])
def test_invocations_of_any_kind_get_an_answer_below_500(serve: Any, source: str) -> None:
    server = serve(source, MODEL_SERVER_WORKERS="1").wait_ready()
    connection = KeptConnection(server.port)

    @settings(
        max_examples=EXAMPLES,
        deadline=ANSWER_SECONDS * 1_000,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(body=bodies, content_type=content_types, accept=accepts)
    def check(body: bytes, content_type: str, accept: str | None) -> None:
        headers = {"Content-Type": _header(content_type)}
        if accept is not None:
            headers["Accept"] = _header(accept)
        status, answer = connection.post(body, headers)
        assert status in {200, 400, 406, 415}
        assert b"Traceback" not in answer
        if status != 200:
            assert answer.count(b"\n") <= 1

    try:
        check()
        assert connection.post(b"1,2\n", {"Content-Type": "text/csv", "Accept": "text/csv"}) == (200, b"0\n")
    finally:
        connection.close()
    assert "Traceback" not in server.log


REPETITIVE = [
    ("text/csv", b'"1",'),
    ("text/csv", b"1\n"),
    ("text/csv", b"\n"),
    ("text/csv", b"+1,"),
    ("text/csv", b'"'),
    ("application/json", b"["),
    ("application/json", b'{"a":'),
    ("application/json", b'"x",'),
    ("application/jsonlines", b"[1\n"),
    ("application/jsonlines", b'{"a":1}\n'),
    ("application/x-recordio-protobuf", b"\x0a\x23\xd7\xce\x00\x00\x00\x00"),
    ("application/x-npy", b"\x93NUMPY\x01\x00\xff\x0f"),
]
REPETITIVE_BODY_BYTES = 3_000_000


@pytest.mark.parametrize("source", [AS_NUMPY, AS_DATAFRAME], ids=["numpy", "dataframe"])
def test_invocations_of_large_repetitive_bodies_are_answered_in_time(serve: Any, source: str) -> None:
    """Reading takes linear time, and so does finding out what is wrong."""
    server = serve(source, MODEL_SERVER_WORKERS="1").wait_ready()
    connection = KeptConnection(server.port)
    try:
        for content_type, piece in REPETITIVE:
            body = piece * (REPETITIVE_BODY_BYTES // len(piece))
            assert connection.post(body, {"Content-Type": content_type})[0] in {200, 400}, piece
    finally:
        connection.close()
    assert "Traceback" not in server.log

"""What clients see on the wire."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

PLAIN = """
def model_fn(model_dir): return 10
def predict_fn(data, model): return data.sum(axis=1) * model
"""

TOOLKIT = """
# As users of AWS's inference toolkit write it.
import io
import json
import logging
import os

logger = logging.getLogger(__name__)
from helper import scale

def model_fn(model_dir):
    logger.info("loading from %s", model_dir)
    with open(os.path.join(model_dir, "weights.json")) as file:
        return json.load(file)

def input_fn(input_data, content_type):
    if content_type == "text/csv":
        return [[float(field) for field in line.split(",")] for line in io.StringIO(input_data)]
    if content_type == "application/json":
        return json.loads(input_data)
    raise ValueError("Unsupported content type: {}".format(content_type))

def predict_fn(input_data, model):
    return [sum(a * b for a, b in zip(row, model)) * scale for row in input_data]

def output_fn(prediction, accept):
    if accept == "application/json":
        return json.dumps({"predictions": prediction}), accept
    return ",".join(map(str, prediction)), "text/csv"
"""

HEADERS = """
def model_fn(model_dir): ...
def input_fn(body, content_type): return body
def predict_fn(data, model, context):
    context.set_custom_attributes(context.custom_attributes[::-1])
    context.set_response_header("X-Mine", context.get_request_header(0, "X-Amzn-SageMaker-Inference-Id"))
    return [context.target_model]
"""

REQUEST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"


def test_a_toolkit_handler_runs_unchanged(serve: Any) -> None:
    server = serve(inference=TOOLKIT)
    server.remove()
    (server.directory / "ml/model/weights.json").write_text("[1, 10]")
    (server.directory / "ml/model/code/helper.py").write_text("scale = 2\n")
    environment = {
        "SAGEMAKER_BASE_DIR": str(server.directory / "ml"),
        "SAGEMAKER_BIND_TO_PORT": str(server.port),
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": str(server.directory / "ml/model/code"),
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
        "SAGEMAKER_REGION": "us-east-1",
    }
    again = type(server)(server.directory, environment)
    try:
        again.wait_ready()
        assert json.loads(again.invoke(b"1,2\n3,4\n")[2]) == {"predictions": [42.0, 86.0]}
        status, headers, body = again.invoke(b"[[1, 2]]", Content_Type="application/json", Accept="text/csv")
        assert (status, headers["content-type"], body) == (200, "text/csv", b"42")
        assert again.invoke(b"x", Content_Type="image/png")[0] == 500
        assert "loading from" in again.log
    finally:
        again.remove()


def test_headers_of_the_contract_go_in_and_come_back(serve: Any) -> None:
    server = serve(HEADERS).wait_ready()
    status, headers, body = server.invoke(
        X_Amzn_SageMaker_Custom_Attributes="abc",
        X_Amzn_SageMaker_Inference_Id="id-1",
        X_Amzn_SageMaker_Target_Model="m.tar.gz",
    )
    assert (status, json.loads(body)) == (200, ["m.tar.gz"])
    assert headers["x-amzn-sagemaker-custom-attributes"] == "cba"
    assert headers["x-mine"] == "id-1"


@pytest.mark.parametrize(
    "work",
    ["time.sleep(2)", "end = time.monotonic() + 2\n    while time.monotonic() < end: pass"],
    ids=["waits", "burns"],
)
def test_ping_answers_at_once_while_hooks_are_busy_for_seconds(serve: Any, work: Any) -> None:
    """contract.md §2.2: a ping has two seconds."""
    source = f"import time\ndef model_fn(model_dir): ...\ndef predict_fn(data, model):\n    {work}\n    return data\n"
    server = serve(source, MODEL_SERVER_WORKERS="1").wait_ready()
    with ThreadPoolExecutor(4) as pool:
        replies = [pool.submit(server.invoke) for _ in range(2)]
        slowest = 0.0
        while not replies[0].done():
            started_at = time.monotonic()
            assert server.request("GET", "/ping")[0] == 200
            slowest = max(slowest, time.monotonic() - started_at)
        assert slowest < 1
        assert [reply.result(60)[0] for reply in replies] == [200, 200]


def test_a_connection_is_kept_and_used_again(serve: Any) -> None:
    server = serve(PLAIN).wait_ready()
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with_socket = None
    for path, method, body in [
        ("/ping", "GET", None),
        ("/invocations", "POST", b"1,2\n"),
        ("/nowhere", "GET", None),
    ] * 2:
        client.request(method, path, body, {"Content-Type": "text/csv"})
        client.getresponse().read()
        with_socket = with_socket or client.sock
        assert client.sock is with_socket
    client.close()


def test_a_chunked_body_is_taken(serve: Any) -> None:
    server = serve(PLAIN).wait_ready()
    chunks = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n1,\r\n2\r\n2\n\r\n0\r\n\r\n"
    answer = server.exchange(REQUEST + chunks)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"[30.0]")


def test_pipelined_requests_are_answered_in_order(serve: Any) -> None:
    server = serve(PLAIN).wait_ready()
    first = REQUEST + b"Content-Length: 4\r\n\r\n1,2\n"
    second = REQUEST + b"Content-Length: 4\r\nConnection: close\r\n\r\n3,4\n"
    answer = server.exchange(first * 3 + second)
    assert answer.count(b"HTTP/1.1 200") == 4
    assert [answer.find(b"[30.0]") < answer.find(b"[70.0]"), answer.count(b"[30.0]")] == [True, 3]


def test_expect_100_continue_is_answered_before_the_body_comes(serve: Any) -> None:
    server = serve(PLAIN).wait_ready()
    with server.connect() as sock:
        sock.sendall(REQUEST + b"Content-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        sock.sendall(b"1,2\n")
        assert b"[30.0]" in b"".join(iter(lambda: sock.recv(1000), b""))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_gets_a_413_that_the_client_can_read(serve: Any, chunked: Any) -> None:
    server = serve(PLAIN, SAGEMAKER_MAX_PAYLOAD_IN_MB="1").wait_ready()
    body = b"1," * 4_000_000

    def parts() -> Iterator[bytes]:
        yield from (body[start : start + 65536] for start in range(0, len(body), 65536))

    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    client.request(
        "POST",
        "/invocations",
        parts() if chunked else body,
        encode_chunked=chunked,
        headers=({"Transfer-Encoding": "chunked"} if chunked else {}),
    )
    response = client.getresponse()
    assert (response.status, response.getheader("connection")) == (413, "close")
    assert b"1 MiB" in response.read()
    client.close()
    assert server.invoke()[0] == 200


def test_a_large_body_under_the_limit_is_taken(serve: Any) -> None:
    source = "def model_fn(d): ...\ndef transform_fn(m, body, c, a): return str(len(body)), 'text/plain'\n"
    server = serve(source, MODEL_SERVER_WORKERS="1").wait_ready()
    status, _, body = server.invoke(b"x" * (26 * 1024 * 1024), Content_Type="application/octet-stream")
    assert (status, body) == (200, str(26 * 1024 * 1024).encode())


BAD = [
    b"",
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GARBAGE / HTTP/1.1\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%zz%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    b"POST /invocations HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /invocations HTTP/1.1\r\nContent-Length: 4\r\n\r\n1",
    b"POST /invocations HTTP/1.1\r\nContent-Type: \xff\xfe\r\nContent-Length: 1\r\n\r\n1",
    b"POST /invocations HTTP/1.1\r\nAccept: \xff;q=x,,;\r\nContent-Type: text/csv\r\nContent-Length: 1\r\n\r\n1",
    b"GET /ping HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
]


def talk(server: Any, raw: bytes) -> bytes:
    with server.connect() as sock:
        try:
            sock.sendall(raw)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))
        except (ConnectionResetError, BrokenPipeError):
            return b""


def test_bad_requests_never_give_a_5xx_nor_a_traceback(serve: Any) -> None:
    server = serve(PLAIN).wait_ready()
    for raw in BAD:
        answer = talk(server, raw)
        assert not answer.startswith(b"HTTP/1.1 5"), raw[:80]
        assert b"Traceback" not in answer
    assert "Traceback" not in server.log
    assert server.invoke()[0] == 200
    assert "replaced" not in server.log


def test_random_bytes_never_give_a_5xx_nor_a_traceback(serve: Any) -> None:
    server = serve(PLAIN).wait_ready()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=100))
    def check(content_type: Any, accept: Any, body: bytes) -> None:
        head = b"POST /invocations HTTP/1.1\r\nContent-Type: %s\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n"
        assert not talk(server, head % (content_type, accept, len(body)) + body).startswith(b"HTTP/1.1 5")

    check()
    assert "Traceback" not in server.log
    assert server.invoke()[0] == 200

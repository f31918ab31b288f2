"""The application with a fake server: ``Exchange`` plays uvicorn's part of ASGI."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from seatrial.core.errors import RequestError
from seatrial.runtime.serving.app import ServingApp
from seatrial.runtime.serving.handler import Handler
from seatrial.runtime.serving.hooks import read_hooks
from seatrial.runtime.serving.model_thread import ModelThread
from seatrial.runtime.serving.settings import Settings
from seatrial.runtime.serving.user_code import load_model_in_loop

Start = Callable[..., Any]


@dataclass
class Exchange:
    """One request and what was answered."""

    parts: list[bytes] = field(default_factory=lambda: [b""])
    disconnects: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_complete: bool = False
    received: int = 0

    async def receive(self) -> dict[str, Any]:
        if self.received == len(self.parts):
            if self.disconnects:
                return {"type": "http.disconnect"}
            await asyncio.Event().wait()
        self.received += 1
        more = self.received < len(self.parts) or self.disconnects
        return {"type": "http.request", "body": self.parts[self.received - 1], "more_body": more}

    async def send(self, message: Any) -> None:
        assert not self.is_complete
        if message["type"] == "http.response.start":
            assert not self.status
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            assert self.status
            self.body += message["body"]
            self.is_complete = not message.get("more_body", False)


class Client:
    """Sends requests to an application."""

    def __init__(self, app: ServingApp, names: dict[str, Any]) -> None:
        self.app = app
        self.names = names
        """The user's module."""

    async def ask(
        self, method: str, path: str, headers: Iterable[tuple[str, str]] = (), exchange: Exchange | None = None
    ) -> Exchange:
        exchange = exchange or Exchange()
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        scope = {"type": "http", "method": method, "path": path, "headers": raw}
        await asyncio.wait_for(self.app(scope, exchange.receive, exchange.send), 10)
        if exchange.status:
            assert exchange.is_complete
            assert exchange.headers["content-length"] == str(len(exchange.body))
        return exchange

    async def invoke(self, body: bytes | str = b"1,2\n", content_type: str = "text/csv", **headers: str) -> Exchange:
        body = body.encode() if isinstance(body, str) else body
        named = {"content-length": str(len(body)), "content-type": content_type}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", "/invocations", named.items(), Exchange([body]))


SYNC = """
import numpy
def model_fn(model_dir): return 10
def predict_fn(data, model): return data.sum(axis=1) * model
"""
TRANSFORM = """
def model_fn(model_dir): return "m"
def transform_fn(model, body, content_type, accept):
    return f"{model}|{type(body).__name__}|{content_type}|{accept}", "text/plain"
"""
ECHO_CONTEXT = """
def model_fn(model_dir, context):
    assert context.system_properties["model_dir"] == model_dir
    return ["inference_id", "target_model", "target_variant", "session_id"]
def input_fn(body, content_type, context): return body
def predict_fn(data, model, context):
    context.set_custom_attributes((context.custom_attributes or "") + "+seen")
    context.set_new_session("s-1", "2030-01-01T00:00:00Z")
    return [getattr(context, name) for name in model] + [context.headers["X-ANY"]]
def output_fn(prediction, accept, context):
    context.set_response_status(201)
    return prediction
"""


def made_async(source: str) -> str:
    return source.replace("def ", "async def ")


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Makes a client of an application with the hooks in a source text."""
    model_threads: list[tuple[ModelThread, threading.Thread]] = []

    async def start(source: str, *, runs_model: bool = True, **settings: Any) -> Client:
        module = ModuleType("inference")
        exec(source, module.__dict__)  # noqa: S102
        configured = Settings(**settings)
        loaded = await load_model_in_loop(read_hooks(module, Path("inference.py")), configured)
        model_thread = ModelThread(asyncio.get_running_loop(), configured.timeout_seconds)
        thread = threading.Thread(target=model_thread.run, daemon=True)
        if runs_model:
            thread.start()
            model_threads.append((model_thread, thread))
        app = ServingApp(Handler(loaded, configured), loaded.execution_parameters, configured, model_thread)
        return Client(app, module.__dict__)

    yield start
    for model_thread, thread in model_threads:
        model_thread.stop()
        await asyncio.to_thread(thread.join, 10)


@pytest.fixture(params=["sync", "async", "mixed"])
def kind(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Turns synchronous hooks into those of each kind."""
    only_predict = lambda source: source.replace("def predict_fn", "async def predict_fn")  # noqa: E731
    return {"sync": str, "async": made_async, "mixed": only_predict}[request.param]


async def test_invocations_with_model_fn_and_predict_fn_alone_decodes_predicts_and_encodes(
    start: Any, kind: Any
) -> None:
    client = await start(kind(SYNC))
    reply = await client.invoke("1,2\n3,4\n")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert json.loads(reply.body) == [30, 70]


async def test_invocations_negotiates_the_answer(start: Any, kind: Any) -> None:
    client = await start(kind(SYNC))
    reply = await client.invoke("1,2\n", accept="text/csv")
    assert reply.headers["content-type"].startswith("text/csv")
    assert float(reply.body) == 30


@pytest.mark.parametrize("accept", ["", "*/*"])
async def test_invocations_without_wish_gets_the_default_accept(start: Any, accept: Any) -> None:
    client = await start(SYNC, default_accept="text/csv")
    reply = await client.invoke("1,2\n", accept=accept)
    assert reply.headers["content-type"].startswith("text/csv")


async def test_invocations_takes_the_headers_of_async_and_streaming_clients(start: Any) -> None:
    client = await start(SYNC)
    headers = [("X-Amzn-SageMaker-Content-Type", "text/csv"), ("X-Amzn-SageMaker-Accept", "text/csv")]
    reply = await client.ask("POST", "/invocations", headers, Exchange([b"1,2\n"]))
    assert float(reply.body) == 30


async def test_invocations_with_a_dataframe_annotation_hands_over_a_dataframe(start: Any, kind: Any) -> None:
    source = (
        "import pandas as pd\ndef model_fn(d): ...\ndef predict_fn(data: pd.DataFrame, m): return [type(data).__name__]"
    )
    reply = await (await start(kind(source))).invoke("1,2\n")
    assert json.loads(reply.body) == ["DataFrame"]


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/csv", "m|str|text/csv|application/json"),
        ("text/csv; charset=utf-8", "m|str|text/csv; charset=utf-8|application/json"),
        ("application/json", "m|str|application/json|application/json"),
        ("application/x-image", "m|bytes|application/x-image|application/json"),
        ("", "m|bytes||application/json"),
    ],
)
@pytest.mark.parametrize("make", [str, made_async], ids=["sync", "async"])
async def test_transform_fn_gets_text_and_bytes_as_from_the_toolkit(
    start: Any, make: Any, content_type: Any, expected: Any
) -> None:
    reply = await (await start(make(TRANSFORM))).invoke("x", content_type)
    assert (reply.body.decode(), reply.headers["content-type"]) == (expected, "text/plain")


@pytest.mark.parametrize(
    ("result", "body", "content_type"),
    [
        ("b'raw'", b"raw", "application/json"),
        ("bytearray(b'raw')", b"raw", "application/json"),
        ("'text'", b"text", "application/json"),
        ("('é', 'text/plain')", "é".encode(), "text/plain"),
        ("('text', None)", b"text", "application/json"),
        ("[1, 2]", b"[1,2]", "application/json"),
    ],
)
async def test_output_fn_may_return_bytes_text_object_or_pair(
    start: Any, kind: Any, result: Any, body: bytes, content_type: Any
) -> None:
    source = f"{SYNC}def output_fn(prediction, accept): return {result}\n"
    reply = await (await start(kind(source))).invoke()
    assert reply.body.replace(b" ", b"") == body
    assert reply.headers["content-type"] == content_type


async def test_context_carries_request_headers_in_and_response_headers_out(start: Any, kind: Any) -> None:
    client = await start(kind(ECHO_CONTEXT))
    reply = await client.invoke(
        x_amzn_sagemaker_custom_attributes="a=1",
        x_amzn_sagemaker_inference_id="id-7",
        x_amzn_sagemaker_target_model="m.tar.gz",
        x_amzn_sagemaker_target_variant="blue",
        x_amzn_sagemaker_session_id="NEW_SESSION",
        x_any="thing",
    )
    assert reply.status == 201
    assert json.loads(reply.body) == ["id-7", "m.tar.gz", "blue", "NEW_SESSION", "thing"]
    assert reply.headers["x-amzn-sagemaker-custom-attributes"] == "a=1+seen"
    assert reply.headers["x-amzn-sagemaker-new-session-id"] == "s-1; Expires=2030-01-01T00:00:00Z"


async def test_custom_attributes_do_not_come_back_by_themselves(start: Any) -> None:
    """contract.md §2.3: echoed only if the model sets the header."""
    reply = await (await start(SYNC)).invoke(x_amzn_sagemaker_custom_attributes="a=1")
    assert "x-amzn-sagemaker-custom-attributes" not in reply.headers


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status"),
    [
        ("1,x\n", "text/csv", "", 400),
        ("", "text/csv", "", 400),
        ("1,2\n3\n", "text/csv", "", 400),
        ("1,2\n", "application/weird", "", 415),
        ("1,2\n", "", "", 415),
        ("1,2\n", "text/csv", "image/png", 406),
        ("{", "application/json", "", 400),
    ],
)
async def test_bad_requests_get_a_4xx_with_one_sentence(  # noqa: PLR0917
    start: Any, kind: Any, body: bytes, content_type: Any, accept: Any, status: int
) -> None:
    reply = await (await start(kind(SYNC))).invoke(body, content_type, accept=accept)
    assert reply.status == status
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert len(reply.body.splitlines()) == 1
    assert b"Traceback" not in reply.body


async def test_hooks_get_a_400_for_text_that_is_not_utf_8(start: Any) -> None:
    reply = await (await start(TRANSFORM)).invoke(b"\xff\xfe", "text/csv")
    assert reply.status == 400
    assert b"UTF-8" in reply.body


RAISING = "class E(Exception):\n    {attributes}\n" + SYNC.replace("return data.sum(axis=1) * model", "raise E('why')")


@pytest.mark.parametrize(
    ("attributes", "status", "sentence"),
    [
        ("status_code = 422", 422, b"why"),
        ("status_code = 429; message = 'slow down'", 429, b"slow down"),
        ("status_code = 503; detail = 'later'", 503, b"later"),
        ("status_code = 499", 400, b"why"),  # no registered status
        ("error_code = 507", 507, b"why"),
        ("status_code = 200", 500, b"E"),
        ("status_code = '404'", 500, b"E"),
        ("pass", 500, b"E"),
    ],
)
async def test_an_exceptions_http_status_is_the_replys(
    start: Any, kind: Any, attributes: Any, status: int, sentence: Any
) -> None:
    reply = await (await start(kind(RAISING.format(attributes=attributes)))).invoke()
    assert reply.status == status
    assert sentence in reply.body


@pytest.mark.parametrize("exception", ["ValueError('secret')", "SystemExit(3)", "StopIteration()", "MemoryError()"])
async def test_a_failing_hook_logs_the_traceback_with_the_inference_id_and_tells_the_client_the_type(
    start: Any, kind: Any, exception: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = SYNC.replace("return data.sum(axis=1) * model", f"raise {exception}")
    client = await start(kind(source))
    with caplog.at_level(logging.ERROR):
        reply = await client.invoke(x_amzn_sagemaker_inference_id="id-9")
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body
    (record,) = caplog.records
    assert "id-9" in record.getMessage()
    assert record.exc_info
    assert (await client.invoke()).status == 500  # still there


async def test_a_request_error_of_a_hook_is_the_clients_fault(start: Any, kind: Any) -> None:
    source = f"from {RequestError.__module__} import RequestError\n" + SYNC.replace(
        "return data.sum(axis=1) * model", "raise RequestError('too-short', 'two columns are too few', fix='send four')"
    )
    reply = await (await start(kind(source))).invoke()
    assert (reply.status, reply.body) == (400, b"two columns are too few; send four\n")


async def test_a_content_type_that_would_break_the_response_is_a_500(start: Start) -> None:
    source = f"{SYNC}def output_fn(prediction, accept): return 'x', 'text/plain\\r\\nEvil: 1'\n"
    reply = await (await start(source)).invoke()
    assert reply.status == 500
    assert "Evil" not in reply.headers["content-type"]


async def test_a_header_that_cannot_be_sent_is_a_500(start: Any) -> None:
    source = ECHO_CONTEXT.replace('"+seen"', '"\\r\\nEvil: 1"')
    reply = await (await start(source)).invoke(x_any="1")
    assert reply.status == 500
    assert "evil" not in reply.headers


async def test_ping_answers_while_a_hook_keeps_the_model_busy(start: Any) -> None:
    source = """
import threading
entered, may_go = threading.Event(), threading.Event()
def model_fn(model_dir): ...
def predict_fn(data, model):
    entered.set()
    assert may_go.wait(10)
    return data
def execution_parameters(): return {"MaxConcurrentTransforms": 3}
def input_fn(body, content_type): return [1]
"""
    client = await start(source)
    invocation = asyncio.ensure_future(client.invoke())
    await asyncio.to_thread(client.names["entered"].wait, 10)
    assert (await client.ask("GET", "/ping")).status == 200
    assert (await client.ask("HEAD", "/ping")).status == 200
    assert not invocation.done()
    client.names["may_go"].set()
    assert (await invocation).status == 200


async def test_ping_is_empty(start: Any) -> None:
    reply = await (await start(SYNC)).ask("GET", "/ping")
    assert (reply.status, reply.body) == (200, b"")


async def test_execution_parameters_come_from_settings_or_from_the_hook(start: Any, kind: Any) -> None:
    reply = await (await start(SYNC)).ask("GET", "/execution-parameters")
    assert json.loads(reply.body)["MaxPayloadInMB"] == 6
    source = SYNC + "def execution_parameters(): return {'MaxConcurrentTransforms': 3, 'BatchStrategy': 'SingleRecord'}"
    reply = await (await start(kind(source))).ask("GET", "/execution-parameters")
    assert json.loads(reply.body) == {
        "MaxConcurrentTransforms": 3,
        "BatchStrategy": "SINGLE_RECORD",
        "MaxPayloadInMB": 6,
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/ping/", 404, None),
        ("POST", "/models", 404, None),
        ("POST", "/ping", 405, "GET, HEAD"),
        ("DELETE", "/execution-parameters", 405, "GET, HEAD"),
        ("GET", "/invocations", 405, "POST"),
        ("PUT", "/invocations", 405, "POST"),
    ],
)
async def test_other_paths_and_methods_get_404_and_405(
    start: Any, method: str, path: str, status: int, allow: Any
) -> None:
    reply = await (await start(SYNC)).ask(method, path)
    assert (reply.status, reply.headers.get("allow")) == (status, allow)


async def test_a_body_in_parts_is_put_together(start: Any, kind: Any) -> None:
    client = await start(kind(SYNC))
    exchange = Exchange([b"1,", b"2\n", b"", b"3,4\n"])
    await client.ask("POST", "/invocations", [("content-type", "text/csv")], exchange)
    assert json.loads(exchange.body) == [30, 70]


async def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(start: Any) -> None:
    client = await start(TRANSFORM, max_body_bytes=1000)
    assert (await client.invoke(b"x" * 1000)).status == 200
    assert (await client.invoke(b"x" * 1001)).status == 413


async def test_an_announced_body_over_the_limit_is_answered_before_it_is_read_on(start: Any) -> None:
    client = await start(SYNC, max_body_bytes=10)
    exchange = Exchange([b"x" * 8] * 4)
    await client.ask("POST", "/invocations", [("content-length", "32")], exchange)
    assert (exchange.status, exchange.headers["connection"]) == (413, "close")
    assert exchange.received == 4  # thrown away, so that the client gets to read the answer


async def test_an_announced_body_over_the_limit_with_expect_is_never_asked_for(start: Any) -> None:
    client = await start(SYNC, max_body_bytes=10)
    exchange = Exchange([b"x" * 32])
    headers = [("content-length", "32"), ("expect", "100-continue")]
    await client.ask("POST", "/invocations", headers, exchange)
    assert (exchange.status, exchange.headers["connection"], exchange.received) == (413, "close", 0)


async def test_a_chunked_body_is_counted_while_it_is_read(start: Any) -> None:
    client = await start(SYNC, max_body_bytes=20)
    exchange = Exchange([b"x" * 8] * 10)
    await client.ask("POST", "/invocations", [("transfer-encoding", "chunked")], exchange)
    assert exchange.status == 413


async def test_a_client_that_goes_away_while_sending_gets_nothing_and_breaks_nothing(start: Any) -> None:
    client = await start(SYNC)
    for parts in ([], [b"1,"]):
        exchange = Exchange(list(parts), disconnects=True)
        await client.ask("POST", "/invocations", [], exchange)
        assert exchange.status == 0
    assert (await client.invoke()).status == 200


async def test_a_full_queue_answers_503_with_retry_after(start: Any) -> None:
    client = await start(SYNC, runs_model=False, max_queued_requests=2)
    waiting = [asyncio.ensure_future(client.invoke()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reply = await client.invoke()
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert (await client.ask("GET", "/ping")).status == 200
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_synchronous_hook_past_the_timeout_is_given_up_and_the_worker_is_of_no_more_use(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import threading\nentered, go = threading.Event(), threading.Event()\n" + SYNC.replace(
        "return data.sum(axis=1) * model", "entered.set(); go.wait(60); return data"
    )
    client = await start(source, timeout_seconds=100)
    running = asyncio.ensure_future(client.invoke())
    waiting = asyncio.ensure_future(client.invoke())
    assert await asyncio.to_thread(client.names["entered"].wait, 60)
    assert not client.app.check_deadlines()
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 101)
    monkeypatch.setattr("seatrial.runtime.serving.app.time", later)
    assert client.app.check_deadlines()
    first, second = await running, await waiting
    assert first.status == 500
    assert b"100 s" in first.body
    assert second.status == 503
    assert (await client.ask("GET", "/ping")).status == 503
    assert (await client.invoke()).status == 503
    client.names["go"].set()


async def test_an_async_hook_past_the_timeout_is_cancelled_and_the_worker_goes_on(start: Any) -> None:
    source = "import asyncio\n" + SYNC.replace(
        "def predict_fn(data, model): return data.sum(axis=1) * model",
        "async def predict_fn(data, model):\n    if data[0, 0]: await asyncio.Event().wait()\n    return data",
    )
    client = await start(source, timeout_seconds=0.05)
    stuck = asyncio.ensure_future(client.invoke("1,2\n"))
    while not stuck.done():
        assert not client.app.check_deadlines()
        await asyncio.sleep(0)
    assert (stuck.result().status, b"0.05 s" in stuck.result().body) == (500, True)
    assert (await client.ask("GET", "/ping")).status == 200
    assert (await client.invoke("0,2\n")).status == 200

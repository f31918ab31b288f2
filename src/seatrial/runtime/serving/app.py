"""The ASGI application of one worker: three routes, no framework.

    GET  /ping                   200, empty, while the model can be asked
    POST /invocations            the user's hooks, or one sentence with 4xx or 5xx
    GET  /execution-parameters   what batch transform should send

The application exists only in a worker whose model is loaded; until the first such worker listens, connections are
refused. ``/ping`` never waits for the model.
"""

from __future__ import annotations

import asyncio
import time

from seatrial.contract.serving import EXECUTION_PARAMETERS_PATH, INVOCATIONS_PATH, PING_PATH, Header
from seatrial.core.errors import RequestError
from seatrial.runtime.http.asgi import Receive, Scope, Send
from seatrial.runtime.serving.handler import Handler, Invocation
from seatrial.runtime.serving.model_thread import ModelThread
from seatrial.runtime.serving.replies import HookTimeoutError, Reply, reply_to_exception, sentence_reply
from seatrial.runtime.serving.settings import Settings
from seatrial.runtime.serving.uploads import ClientGoneError, linger, read_body, refuse_too_large

_EMPTY = Reply(200, b"", b"text/plain")
_CONTENT_TYPE, _ACCEPT = Header.CONTENT_TYPE.encode(), Header.ACCEPT.encode()
_ASYNC_CONTENT_TYPE, _STREAMING_ACCEPT = Header.ASYNC_CONTENT_TYPE.encode(), Header.STREAMING_ACCEPT.encode()


class ServingApp:
    """Answers requests with a loaded model.

    Args:
        handler: The model and its stages.
        execution_parameters: Body of the answer to ``GET /execution-parameters``.
        settings: Limits.
        model_thread: Runs the synchronous hooks.
    """

    def __init__(
        self, handler: Handler, execution_parameters: bytes, settings: Settings, model_thread: ModelThread
    ) -> None:
        self._handler = handler
        self._model_thread = model_thread
        self._timeout_seconds = settings.timeout_seconds
        self._max_body_bytes = settings.max_body_bytes
        self._max_queued = settings.max_queued_requests
        self._in_flight = 0
        self._async_started_at: dict[asyncio.Task[Reply], float] = {}
        self._execution_parameters = Reply(200, execution_parameters, b"application/json")
        self.is_hung = False
        """A synchronous hook went past the time-out: nothing more can be predicted here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != INVOCATIONS_PATH or scope["method"] != "POST":
            await _send(send, self._other(scope["path"], scope["method"]))
            return
        headers = dict(scope["headers"])
        limit = self._max_body_bytes
        if limit is not None and int(headers.get(b"content-length", b"0")) > limit:
            await refuse_too_large(headers, limit, receive, send)
            return
        message = await receive()
        try:
            body = message["body"] if not message.get("more_body") else await read_body(message, receive, limit)
        except KeyError:  # http.disconnect has no body
            return
        except ClientGoneError:
            return
        except RequestError as error:
            await linger(reply_to_exception(error, scope["headers"]), receive, send)
            return
        reply = await self._invoke(headers, body, scope["headers"])
        await send({"type": "http.response.start", "status": reply.status, "headers": _response_headers(reply)})
        await send({"type": "http.response.body", "body": reply.body})

    async def _invoke(self, headers: dict[bytes, bytes], body: bytes, raw_headers: list[tuple[bytes, bytes]]) -> Reply:
        if self.is_hung or self._in_flight >= self._max_queued:
            return reply_to_exception(self._busy(), raw_headers)
        content_type = headers.get(_CONTENT_TYPE) or headers.get(_ASYNC_CONTENT_TYPE)
        accept = headers.get(_ACCEPT) or headers.get(_STREAMING_ACCEPT)
        invocation = Invocation(
            body,
            content_type.decode("latin-1") if content_type else "",
            accept.decode("latin-1") if accept else None,
            raw_headers,
        )
        self._in_flight += 1
        try:
            if self._handler.is_async:
                return await self._invoke_async(invocation)
            return await self._model_thread.submit(self._invoke_safely, invocation)  # type: ignore[no-any-return]
        except Exception as error:
            return reply_to_exception(error, raw_headers)
        finally:
            self._in_flight -= 1

    def _invoke_safely(self, invocation: Invocation) -> Reply:
        """In the model thread: exceptions become replies, and tracebacks log lines, there and not in the loop."""
        try:
            return self._handler.invoke(invocation)
        except BaseException as error:
            return reply_to_exception(error, invocation.raw_headers)

    async def _invoke_async(self, invocation: Invocation) -> Reply:
        task = asyncio.ensure_future(self._run_async(invocation))
        self._async_started_at[task] = time.monotonic()
        try:
            return await task
        except asyncio.CancelledError:
            if not task.cancelled():
                task.cancel()
                raise
            raise HookTimeoutError(self._timeout_seconds) from None
        finally:
            del self._async_started_at[task]

    async def _run_async(self, invocation: Invocation) -> Reply:
        try:
            return await self._handler.invoke_async(invocation, self._model_thread.submit)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # SystemExit too: it would end the event loop
            return reply_to_exception(error, invocation.raw_headers)

    def check_deadlines(self) -> bool:
        """Give up what is past the time-out; true when a synchronous hook hangs, so that this worker is of no use."""
        now = time.monotonic()
        for task, started_at in list(self._async_started_at.items()):
            if now - started_at > self._timeout_seconds:
                task.cancel()
        if not self.is_hung and self._model_thread.overdue(now) is not None:
            self.is_hung = True
            self._model_thread.abandon(self._abandoned)
        return self.is_hung

    def _abandoned(self, was_running: bool) -> Exception:
        return HookTimeoutError(self._timeout_seconds) if was_running else self._busy()

    def _busy(self) -> RequestError:
        if self.is_hung:
            return RequestError("server-busy", "this worker is being replaced", fix="try again")
        return RequestError(
            "server-busy", f"{self._max_queued} requests already wait for the model", fix="try again later"
        )

    def _other(self, path: str, method: str) -> Reply:
        """Everything that is no prediction."""
        if path in (PING_PATH, EXECUTION_PARAMETERS_PATH):
            if method not in ("GET", "HEAD"):
                return sentence_reply(405, f"{path} takes GET, not {method}", (b"allow", b"GET, HEAD"))
            if path == EXECUTION_PARAMETERS_PATH:
                return self._execution_parameters
            return _EMPTY if not self.is_hung else reply_to_exception(self._busy(), ())
        if path == INVOCATIONS_PATH:
            return sentence_reply(405, f"{path} takes POST, not {method}", (b"allow", b"POST"))
        routes = f"{PING_PATH}, {INVOCATIONS_PATH} or {EXECUTION_PARAMETERS_PATH}"
        return sentence_reply(404, f"there is nothing at this path; ask for {routes}")


def _response_headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body)), *reply.headers]


async def _send(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": _response_headers(reply)})
    await send({"type": "http.response.body", "body": reply.body})

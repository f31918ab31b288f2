"""From request body to reply: ``transform_fn``, or decode, predict, encode with the user's hooks or the codecs.

The stages are put together once, when the model is loaded; a request only runs them. Hooks that are all synchronous
make one function, which the model thread runs as a whole. As soon as one is async, a coroutine in the event loop
drives the stages and sends the synchronous ones to the model thread one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from seatrial.contract.serving import Header
from seatrial.core.errors import RequestError
from seatrial.runtime.serving.codecs import DataForm, decode, encode
from seatrial.runtime.serving.context import Context, checked_header_value
from seatrial.runtime.serving.hooks import Hook
from seatrial.runtime.serving.replies import Reply
from seatrial.runtime.serving.settings import Settings
from seatrial.runtime.serving.user_code import LoadedModel, system_properties

RawHeaders = list[tuple[bytes, bytes]]
RunSync = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments in the model thread."""

_TEXT_TYPES = frozenset({"text/csv", "application/json"})
"""AWS's toolkit hands these to hooks as text."""


class Invocation:
    """One request on its way through the hooks."""

    __slots__ = ("accept", "body", "content_type", "context", "raw_headers")

    def __init__(self, body: bytes, content_type: str, accept: str | None, raw_headers: RawHeaders) -> None:
        self.body = body
        self.content_type = content_type
        self.accept = accept
        self.raw_headers = raw_headers
        self.context: Context | None = None


Stage = Callable[[Invocation, Any], Any]
"""Takes the request and what the stage before returned."""


class Handler:
    """The loaded model with its stages."""

    def __init__(self, loaded: LoadedModel, settings: Settings) -> None:
        hooks = loaded.hooks
        self.is_async = any(hook.is_async for hook in hooks.serving)
        self._needs_context = any(hook.takes_context for hook in hooks.serving)
        self._properties: Mapping[str, object] = system_properties(settings)
        stages = _Stages(loaded, settings.default_accept)
        # (stage, is_async), in order.
        self._stages: tuple[tuple[Stage, bool], ...]
        if hooks.transform_fn is not None:
            self._stages = (stages.transform(hooks.transform_fn),)
        else:
            self._stages = (stages.input(), stages.predict(), stages.output())
        self._functions = tuple(stage for stage, _ in self._stages)

    def invoke(self, invocation: Invocation) -> Reply:
        """Run all stages here; only when none is async."""
        if self._needs_context:
            invocation.context = Context(invocation.raw_headers, self._properties)
        value = None
        for stage in self._functions:
            value = stage(invocation, value)
        return value  # type: ignore[return-value]  # the last stage makes a reply

    async def invoke_async(self, invocation: Invocation, run_sync: RunSync) -> Reply:
        """Run async stages in this loop and the others through ``run_sync``."""
        if self._needs_context:
            invocation.context = Context(invocation.raw_headers, self._properties)
        value: Any = None
        for stage, is_async in self._stages:
            value = await (stage(invocation, value) if is_async else run_sync(stage, invocation, value))
        return value  # type: ignore[no-any-return]  # the last stage makes a reply


class _Stages:
    """Makes stages out of hooks and codecs."""

    def __init__(self, loaded: LoadedModel, default_accept: str) -> None:
        self._hooks = loaded.hooks
        self._model = loaded.model
        self._default_accept = default_accept

    def input(self) -> tuple[Stage, bool]:
        hook = self._hooks.input_fn
        if hook is not None:
            function = _with_context(hook)
            return lambda request, _: function(request, _hook_body(request), request.content_type), hook.is_async
        form = DataForm.DATAFRAME if self._hooks.wants_dataframe else DataForm.NUMPY
        return lambda request, _: decode(request.body, request.content_type, form), False

    def predict(self) -> tuple[Stage, bool]:
        hook = self._hooks.predict_fn
        assert hook is not None  # noqa: S101 (checked by read_hooks)
        model = self._model
        if not hook.takes_context:
            function = hook.function
            return lambda _, data: function(data, model), hook.is_async
        with_context = _with_context(hook)
        return lambda request, data: with_context(request, data, model), hook.is_async

    def output(self) -> tuple[Stage, bool]:
        hook, default_accept = self._hooks.output_fn, self._default_accept
        if hook is None:

            def encode_prediction(request: Invocation, prediction: Any) -> Reply:  # noqa: ANN401
                body, content_type = encode(prediction, request.accept, default_accept)
                if request.context is None:
                    return Reply(200, body, content_type.encode("latin-1"))
                return self._reply(request, body, content_type)

            return encode_prediction, False
        function = _with_context(hook)

        def call(request: Invocation, prediction: Any) -> Any:  # noqa: ANN401
            return function(request, prediction, _hook_accept(request, default_accept))

        return self._replying(call, hook.is_async), hook.is_async

    def transform(self, hook: Hook) -> tuple[Stage, bool]:
        function, model, default_accept = _with_context(hook), self._model, self._default_accept

        def call(request: Invocation, _: Any) -> Any:  # noqa: ANN401
            accept = _hook_accept(request, default_accept)
            return function(request, model, _hook_body(request), request.content_type, accept)

        return self._replying(call, hook.is_async), hook.is_async

    def _replying(self, call: Stage, is_async: bool) -> Stage:
        """The same call, its result made a reply."""
        if is_async:

            async def replying_async(request: Invocation, value: Any) -> Reply:  # noqa: ANN401
                return self._reply_from_hook(request, await call(request, value))

            return replying_async
        return lambda request, value: self._reply_from_hook(request, call(request, value))

    def _reply_from_hook(self, request: Invocation, result: Any) -> Reply:  # noqa: ANN401
        accept = _hook_accept(request, self._default_accept)
        body, content_type = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        content_type = checked_header_value(Header.CONTENT_TYPE, str(content_type or accept))
        if isinstance(body, str):
            body = body.encode()
        elif isinstance(body, (bytearray, memoryview)):
            body = bytes(body)
        elif not isinstance(body, bytes):
            body, content_type = encode(body, content_type, self._default_accept)
        return self._reply(request, body, content_type)

    @staticmethod
    def _reply(request: Invocation, body: bytes, content_type: str) -> Reply:
        context = request.context
        if context is None:
            return Reply(200, body, content_type.encode("latin-1"))
        extra = dict(context.response_headers)
        content_type = extra.pop("content-type", content_type)
        headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in extra.items())
        status = context.response_status or HTTPStatus.OK.value
        return Reply(status, body, content_type.encode("latin-1"), headers)


def _with_context(hook: Hook) -> Callable[..., Any]:
    """The hook as a function whose first argument is the request."""
    function = hook.function
    if hook.takes_context:
        return lambda request, *arguments: function(*arguments, request.context)
    return functools.partial(_without_request, function)


def _without_request(function: Callable[..., Any], _: Invocation, *arguments: Any) -> Any:  # noqa: ANN401
    return function(*arguments)


def _hook_body(request: Invocation) -> bytes | str:
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type not in _TEXT_TYPES:
        return request.body
    try:
        return request.body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            "malformed-body", f"the body is not UTF-8 text: {error.reason} at byte {error.start}", found=media_type
        ) from error


def _hook_accept(request: Invocation, default_accept: str) -> str:
    accept = request.accept
    return default_accept if not accept or accept == "*/*" else accept

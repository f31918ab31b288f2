"""What goes back to a client: a reply, and the reply that stands for an exception.

A client reads one plain sentence, which SageMaker quotes in ``ModelError.OriginalMessage``. It never reads a traceback,
and of an exception that the user's code did not mean for it only the type, since a message may hold data of others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

from seatrial.contract.serving import Header
from seatrial.core.errors import RequestError, UserCodeError
from seatrial.runtime.user_traceback import keep_user_frames, message_of

logger = logging.getLogger("seatrial.serving")

PLAIN_TEXT = b"text/plain; charset=utf-8"
MESSAGE_MAX_CHARACTERS = 1024
RETRY_AFTER_SECONDS = 1

STATUS_OF_REQUEST_ERROR: Mapping[str, int] = MappingProxyType(
    {
        "malformed-body": 400,
        "not-acceptable": 406,
        "payload-too-large": 413,
        "unsupported-content-type": 415,
        "server-busy": 503,
    }
)
"""HTTP status by slug; a ``RequestError`` with any other slug is a 400."""

_INFERENCE_ID = Header.INFERENCE_ID.encode()


class HookTimeoutError(Exception):
    """The hooks of one request took longer than they may."""

    status_code = 500

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__(f"the prediction took longer than {timeout_seconds:g} s and was given up")


class Reply(NamedTuple):
    """One HTTP response."""

    status: int
    body: bytes
    content_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def sentence_reply(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Reply:
    """A reply that is one line of plain text."""
    text = " ".join(sentence.split())[:MESSAGE_MAX_CHARACTERS]
    return Reply(status, f"{text}\n".encode(errors="backslashreplace"), PLAIN_TEXT, headers)


def reply_to_exception(error: BaseException, raw_headers: Iterable[tuple[bytes, bytes]]) -> Reply:
    """The reply for what hooks or codecs raised; a traceback goes to the log when the fault is on our side."""
    if isinstance(error, RequestError):
        status = STATUS_OF_REQUEST_ERROR.get(error.code, 400)
        headers = ((b"retry-after", b"%d" % RETRY_AFTER_SECONDS),) if status == HTTPStatus.SERVICE_UNAVAILABLE else ()
        return sentence_reply(status, error.sentence(), *headers)
    status_code = _status_carried_by(error)
    if status_code is not None:
        sentence = _message_of(error) or HTTPStatus(status_code).phrase
    else:
        status_code = 500
        sentence = f"the container's handler failed with {type(error).__name__}"
        if isinstance(error, UserCodeError):
            sentence = error.sentence()
    if status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log_failure(error, raw_headers)
    return sentence_reply(status_code, sentence)


def _status_carried_by(error: BaseException) -> int | None:
    """The HTTP status an exception brings along, as those of AWS's toolkit (and of web frameworks) do."""
    for attribute in ("status_code", "error_code"):
        status = getattr(error, attribute, None)
        if isinstance(status, int) and 400 <= status <= 599:
            return status if status in HTTPStatus.__members__.values() else status // 100 * 100
    return None


def _message_of(error: BaseException) -> str:
    for attribute in ("message", "detail"):
        message = getattr(error, attribute, None)
        if isinstance(message, str) and message:
            return message
    return message_of(error)


def _log_failure(error: BaseException, raw_headers: Iterable[tuple[bytes, bytes]]) -> None:
    inference_id = next((value for name, value in raw_headers if name.lower() == _INFERENCE_ID), None)
    about = f" (inference id {inference_id.decode('latin-1')})" if inference_id is not None else ""
    keep_user_frames(error)
    logger.error("prediction failed%s: %s", about, message_of(error), exc_info=error)

"""Requests for what the platform does beside AWS's API (``platform/controls.py``)."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote

from seatrial.cli._platform import RunningPlatform
from seatrial.core.errors import RequestError

_TIMEOUT_SECONDS = 30


def interrupt_training_job(platform: RunningPlatform, name: str, after_seconds: float) -> None:
    """Take the machine of a managed spot job away.

    Raises:
        RequestError: the platform refused, or does not answer.
    """
    _post(platform, f"/_seatrial/training-jobs/{quote(name, safe='')}/interrupt", {"AfterSeconds": after_seconds})


def _post(platform: RunningPlatform, path: str, document: dict[str, Any]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("POST", path, json.dumps(document), {"content-type": "application/json"})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RequestError(
            "platform-unreachable",
            "the platform does not answer",
            where=platform.url,
            found=str(error),
            fix="if it is being stopped, wait for its end; otherwise look at platform.log in its home directory",
        ) from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise RequestError(
            "platform-refused",
            "the platform refused the request",
            where=path,
            found=_said(body),
            fix="mend what it says",
        )


def _said(body: bytes) -> str:
    try:
        found = json.loads(body)
        return f"{found['code']}: {found['message']}"
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")

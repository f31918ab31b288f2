"""What this platform does beside AWS's API: requests below ``/_seatrial/``, JSON both ways.

They are answered where nobody is asked for a key, which is at loopback addresses only: whoever is there could end the
platform as well. No bucket can have that name, so no path of S3's is taken away.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from urllib.parse import unquote

from seatrial.platform.wire.errors import ServiceError, validation_error
from seatrial.platform.wire.request import WireRequest, WireResponse

PREFIX = "/_seatrial/"
_JSON = (("content-type", "application/json"),)

Interrupt = Callable[[str, float], None]
"""A training job's name, and in how many seconds it loses its machine."""


class Controls:
    """Answers them.

    Args:
        interrupt: Interrupts a training job.
    """

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt

    def answer(self, request: WireRequest) -> WireResponse:
        """Answer a request whose path begins with ``PREFIX``; errors are answers too."""
        try:
            match request.path.removeprefix(PREFIX).split("/"):
                case ["training-jobs", name, "interrupt"] if request.method == "POST":
                    self._interrupt(unquote(name), _after_seconds(request))
                    return _respond(200, {})
            raise ServiceError("UnknownOperationException", f"There is no {request.method} {request.path}.", 404)
        except ServiceError as error:
            return _respond(error.status or 400, {"code": error.code, "message": error.message})


def _after_seconds(request: WireRequest) -> float:
    try:
        body = json.loads(request.body or b"{}")
        seconds = body.get("AfterSeconds", 0)
    except (ValueError, AttributeError, RecursionError) as error:
        raise validation_error("The body is no JSON object.") from error
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        raise validation_error(f"AfterSeconds must be a number of seconds, 0 or more; found {str(seconds)[:100]!r}.")
    return float(seconds)


def _respond(status: int, document: dict[str, str]) -> WireResponse:
    return WireResponse(status=status, headers=_JSON, body=json.dumps(document).encode())

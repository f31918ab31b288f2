"""``FailureReason`` of a job whose container could not be run: what was wrong says whose fault it is (§1.7)."""

from __future__ import annotations

from seatrial.contract.failure import (
    INTERNAL_ERROR_REASON,
    client_failure_reason,
    compose_failure_reason,
    internal_failure_reason,
)
from seatrial.core.errors import EngineError, InternalError, SeatrialError
from seatrial.core.exit_codes import PROGRAM_EXIT_CODES

_CLIENTS_FAULT = frozenset({"image-not-found"})
"""Errors of an engine that are not the engine's."""


def is_of_program(error: SeatrialError) -> bool:
    """Whether the container was made and its program could not be executed."""
    return error.code in PROGRAM_EXIT_CODES


def failure_reason_of(error: Exception) -> str:
    """The reason; that of a program says no more than AWS does, so its sentence belongs into the job's log."""
    if not isinstance(error, SeatrialError):
        return internal_failure_reason(f"{type(error).__name__}: {error}")
    if is_of_program(error):
        return compose_failure_reason(None, PROGRAM_EXIT_CODES[error.code])
    if isinstance(error, InternalError) or (isinstance(error, EngineError) and error.code not in _CLIENTS_FAULT):
        return internal_failure_reason(error.sentence())
    return client_failure_reason(error.sentence())


def is_internal(reason: str) -> bool:
    """Whether it is an InternalServerError, after which ``RetryStrategy`` tries again (§1.9)."""
    return reason.startswith(INTERNAL_ERROR_REASON)

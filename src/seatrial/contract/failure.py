"""The ``failure`` file and the ``FailureReason`` that SageMaker makes of it. Source: contract.md §1.7."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.contract.limits import FAILURE_REASON_MAX_CHARACTERS

OUT_OF_MEMORY_REASON = (
    "ClientError: Please use an instance type with more memory, "
    "or reduce the size of job data processed on an instance."
)
"""What a job says whose container was killed for memory (§1.7)."""

INTERNAL_ERROR_REASON = "InternalServerError: We encountered an internal error. Please try again."


def compose_failure_reason(failure_text: str | None, exit_code: int, *, is_out_of_memory: bool = False) -> str:
    """``FailureReason`` of a training job whose container ended with ``exit_code``.

    Args:
        failure_text: What the container left in ``/opt/ml/output/failure``; ``None`` when there is no such file.
        exit_code: Not 0.
        is_out_of_memory: The kernel killed the container for its memory limit.

    Returns:
        At most 1,024 characters. The whole string is cut, prefix and suffix counted (UNVERIFIED in the contract); the
        exit code stays readable because the text between is what gives way.
    """
    if is_out_of_memory:
        return OUT_OF_MEMORY_REASON
    prefix, suffix = "AlgorithmError: ", f", exit code: {exit_code}"
    room = FAILURE_REASON_MAX_CHARACTERS - len(prefix) - len(suffix)
    return f"{prefix}{(failure_text or '')[:room]}{suffix}"


def upload_failure_reason(problems: Sequence[str]) -> str:
    """``FailureReason`` of a training job whose container succeeded and whose artifacts could not be uploaded (§1.6).

    Args:
        problems: One sentence for each artifact.

    Returns:
        At most 1,024 characters.
    """
    return f"ClientError: Artifact upload failed:{'; '.join(problems)}"[:FAILURE_REASON_MAX_CHARACTERS]


def client_failure_reason(problem: str) -> str:
    """``FailureReason`` of a job that what the client asked for kept from running (§1.7).

    Args:
        problem: One sentence.

    Returns:
        At most 1,024 characters.
    """
    return f"ClientError: {problem}"[:FAILURE_REASON_MAX_CHARACTERS]


def internal_failure_reason(problem: str) -> str:
    """``FailureReason`` of a job that the platform could not bring to its end (§1.7).

    Args:
        problem: One sentence.

    Returns:
        At most 1,024 characters.
    """
    return f"{INTERNAL_ERROR_REASON} ({problem})"[:FAILURE_REASON_MAX_CHARACTERS]


def render_failure_text(summary: str, detail: str = "") -> str:
    """Text for the ``failure`` file: the summary as its first line, cut so that SageMaker shows all of it.

    Args:
        summary: What went wrong; line ends become spaces.
        detail: More lines, such as a traceback; shown as far as the 1,024 characters reach.
    """
    first_line = " ".join(summary.split())[:FAILURE_REASON_MAX_CHARACTERS]
    return f"{first_line}\n{detail}" if detail else first_line

"""A process's end in words: one wording, whoever saw it end."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from types import MappingProxyType

PROGRAM_EXIT_CODES: Mapping[str, int] = MappingProxyType(
    {
        "program-not-executable": 126,
        "program-crlf": 126,
        "program-interpreter-missing": 126,
        "program-wrong-format": 126,
        "program-without-entrypoint": 127,
        "program-not-found": 127,
    }
)
"""Codes of our errors of a program that cannot be executed, to what a shell says of it."""


def signal_number_of(exit_code: int) -> int | None:
    """The signal that ended the process, when the exit code says that one did."""
    return exit_code - 128 if 128 < exit_code < 128 + 65 else None


def describe_exit(ended_with: int) -> str:
    """How a process ended, with the signal that its exit code stands for: ``exit code 137 (SIGKILL)``.

    Args:
        ended_with: An exit code, with 128 + n for signal n as a shell counts; or minus n, as Python does.
    """
    exit_code = ended_with if ended_with >= 0 else 128 - ended_with
    number = signal_number_of(exit_code)
    if number is None:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal, or none that this system has
        name = f"signal {number}"
    return f"exit code {exit_code} ({name})"

"""How a container's end is told."""

from __future__ import annotations

import pytest

from seatrial.engines.base import describe_exit


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (0, "exit code 0"),
        (1, "exit code 1"),
        (127, "exit code 127"),
        (128, "exit code 128"),
        (137, "exit code 137 (SIGKILL)"),
        (139, "exit code 139 (SIGSEGV)"),
        (143, "exit code 143 (SIGTERM)"),
        (128 + 50, "exit code 178 (signal 50)"),
        (255, "exit code 255"),
    ],
)
def test_describe_exit_names_the_signal_that_the_exit_code_stands_for(exit_code: int, text: str) -> None:
    assert describe_exit(exit_code) == text

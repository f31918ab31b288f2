from __future__ import annotations

import pytest

from seatrial.core.exit_codes import describe_exit


@pytest.mark.parametrize(
    ("ended_with", "text"),
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
        (-11, "exit code 139 (SIGSEGV)"),
    ],
)
def test_describe_exit_names_the_signal_that_the_exit_code_stands_for(ended_with: int, text: str) -> None:
    assert describe_exit(ended_with) == text

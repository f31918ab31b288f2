"""``seatrial demo`` interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def processes_with(text: str) -> list[str]:
    """Command lines of this machine's processes that hold a text."""
    listed = subprocess.run(["ps", "-A", "-o", "args="], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if text in line]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", ["Training", "Starting the server", "Invoking"])
def test_demo_interrupted_twice_says_what_is_left_and_leaves_nothing(
    tmp_path: Path, phase: str, signal_number: signal.Signals
) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "seatrial", "demo"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with demo:
        assert demo.stderr is not None
        shown = ""
        while phase not in shown:
            shown = demo.stderr.readline()
            assert shown, f"the demo never came to {phase!r}"
        demo.send_signal(signal_number)
        demo.send_signal(signal_number)
        rest = demo.stderr.read()

    assert demo.returncode == 130
    assert rest.splitlines()[-1] == "interrupted: the containers and what they made are gone"
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
    assert processes_with(str(tmp_path)) == []

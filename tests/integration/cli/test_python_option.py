"""``--python`` must be a Python that can run the program."""

import sys
from pathlib import Path

import pytest

from seatrial.cli import _options
from seatrial.cli._options import check_python, choose_engine
from seatrial.core.errors import ConfigError

pytestmark = pytest.mark.slow


def write_interpreter(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def refusal(python: Path, program: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        choose_engine(program, None, python)
    assert caught.value.code == "python-unusable"
    assert caught.value.where == str(python.absolute())
    return caught.value


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo Python 3.9", "Python 3.9"),
        ("echo Python 2.7", "Python 2.7"),
        ('echo "$@"', "-c import sys"),
        ("echo some shell: bad option -c >&2; exit 2", "exit code 2: some shell: bad option -c"),
        ("exit 3", "exit code 3: no message"),
        ("exit 0", "a program that says nothing"),
    ],
)
def test_python_that_is_none_or_too_old_is_refused(tmp_path: Path, script: str, found: str) -> None:
    error = refusal(write_interpreter(tmp_path / "python", script), tmp_path)

    assert str(error.found).startswith(found)
    assert error.expected == "Python 3.10 or later"


def test_python_that_is_not_there_cannot_be_started_or_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")

    assert refusal(tmp_path / "gone", tmp_path).found == "no such file or directory"
    assert refusal(tmp_path / "text", tmp_path).found == "permission denied"
    assert refusal(tmp_path, tmp_path).found == "permission denied"


def test_python_that_does_not_answer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_options, "_ANSWER_SECONDS", 0.2)

    assert "no answer" in str(refusal(write_interpreter(tmp_path / "python", "exec sleep 30"), tmp_path).found)


def test_python_that_runs_this_and_one_that_greets_first_are_taken(tmp_path: Path) -> None:
    check_python(Path(sys.executable))
    check_python(write_interpreter(tmp_path / "python", f'echo hello; exec {sys.executable} "$@"'))

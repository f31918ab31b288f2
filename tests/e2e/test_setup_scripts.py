"""What a developer runs before anything else: the Docker engine, the virtual environment, the Makefile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        timeout=90,
    )


def make_interpreter(path: Path, *, version_test: int, venv_test: int) -> Path:
    """A program that answers make-venv's two questions with these exit codes."""
    path.write_text(
        f"""#!/bin/sh
case "$2" in
*"version_info < (3, 10)"*) exit {version_test} ;;
*"import ensurepip, venv"*) exit {venv_test} ;;
*platform*) echo 3.9.1 ;;
*) echo python3.12-venv ;;
esac
"""
    )
    path.chmod(0o755)
    return path


def test_make_venv_with_an_old_python_says_which_is_needed(tmp_path: Path) -> None:
    python = make_interpreter(tmp_path / "python", version_test=1, venv_test=0)

    finished = run(SCRIPTS / "make-venv", tmp_path / "venv", PYTHON=str(python))

    assert finished.returncode == 1
    assert "no Python >= 3.10 found" in finished.stderr
    assert "3.9.1" in finished.stderr
    assert not (tmp_path / "venv").exists()


def test_make_venv_without_the_venv_module_names_debians_package(tmp_path: Path) -> None:
    python = make_interpreter(tmp_path / "python", version_test=0, venv_test=1)

    finished = run(SCRIPTS / "make-venv", tmp_path / "venv", PYTHON=str(python))

    assert finished.returncode == 1
    assert "apt-get install python3.12-venv" in finished.stderr
    assert not (tmp_path / "venv").exists()


def test_make_alone_lists_the_targets() -> None:
    # Under `make test` the variables of that make would speak to this one.
    finished = run("make", "--no-print-directory", MAKEFLAGS="", MAKELEVEL="")

    assert finished.returncode == 0
    listed = [line.split()[1] for line in finished.stdout.splitlines()]
    assert listed == ["help", "demo", "test", "lint", "types", "docs", "bench", "clean"]


def commands_of_demo(venv: Path) -> list[str]:
    """What ``make demo`` would run with a virtual environment, one command a line."""
    finished = run("make", "--dry-run", "--no-print-directory", "demo", f"VENV={venv}", MAKEFLAGS="", MAKELEVEL="")
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def test_make_demo_says_what_it_installs_before_it_does_and_shows_the_progress(tmp_path: Path) -> None:
    commands = commands_of_demo(tmp_path / "venv")

    installations = [index for index, command in enumerate(commands) if "pip install" in command]
    assert len(installations) == 2
    for index in installations:
        assert "--quiet" not in commands[index]
        assert commands[index - 1].startswith('echo "Installing')
        assert "a minute or two" in commands[index - 1]


def test_make_demo_with_an_older_installation_is_quiet_about_what_is_there(tmp_path: Path) -> None:
    stamps = tmp_path / "venv" / "stamps"
    stamps.mkdir(parents=True)
    for name in ("venv", "base", "examples"):
        (stamps / name).touch()
        os.utime(stamps / name, (0, 0))

    assert ["--quiet" in command for command in commands_of_demo(tmp_path / "venv") if "pip install" in command] == [
        True,
        True,
    ]


@pytest.mark.parametrize("arguments", [(), ("restart",)])
def test_docker_engine_without_a_known_command_shows_the_usage(arguments: tuple[str, ...]) -> None:
    finished = run(SCRIPTS / "docker-engine", *arguments)

    assert finished.returncode == 2
    assert "start|stop|status" in finished.stderr


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="takes root's right to become another user")
def test_docker_engine_start_without_root_says_what_to_do(tmp_path: Path) -> None:

    finished = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-s", "start"],
        input=(SCRIPTS / "docker-engine").read_text(),
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock"},
        cwd="/",
        timeout=30,
    )

    assert finished.returncode == 1
    assert "takes root" in finished.stderr
    assert "sudo" in finished.stderr


@pytest.mark.docker
def test_docker_engine_start_where_one_is_ready_changes_nothing() -> None:
    first = run(SCRIPTS / "docker-engine", "start")
    again = run(SCRIPTS / "docker-engine", "start")

    assert first.returncode == again.returncode == 0, first.stderr
    assert again.stdout.splitlines() == [first.stdout.splitlines()[-1]]
    assert "ready: Docker" in again.stdout

"""Read a page's walk-through and do what it says.

A page is written for a person at a terminal, with two conventions that this module reads:

- A fenced block whose first line is ``# name/of/file.py`` is the content of that file.
- A ``console`` block holds commands after ``$`` and what they print. A printed line may hold ``…`` for anything, and
  lines may be left out; those that are there must come in this order, on standard output or on standard error.
  ``$ echo $?`` shows the exit code of the command before it; any other command must end with 0.

``seatrial serve`` runs until the end of the page, beside the commands that follow; port 8080 of the page becomes a free
one, which is also in ``PORT``. Commands that set up a machine or need a Docker engine are left out, see ``NOT_RUN``.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

NOT_RUN = re.compile(
    r"(git|docker|cd seatrial|python3 -m venv|\. \.venv/bin/activate|\.venv/bin/pip|pip install|make|apt-get|sudo"
    r"|\./build_and_push\.sh|seatrial demo --engine docker)\b|.*--image\b|.*local_test/.*\.sh\b"
)
"""Set-up of a machine, commands of Docker, and ``make``, whose targets are checked by name."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
_FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.\w+)")
_READY = "ready after"
_COMMAND_TIMEOUT_SECONDS = 90.0
_LANGUAGES_OF_FILES = {"python", "text", "bash", "yaml", "toml", "dockerfile"}


@dataclass(frozen=True)
class File:
    name: str
    text: str


@dataclass(frozen=True)
class Command:
    text: str
    printed: tuple[str, ...]


def read_steps(page: Path) -> list[File | Command]:
    """The files and commands of a page, in its order."""
    steps: list[File | Command] = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        indent = match["indent"]
        body = "".join(line.removeprefix(indent) for line in match["body"].splitlines(keepends=True))
        if match["language"] == "console":
            steps += _read_commands(body)
        elif match["language"] in _LANGUAGES_OF_FILES and (name := _FILE_NAME.fullmatch(body.split("\n", 1)[0])):
            steps.append(File(name["name"], body))
    return steps


def _read_commands(body: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", body.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        text, *printed = part.splitlines()
        yield Command(re.sub(r"\s+# .*$", "", text), tuple(line for line in printed if line.strip() not in {"", "…"}))


def run(steps: list[File | Command], directory: Path) -> None:
    """Do everything in ``directory``; an AssertionError says which command did otherwise than the page says."""
    port = _free_port()
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "HOME": str(directory),
        "COLUMNS": "120",
        "PORT": str(port),
    }
    exit_code = 0
    with ExitStack() as servers:
        for index, step in enumerate(steps):
            if isinstance(step, File):
                _write(directory / step.name, step.text)
            elif step.text.startswith("cd ") and NOT_RUN.match(step.text) is None:
                directory = (directory / step.text.removeprefix("cd ")).resolve()
            elif step.text == "echo $?":
                assert step.printed == (str(exit_code),), f"the exit code is {exit_code}, the page says {step.printed}"
            elif NOT_RUN.match(step.text) is None:
                text = _with_port(step.text, port)
                if text.startswith("seatrial serve"):
                    output = servers.enter_context(_server(text, directory, environment))
                else:
                    exit_code, output = _command(text, directory, environment)
                    assert exit_code == 0 or _shows_exit_code(steps[index + 1 :]), (
                        f"{text}\nended with {exit_code}:\n{_shown(output)}"
                    )
                _check_printed(step, output, port)


def _shows_exit_code(following: list[File | Command]) -> bool:
    return bool(following) and isinstance(following[0], Command) and following[0].text == "echo $?"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if text.startswith("#!") or "\n#!" in text[:80]:
        path.chmod(0o755)


def _with_port(text: str, port: int) -> str:
    if text.startswith("seatrial serve"):
        return f"{text} --port {port}"
    if text.startswith("seatrial invoke"):
        return f"{text} --url http://127.0.0.1:{port}"
    return text.replace(":8080", f":{port}")


def _command(text: str, directory: Path, environment: dict[str, str]) -> tuple[int, list[str]]:
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_COMMAND_TIMEOUT_SECONDS,
        text=True,
        check=False,
    )
    return done.returncode, [done.stdout, done.stderr]


@contextmanager
def _server(text: str, directory: Path, environment: dict[str, str]) -> Iterator[list[str]]:
    """A server from the moment it is ready; yields what it has printed until then."""
    process = subprocess.Popen(
        shlex.split(text),
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    is_ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                lines.append(line)
                if _READY in line:
                    is_ready.set()
        is_ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert is_ready.wait(_COMMAND_TIMEOUT_SECONDS), f"{text}\nis not ready:\n{''.join(lines)}"
        assert process.poll() is None, f"{text}\nended with {process.poll()}:\n{''.join(lines)}"
        yield ["".join(lines)]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_COMMAND_TIMEOUT_SECONDS)
        reader.join()


def _check_printed(step: Command, streams: list[str], port: int) -> None:
    left = [stream.splitlines() for stream in streams]
    for expected in step.printed:
        parts = re.split(r"…|\.\.\.", expected.strip().replace("8080", str(port)))
        pattern = re.compile(".*".join(map(re.escape, parts)))
        stream = next((lines for lines in left if any(pattern.fullmatch(line.strip()) for line in lines)), None)
        assert stream is not None, (
            f"{step.text}\ndoes not print, or not in this order, {expected!r}:\n{_shown(streams)}"
        )
        while not pattern.fullmatch(stream.pop(0).strip()):
            pass


def _shown(streams: list[str]) -> str:
    return "\n".join(streams)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

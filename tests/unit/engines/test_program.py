"""What a program directory resolves to, and each way it cannot."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from seatrial.core.errors import ContractError, EngineError, SeatrialError
from seatrial.engines import program
from seatrial.engines.base import ContainerSpec, Mount

SCRIPT = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of an environment whose ``bin`` also has a ``train``, as our runtime's does."""
    _write(tmp_path / "env/bin/train", "#!/bin/sh\n# -*- coding: utf-8 -*-\nfrom seatrial.runtime.main import train\n")
    return tmp_path / "env/bin/python"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "my program"
    path.mkdir()
    return path


def _write(path: Path, text: str | bytes, mode: int = 0o755) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)


def _resolve(directory: Path, python: Path, *arguments: str, **options: object) -> program.Program:
    spec = ContainerSpec(image=directory.as_uri(), arguments=arguments, **options)  # type: ignore[arg-type]
    return program.resolve(spec, python=python, inherited_path="/usr/games:relative")


def _fault(directory: Path, python: Path, *arguments: str) -> SeatrialError:
    with pytest.raises(SeatrialError) as fault:
        _resolve(directory, python, *arguments)
    assert fault.value.what[0] in "'abcdefghijklmnopqrstuvwxyz"
    assert fault.value.fix
    return fault.value


def test_resolve_finds_the_directorys_own_program_first(directory: Path, python: Path) -> None:
    _write(directory / "train", SCRIPT)
    found = _resolve(directory, python, "train")
    assert found.executable == directory / "train"
    assert found.path.split(":")[:3] == [str(directory), str(python.parent), "/usr/games"]
    assert "relative" not in found.path
    assert "/usr/sbin" in found.path.split(":")


def test_resolve_finds_the_environments_program_next(directory: Path, python: Path) -> None:
    found = _resolve(directory, python, "train")
    assert found.executable == python.parent / "train"
    assert found.honours_base_dir


@pytest.mark.parametrize("path", ["", "/usr/games", ":"])
def test_resolve_looks_on_the_path_of_the_environment_only(directory: Path, python: Path, path: str) -> None:
    """As with Docker, where it replaces the image's."""
    _write(directory / "train", SCRIPT)

    with pytest.raises(ContractError) as fault:
        _resolve(directory, python, "train", environment={"PATH": path})

    assert fault.value.code == "program-without-entrypoint"
    assert fault.value.found == f"PATH={path}"
    found = _resolve(directory, python, "train", environment={"PATH": f"{path}:{directory}"})
    assert found.executable == directory / "train"
    assert found.path == f"{path}:{directory}"
    assert _resolve(directory, python, "./train", environment={"PATH": path}).path == path


def test_resolve_with_a_slash_is_relative_to_the_directory(directory: Path, python: Path) -> None:
    _write(directory / "bin/train.sh", SCRIPT)
    assert _resolve(directory, python, "bin/train.sh").executable == directory / "bin/train.sh"


def test_resolve_with_an_entrypoint_below_a_mount_looks_at_its_source(
    directory: Path, python: Path, tmp_path: Path
) -> None:
    _write(tmp_path / "channel/x.sh", SCRIPT)
    mount = Mount(source=tmp_path / "channel", target=PurePosixPath("/opt/ml/input/data/code"))
    found = _resolve(directory, python, entrypoint=("/opt/ml/input/data/code/x.sh",), mounts=(mount,))
    assert found.executable == Path("/opt/ml/input/data/code/x.sh")


@pytest.mark.parametrize(
    ("marker", "is_honoured"),
    [
        (None, False),
        ("honours_base_dir = true\n", True),
        ("# yes\nhonours_base_dir=true # indeed\n[build]\n", True),
        ("honours_base_dir = false\n", False),
        ("[build]\nhonours_base_dir = true\n", False),
        ("# honours_base_dir = true\n", False),
    ],
)
def test_resolve_reads_the_marker_file(directory: Path, python: Path, marker: str | None, is_honoured: bool) -> None:
    _write(directory / "train", SCRIPT)
    if marker is not None:
        (directory / "seatrial.toml").write_text(marker)
    assert _resolve(directory, python, "train").honours_base_dir is is_honoured


def test_resolve_without_arguments_is_refused(directory: Path, python: Path) -> None:
    fault = _fault(directory, python)
    assert isinstance(fault, EngineError)
    assert fault.code == "program-without-command"


def test_is_program_directory_takes_no_image_for_one() -> None:
    assert program.is_program_directory("file:///opt/program")
    assert not program.is_program_directory("file:latest")


@pytest.mark.parametrize("image", ["decision-trees:latest", "file://elsewhere/x", "http://x/y", "file:relative"])
def test_parse_image_of_another_kind_is_refused(image: str) -> None:
    with pytest.raises(EngineError) as fault:
        program.parse_image(image)
    assert fault.value.code == "image-not-a-program"


def test_resolve_in_a_missing_directory_shows_its_neighbours(directory: Path, python: Path) -> None:
    fault = _fault(directory.parent / "my-program", python, "train")
    assert fault.code == "program-not-found"
    assert (fault.found or "").startswith("'my program'")


def test_resolve_in_a_file_is_refused(directory: Path, python: Path) -> None:
    _write(directory / "train", SCRIPT)
    assert _fault(directory / "train", python, "train").code == "program-not-found"


def test_resolve_of_a_missing_program_shows_the_nearest_names(directory: Path, python: Path) -> None:
    _write(directory / "a.py", "")
    _write(directory / "srve", SCRIPT)
    fault = _fault(directory, python, "serve")
    assert isinstance(fault, ContractError)
    assert fault.code == "program-without-entrypoint"
    assert fault.found == "'srve', 'a.py'"


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # a socket's path is at most 107 bytes


@pytest.mark.parametrize("name", ["train", "./train"])
@pytest.mark.parametrize(
    ("make", "code", "found"),
    [
        (Path.mkdir, "program-not-executable", "a directory"),
        (lambda path: os.mkfifo(path, 0o755), "program-not-executable", "a FIFO"),
        (_make_socket, "program-not-executable", "a socket"),
        (lambda path: path.symlink_to("/dev/null"), "program-not-executable", "a device"),
        (lambda path: path.symlink_to("gone"), "program-without-entrypoint", "a link to gone"),
        (lambda path: path.symlink_to("train"), "program-without-entrypoint", "a link to train"),
    ],
    ids=["directory", "fifo", "socket", "device", "dangling link", "link to itself"],
)
def test_resolve_of_what_is_no_file_does_not_fall_back_to_the_environment(
    directory: Path, python: Path, *, make: Callable[[Path], None], code: str, found: str, name: str
) -> None:
    make(directory / "train")
    fault = _fault(directory, python, name)
    assert (fault.code, fault.found) == (code, found)
    assert fault.where == str(directory / "train")


def test_resolve_without_run_bit_does_not_fall_back_to_the_environment(directory: Path, python: Path) -> None:
    _write(directory / "train", SCRIPT, 0o644)
    fault = _fault(directory, python, "train")
    assert fault.code == "program-not-executable"
    assert fault.found == "mode 644"


@pytest.mark.parametrize(
    "text",
    ["#!/usr/bin/env python\r\nprint(1)\r\n", "#!/bin/sh\r\nexit 0\r\n", "#!/bin/sh\nexit 0\r\n"],
    ids=["env", "sh", "body of a shell script"],
)
def test_resolve_of_a_script_with_windows_line_ends_is_refused(directory: Path, python: Path, text: str) -> None:
    _write(directory / "train", text)
    assert _fault(directory, python, "train").code == "program-crlf"


@pytest.mark.parametrize(
    "first_line", ["#!/no/such/python3", "#! /no/such/bash -e", "#!/usr/bin/env no-such-python", "#!"]
)
def test_resolve_with_a_missing_interpreter_is_refused(directory: Path, python: Path, first_line: str) -> None:
    _write(directory / "train", first_line + "\n")
    assert _fault(directory, python, "train").code == "program-interpreter-missing"


@pytest.mark.parametrize("first_line", ["#!/bin/sh -e", "#!/usr/bin/env -S sh -e", "#!/usr/bin/env A=b sh"])
def test_resolve_with_a_present_interpreter_succeeds(directory: Path, python: Path, first_line: str) -> None:
    _write(directory / "train", first_line + "\n")
    assert _resolve(directory, python, "train").executable == directory / "train"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"import os\n", "a file that starts with 'import os\\n'"),
        (b"MZ\x90\x00", "a Windows program"),
        pytest.param(b"\xcf\xfa\xed\xfe" + b"\0" * 60, "a macOS program", marks=pytest.mark.skipif(
            sys.platform == "darwin", reason="this is macOS")),
        pytest.param(b"\x7fELF\x02\x02\x01" + b"\0" * 11 + b"\x00\x16" + b"\0" * 44, "s390x", marks=pytest.mark.skipif(
            sys.platform != "linux", reason="Linux alone runs ELF")),
    ],
)  # fmt: skip
def test_resolve_of_a_foreign_format_is_refused(directory: Path, python: Path, content: bytes, found: str) -> None:
    _write(directory / "train", content)
    fault = _fault(directory, python, "train")
    assert fault.code == "program-wrong-format"
    assert fault.found == found

"""Tell before the start why a file would not execute: run bit, line ends, interpreter, format.

Source: contract.md §7, pitfalls 1 to 6; execve(2).
"""

from __future__ import annotations

import os
import platform
import stat
import sys
from pathlib import Path

from seatrial.core.errors import ContractError

_HEAD_BYTES = 65_536
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "ash"})

_ELF_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64", 21: "ppc64le", 22: "s390x"}
_ALSO_RUNS = {"x86_64": {"i386"}, "aarch64": {"arm"}}
_MACHINE_ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}
_MACH_O_MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def check(executable: Path, path: str) -> None:
    """Return when ``executable`` can be started, as far as can be told unstarted.

    Args:
        executable: On the host.
        path: PATH of the program, for ``#!/usr/bin/env NAME``.

    Raises:
        ContractError: a sentence on the one thing that stands in the way.
    """
    if not os.path.exists(executable):
        raise ContractError(
            "program-without-entrypoint",
            f"{executable.name!r} is a link that leads to no file",
            where=str(executable),
            found=f"a link to {executable.readlink()}",
            fix="correct the link, or put the program itself there",
        )
    if not executable.is_file():  # a FIFO would also keep whoever opens it waiting
        raise ContractError(
            "program-not-executable",
            f"{executable.name!r} is no file that can be executed",
            where=str(executable),
            found=_kind(executable),
            fix=f"rename it, and add an executable file named {executable.name!r} if none is installed elsewhere",
        )
    if not os.access(executable, os.X_OK):
        raise ContractError(
            "program-not-executable",
            f"{executable.name!r} has no run bit",
            where=str(executable),
            found=f"mode {executable.stat().st_mode & 0o777:o}",
            fix=f"run chmod +x {executable}, and keep it so in the image with RUN chmod +x in the Dockerfile",
        )
    try:
        with executable.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except PermissionError:
        return  # it may be executed without being read
    if head.startswith(b"#!"):
        _check_script(executable, head, path)
    else:
        _check_binary(executable, head)


def _kind(path: Path) -> str:
    mode = path.stat().st_mode
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _check_script(executable: Path, head: bytes, path: str) -> None:
    first_line, _, rest = head.partition(b"\n")
    if first_line.endswith(b"\r"):
        raise _crlf(executable, "its first line ends in CRLF, so its interpreter's name ends in a carriage return")
    words = first_line[2:].decode("utf-8", errors="replace").split()
    if not words:
        raise ContractError(
            "program-interpreter-missing",
            "the first line names no interpreter after #!",
            where=str(executable),
            fix="name one, such as #!/usr/bin/env python",
        )
    _check_interpreter(executable, words[0])
    name = Path(words[0]).name
    if name == "env":
        name = _env_program(words[1:])
        if name:
            _check_env_program(executable, name, path)
    if Path(name).name in _SHELLS and b"\r\n" in rest:
        raise _crlf(executable, "its lines end in CRLF, which a shell takes for part of each command")


def _check_interpreter(executable: Path, interpreter: str) -> None:
    if not Path(interpreter).is_absolute() or os.access(interpreter, os.X_OK):
        return
    raise ContractError(
        "program-interpreter-missing",
        "the interpreter of the first line does not exist or is not executable",
        where=str(executable),
        found=f"#!{interpreter}",
        fix=f"install {interpreter}, or name another, such as #!/usr/bin/env {Path(interpreter).name}",
    )


def _env_program(words: list[str]) -> str:
    """The program that ``env`` would look up: the first word that is neither an option nor an assignment."""
    return next((word for word in words if not word.startswith("-") and "=" not in word), "")


def _check_env_program(executable: Path, name: str, path: str) -> None:
    if any(os.access(Path(folder) / name, os.X_OK) for folder in path.split(os.pathsep)):
        return
    raise ContractError(
        "program-interpreter-missing",
        f"the interpreter {name!r} of the first line is not on PATH",
        where=str(executable),
        found=f"PATH {path}",
        fix=f"install {name}, or name one that is there",
    )


def _crlf(executable: Path, why: str) -> ContractError:
    return ContractError(
        "program-crlf",
        f"{executable.name!r} has Windows line ends: {why}",
        where=str(executable),
        expected="LF line ends",
        fix=f"run sed -i 's/\\r$//' {executable}, and set '* text eol=lf' in .gitattributes",
    )


def _check_binary(executable: Path, head: bytes) -> None:
    if sys.platform == "linux" and head.startswith(b"\x7fELF"):
        _check_elf(executable, head)
    elif sys.platform == "darwin" and head.startswith(_MACH_O_MAGICS):
        return
    else:
        raise ContractError(
            "program-wrong-format",
            f"{executable.name!r} is neither a script with a #! line nor a program for this system",
            where=str(executable),
            found=_format_name(head),
            fix="begin a script with a line such as #!/usr/bin/env python",
        )


def _check_elf(executable: Path, head: bytes) -> None:
    byte_order = "little" if head[5:6] == b"\x01" else "big"
    machine = _ELF_MACHINES.get(int.from_bytes(head[18:20], byte_order))  # type: ignore[arg-type]
    here = _MACHINE_ALIASES.get(platform.machine().lower(), platform.machine().lower())
    if machine is None or machine == here or machine in _ALSO_RUNS.get(here, set()) or _has_emulator(machine):
        return
    raise ContractError(
        "program-wrong-format",
        f"{executable.name!r} is built for another processor",
        where=str(executable),
        found=machine,
        expected=here,
        fix=f"build it for {here}",
    )


def _has_emulator(machine: str) -> bool:
    return Path(f"/proc/sys/fs/binfmt_misc/qemu-{machine}").exists()


def _format_name(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head.startswith(b"\x7fELF"):
        return "a Linux program"
    if head.startswith(_MACH_O_MAGICS):
        return "a macOS program"
    if head.startswith(b"MZ"):
        return "a Windows program"
    return "a file that starts with " + repr(head[:16].decode("ascii", errors="replace"))

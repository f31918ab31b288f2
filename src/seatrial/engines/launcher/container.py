"""The first process of a container, from the fork to the program: every step reports its failure by name."""

from __future__ import annotations

import json
import os
import signal
import sys

from seatrial.engines.launcher.syscalls import SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from typing import NoReturn

    from seatrial.engines.launcher.instructions import Failure, Instructions

EXECUTE_STEP = "execute"
"""The step of a failure that lies in the program, not in the container."""

_PROGRAM_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31})
"""What Docker leaves a root program, without mknod: enough to change owners and users, nothing to touch the host."""

_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


def run(instructions: Instructions, status_fd: int, gate_fd: int) -> NoReturn:
    """Become the program.

    Args:
        instructions: The container.
        status_fd: Receives a ``Failure`` as JSON; closed without a word when the program runs.
        gate_fd: Its first byte says that the network is there; its end without one, that there is none to come.
    """
    try:
        os.write(status_fd, json.dumps(_become(instructions, gate_fd)).encode())
    finally:
        os._exit(127)  # whatever came: nothing may go up into the launcher's own calls, of which this is a copy


def _become(instructions: Instructions, gate_fd: int) -> Failure:
    """Execute the program; returns only when that failed."""
    try:
        _prepare(instructions, gate_fd)
        _execute(instructions)
    except SetUpError as error:
        return {"step": error.step, "errno": error.errno, "detail": error.detail}
    except OSError as error:
        return {"step": "set up the container", "errno": error.errno or 0, "detail": str(error)}
    except BaseException as error:
        return {"step": "set up the container", "errno": 0, "detail": f"{type(error).__name__}: {error}"}


def _prepare(instructions: Instructions, gate_fd: int) -> None:
    os.setsid()
    for group in instructions["cgroup_dirs"]:
        _join(group)
    if instructions["has_namespaces"]:
        from seatrial.engines.launcher import rootfs, syscalls  # noqa: PLC0415 (Linux only)

        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC, "make a mount namespace")
        if instructions["host_name"] is not None:
            _take_host_name(instructions["host_name"])
        rootfs.enter(instructions)
        os.makedirs(instructions["environment"]["HOME"], exist_ok=True)
        syscalls.drop_capabilities_but(_PROGRAM_CAPABILITIES)
    os.umask(0o022)
    if sys.platform == "linux":
        from seatrial.engines.launcher import syscalls  # noqa: PLC0415

        syscalls.die_with_parent(signal.SIGKILL)
    if not os.read(gate_fd, 1):
        os._exit(127)  # the launcher has given up and says why itself


def _take_host_name(name: str) -> None:
    from seatrial.engines.launcher import syscalls  # noqa: PLC0415 (Linux only)

    syscalls.unshare(syscalls.CLONE_NEWUTS, "make a namespace for the host name")
    import _socket  # noqa: PLC0415 (the socket module costs 10 ms more)

    _socket.sethostname(name)


def _join(group: str) -> None:
    try:
        with open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")
    except OSError as error:
        raise SetUpError(f"join the control group {group}", error.errno or 0) from error


def _execute(instructions: Instructions) -> NoReturn:
    try:
        os.chdir(instructions["working_dir"])
    except OSError as error:
        raise SetUpError(f"enter {instructions['working_dir']}", error.errno or 0) from error
    try:
        for name in _IGNORED_BY_PYTHON:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execve(instructions["executable"], instructions["argv"], instructions["environment"])  # noqa: S606
    except OSError as error:
        raise SetUpError(EXECUTE_STEP, error.errno or 0) from error

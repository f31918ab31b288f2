"""The process that holds the network of one job: a bridge in a network namespace, and its way out.

It runs as the launcher does. Containers connect themselves (``namespaces.join_network``), each from the launcher's own
process, and with the last process of a container its connection goes.

It ends on ``K``, and as soon as nobody can use the network any more: with its starter, or, when the network has a
directory of its own (``keep``), once the starter is gone, no container is connected, and nobody holds the lock on
``users_file``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys

from seatrial.engines.launcher import helpers, links, namespaces
from seatrial.engines.launcher.instructions import CONTROL_FILE, KILL, STARTED_FILE, read_line
from seatrial.engines.launcher.syscalls import SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from typing import NoReturn

    from seatrial.engines.launcher.instructions import Report, Switch

_OUTBOUND_INTERFACE = "tap0"


def main() -> NoReturn:
    """Entry point: the number of the control socket is the last argument."""
    control = int(sys.argv[-1])
    switch: Switch = json.loads(read_line(control))
    os.set_inheritable(control, False)
    if switch["keep"] is not None:
        os.set_inheritable(switch["keep"]["lease_fd"], False)
    outbound = 0
    try:
        outbound = _start(switch)
        events = links.open_link_events()
        if switch["keep"] is not None:
            _note_start(switch["keep"]["path"])
        _report(control, {"ready": True, "pid": os.getpid()})
        _hold(switch, control, events)
    except SetUpError as error:
        _report(control, {"failure": {"step": error.step, "errno": error.errno, "detail": error.detail}})
        os._exit(127)
    if switch["keep"] is not None:
        with contextlib.suppress(OSError):  # nobody is to find us from here on
            os.unlink(f"{switch['keep']['path']}/{STARTED_FILE}")
    if outbound:
        os.kill(outbound, signal.SIGKILL)
        os.waitpid(outbound, 0)
    os._exit(0)


def _start(switch: Switch) -> int:
    """Make the network; returns the number of the process that is its way out, or 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = switch["outbound_program"]
    outbound = None if program is None else helpers.Outbound(program, _OUTBOUND_INTERFACE, is_configured=False)
    if switch["needs_user_namespace"]:
        namespaces.enter_user_namespace()
    namespaces.enter_network_namespace()
    here = links.Links()
    here.add_bridge(namespaces.BRIDGE)
    if outbound is not None:
        outbound.connect()
        here.add_to_bridge(_OUTBOUND_INTERFACE, links.link_index(namespaces.BRIDGE), helpers.MTU_BYTES)
    here.close()
    return 0 if outbound is None else outbound.pid


def _note_start(directory: str) -> None:
    """Tell a later process whose namespaces to enter; the lease says whether the number still means us."""
    path = f"{directory}/{STARTED_FILE}"
    with open(f"{path}.partial", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    os.replace(f"{path}.partial", path)


def _report(control: int, report: Report) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(control, json.dumps(report).encode() + b"\n")


def _hold(switch: Switch, control: int, events: int) -> None:
    """Return when the network is to end."""
    keep = switch["keep"]
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(events, select.POLLIN)
    commands = -1
    if keep is not None:
        # Open for writing too, so that it never ends.
        commands = os.open(f"{keep['path']}/{CONTROL_FILE}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        poll.register(commands, select.POLLIN)
    has_starter = True
    while True:
        for fd, _ in poll.poll():
            if fd == events:
                links.drain(events)
                continue
            command = _read(fd)
            if KILL in command or (not command and keep is None):
                return
            if not command:
                poll.unregister(fd)
                has_starter = False
        if not has_starter and not _is_used(switch["users_file"]):
            return


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except ConnectionResetError:
        return b""


def _is_used(users_file: str | None) -> bool:
    if any(name.startswith(namespaces.PORT_PREFIX) for name in links.link_names()):
        return True
    if users_file is None:
        return False
    try:
        users = os.open(users_file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(users)
        return True
    return False  # the lock ends with us: from here on nobody gets it

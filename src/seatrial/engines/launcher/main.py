"""The launcher: read the instructions, make the container, follow it to its end, clean up, end as it ended.

Rules:

- One thread, so that PR_SET_PDEATHSIG of its children means "the launcher has ended".
- The control socket's end means that the caller is gone: everything is killed and cleaned up all the same. Only a
  container with a directory of its own (``keep``) goes on; what it is told and how it ends passes through files there.
- Clean-up happens once, here, after the last process of the container has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys

from seatrial.engines.launcher import container, descendants, helpers
from seatrial.engines.launcher.instructions import CONTROL_FILE, END_FILE, KILL, STARTED_FILE, TERMINATE, read_line
from seatrial.engines.launcher.syscalls import SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from seatrial.engines.launcher.instructions import Failure, Instructions, Report

_HOST_RELAY = "host ports"
_RELAY = "relay"


def main() -> NoReturn:
    """Entry point: the number of the control socket is the last argument."""
    control = int(sys.argv[-1])
    instructions: Instructions = json.loads(read_line(control))
    os.set_inheritable(control, False)
    for listener in instructions["listeners"]:
        os.set_inheritable(listener["fd"], False)
    for descriptor in _namespace_fds(instructions):
        os.set_inheritable(descriptor, False)
    if instructions["keep"] is not None:
        os.set_inheritable(instructions["keep"]["lease_fd"], False)
    launcher = _Launcher(instructions, control)
    try:
        launcher.start()
        exit_code = launcher.follow()
        launcher.clean_up()
        launcher.report_end({"exit_code": exit_code, "oom_kill_count": launcher.oom_kill_count})
    except SetUpError as error:
        launcher.kill_all()
        launcher.clean_up()
        launcher.report({"failure": {"step": error.step, "errno": error.errno, "detail": error.detail}})
        exit_code = 127
    os._exit(exit_code)


def _namespace_fds(instructions: Instructions) -> list[int]:
    peers = instructions["peers"]
    return [] if peers is None else [fd for fd in (peers["user_fd"], peers["network_fd"]) if fd is not None]


class _Launcher:
    def __init__(self, instructions: Instructions, control: int) -> None:
        self._instructions = instructions
        self._control = control
        self._program = 0
        self._helpers: dict[str, int] = {}
        self._relay_stops: list[Callable[[], None]] = []
        """They tell the relays that the container has ended."""
        self.oom_kill_count = 0
        self._keep = instructions["keep"]
        self._commands = -1 if self._keep is None else _open_commands(self._keep["path"])
        self._child_ended = _wake_on_child_end()

    def start(self) -> None:
        """Make the container and start the program in it.

        Raises:
            SetUpError: a step failed; what was made must be cleaned up.
        """
        instructions = self._instructions
        outbound = None
        if instructions["outbound_program"] is not None:
            outbound = helpers.Outbound(instructions["outbound_program"], helpers.INTERFACE, is_configured=True)
            self._helpers["outbound network"] = outbound.pid
        if instructions["has_namespaces"]:
            self._enter_namespaces(self._start_host_relay())
        elif sys.platform == "linux":
            from seatrial.engines.launcher import syscalls  # noqa: PLC0415

            syscalls.adopt_orphans()
        status_in, status_out = os.pipe()
        gate_in, gate_out = os.pipe()
        self._program = os.fork()
        if self._program == 0:
            os.close(gate_out)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            container.run(instructions, status_out, gate_in)
        os.close(status_out)
        os.close(gate_in)
        if outbound is not None:
            outbound.connect()
        if self._keep is not None:
            os.close(os.open(f"{self._keep['path']}/{STARTED_FILE}", os.O_WRONLY | os.O_CREAT, 0o600))
        with contextlib.suppress(BrokenPipeError):
            os.write(gate_out, b"1")
        os.close(gate_out)
        _raise_failure(status_in)
        self.report({"ready": True})

    def _start_host_relay(self) -> helpers.HostRelay | None:
        if not self._instructions["host_ports"]:
            return None
        host_relay = helpers.HostRelay(self._instructions["host_ports"])
        self._helpers[_HOST_RELAY] = host_relay.pid
        self._relay_stops.append(host_relay.stop)
        return host_relay

    def _enter_namespaces(self, host_relay: helpers.HostRelay | None) -> None:
        from seatrial.engines.launcher import namespaces  # noqa: PLC0415 (Linux only)

        peers = self._instructions["peers"]
        if peers is not None:
            namespaces.join_network(peers)
        else:
            if self._instructions["needs_user_namespace"]:
                namespaces.enter_user_namespace()
            if self._instructions["has_private_network"]:
                namespaces.enter_network_namespace()
        if host_relay is not None:
            host_relay.connect()
        self._start_relay()  # before our children become the container's processes
        namespaces.enter_process_namespace()

    def _start_relay(self) -> None:
        listeners = self._instructions["listeners"]
        if not listeners:
            return
        ports = {listener["fd"]: listener["container_port"] for listener in listeners}
        stop_in, stop_out = os.pipe()
        self._relay_stops.append(lambda: os.close(stop_out))
        self._helpers[_RELAY] = helpers.fork(lambda: _relay(ports, stop_in, self._relay_stops))
        for fd in (*ports, stop_in):
            os.close(fd)

    def follow(self) -> int:
        """Obey the caller until the program has ended, and everything it started with it; returns its exit code."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._child_ended, select.POLLIN)
        if self._commands >= 0:
            poll.register(self._commands, select.POLLIN)
        status = self._reap()
        while status is None:
            for fd, _ in poll.poll():
                if fd in (self._control, self._commands):
                    self._obey(fd, poll)
                else:
                    os.read(fd, 4096)
            status = self._reap()
        if not self._instructions["has_namespaces"]:
            descendants.kill_all(self._program)
        self._program = 0
        self._end_helpers()
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _obey(self, fd: int, poll: select.poll) -> None:
        try:
            command = os.read(fd, 4096)
        except ConnectionResetError:
            command = b""
        if not command:
            poll.unregister(fd)
            if self._keep is not None:
                return
        if not command or KILL in command:
            self._kill_program()
        elif TERMINATE in command:
            os.kill(self._program, signal.SIGTERM)

    def _kill_program(self) -> None:
        if not self._program:
            return
        os.kill(self._program, signal.SIGKILL)
        if not self._instructions["has_namespaces"]:
            descendants.kill_group(self._program)

    def _reap(self) -> int | None:
        """The program's wait status once it has ended; ends of others are taken note of."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == self._program:
                return status
            if pid == 0:
                return None
            for name in [name for name, helper in self._helpers.items() if helper == pid]:
                del self._helpers[name]
                _say(f"seatrial: the container's {name} process has ended")

    def _end_helpers(self) -> None:
        """Let the relays deliver what is on its way, then end the others."""
        for stop in self._relay_stops:
            stop()
        self._relay_stops.clear()
        for name in (_RELAY, _HOST_RELAY):
            relay = self._helpers.pop(name, None)
            if relay is not None:
                os.waitpid(relay, 0)
        for pid in self._helpers.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._helpers.clear()

    def kill_all(self) -> None:
        """After a failed start: end whatever was started."""
        self._kill_program()
        if self._program:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._program, 0)
        for name in self._helpers.keys() & {_RELAY, _HOST_RELAY}:
            os.kill(self._helpers[name], signal.SIGKILL)
        self._end_helpers()

    def clean_up(self) -> None:
        """Remove what was made on the host."""
        instructions = self._instructions
        if instructions["oom_kill_file"] is not None:
            self.oom_kill_count = _read_oom_kills(instructions["oom_kill_file"])
        for path in instructions["cgroup_dirs"]:
            descendants.remove_control_group(path)
        for path in instructions["cleanup_paths"]:
            with contextlib.suppress(OSError):
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        if instructions["scratch_dir"] is not None:
            from pathlib import Path  # noqa: PLC0415 (needed without namespaces only)

            from seatrial.core.trees import remove_tree  # noqa: PLC0415

            remove_tree(Path(instructions["scratch_dir"]))

    def report_end(self, report: Report) -> None:
        """The last report, also for whoever asks when we are gone."""
        if self._keep is not None:
            path = f"{self._keep['path']}/{END_FILE}"
            with contextlib.suppress(OSError):  # a full disk: the container then counts as lost
                with open(f"{path}.partial", "w", encoding="ascii") as file:
                    json.dump(report, file)
                os.replace(f"{path}.partial", path)
        self.report(report)

    def report(self, report: Report) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(self._control, json.dumps(report).encode() + b"\n")


def _open_commands(directory: str) -> int:
    """The FIFO of a kept container; opened for writing too, so that it never ends."""
    return os.open(f"{directory}/{CONTROL_FILE}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _say(line: str) -> None:
    """Add a line to the container's output; the caller, who reads it, may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, line.encode() + b"\n")


def _relay(ports: dict[int, int], stop_in: int, stops: list[Callable[[], None]]) -> None:
    from seatrial.engines.launcher import relay  # noqa: PLC0415 (its imports run beside the rest of the start)

    for stop in stops:  # our copies would keep the relays from learning it
        stop()
    targets = {fd: (relay.CONTAINER_ADDRESS, port) for fd, port in ports.items()}
    relay.run(targets, stop_in, helpers.RELAY_DRAIN_SECONDS)


def _wake_on_child_end() -> int:
    """A descriptor that becomes readable when a child ends."""
    wake_in, wake_out = os.pipe()
    os.set_blocking(wake_in, False)
    os.set_blocking(wake_out, False)
    signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wake_in


def _raise_failure(status_in: int) -> None:
    """Wait until the program runs, or raise what its process says instead."""
    data = b""
    while chunk := os.read(status_in, 4096):
        data += chunk
    os.close(status_in)
    if data:
        failure: Failure = json.loads(data)
        raise SetUpError(failure["step"], failure["errno"], failure["detail"])


def _read_oom_kills(path: str) -> int:
    """The count in a control group's ``memory.events`` (v2) or ``memory.oom_control`` (v1)."""
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0

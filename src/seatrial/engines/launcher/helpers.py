"""Processes beside the program that end with the launcher: the way out, and the way to ports of the host."""

from __future__ import annotations

import os
import select
import signal
import struct

from seatrial.engines.launcher import syscalls
from seatrial.engines.launcher.syscalls import SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

_OUTBOUND_READY_SECONDS = 10.0
_BACKLOG = 4096

RELAY_DRAIN_SECONDS = 2.0
"""How long connections may go on delivering what the program had written before it ended."""

INTERFACE = "eth0"
"""As in SageMaker's containers and their ``resourceconfig.json``."""

MTU_BYTES = 65520
"""The most that slirp4netns takes: its throughput grows with it."""


def fork(run: Callable[[], None]) -> int:
    """Run a function in a child that ends with the launcher; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        syscalls.die_with_parent(signal.SIGKILL)
        run()
    finally:
        os._exit(0)


class Outbound:
    """slirp4netns: carries the container's traffic to the outside from a process in the host's network.

    It has to be born before the launcher leaves the host's namespaces, and to start after that.

    Args:
        program: Its path.
        interface: What it makes in the launcher's network.
        is_configured: Whether the interface gets an address and the default route; otherwise it is not brought up.
    """

    def __init__(self, program: str, interface: str, *, is_configured: bool) -> None:
        self._go_in, self._go_out = os.pipe()
        self._ready_in, self._ready_out = os.pipe()
        self._errors = os.memfd_create("slirp4netns errors")
        launcher = os.getpid()
        self.pid = fork(lambda: self._run(program, launcher, interface, is_configured=is_configured))
        os.close(self._go_in)
        os.close(self._ready_out)

    def _run(self, program: str, launcher: int, interface: str, *, is_configured: bool) -> None:
        os.close(self._go_out)
        if not os.read(self._go_in, 1):
            return
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(self._errors, 2)
        os.set_inheritable(self._ready_out, True)
        options = [f"--mtu={MTU_BYTES}", "--disable-host-loopback", f"--ready-fd={self._ready_out}"]
        if is_configured:
            options.append("--configure")
        os.execv(program, [program, *options, str(launcher), interface])  # noqa: S606

    def connect(self) -> None:
        """Bring the way out up; the launcher is in the container's network now.

        Raises:
            SetUpError: slirp4netns ended or did not answer.
        """
        os.write(self._go_out, b"1")
        os.close(self._go_out)
        ready, _, _ = select.select([self._ready_in], [], [], _OUTBOUND_READY_SECONDS)
        if not ready or not os.read(self._ready_in, 1):
            os.lseek(self._errors, 0, os.SEEK_SET)
            detail = " ".join(os.read(self._errors, 4096).decode(errors="replace").split())
            raise SetUpError("start slirp4netns", 0, detail or "no answer")
        os.close(self._ready_in)
        os.close(self._errors)


class HostRelay:
    """Carries connections from ports of the container's loopback to the same ports of the host's.

    As with ``Outbound``, its process has to be born in the host's network. The listening sockets are made in the
    container's and handed over; so no other port of the host is reached.
    """

    def __init__(self, ports: list[int]) -> None:
        import _socket  # noqa: PLC0415 (the socket module costs 10 ms more)

        self._ports = ports
        self._ours, theirs = _socket.socketpair()
        self.pid = fork(lambda: self._run(theirs))
        theirs.close()

    def _run(self, control: _socket.socket) -> None:
        from seatrial.engines.launcher import relay  # noqa: PLC0415 (its imports run beside the rest of the start)

        self._ours.close()
        go, handed_over, _, _ = control.recvmsg(1, 4 * len(self._ports) + 64)
        if not go:
            return
        fds = struct.unpack(f"{len(self._ports)}i", handed_over[0][2])
        targets = {fd: (relay.HOST_ADDRESS, port) for fd, port in zip(fds, self._ports, strict=True)}
        relay.run(targets, control.fileno(), RELAY_DRAIN_SECONDS)

    def connect(self) -> None:
        """Listen in the container's network, in which the launcher is now.

        Raises:
            SetUpError: a port cannot be had.
        """
        import _socket  # noqa: PLC0415

        listeners = []
        for port in self._ports:
            listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen(_BACKLOG)
            except OSError as error:
                raise SetUpError(f"lead port {port} to the host", error.errno or 0) from error
            listeners.append(listener)
        fds = struct.pack(f"{len(listeners)}i", *(listener.fileno() for listener in listeners))
        self._ours.sendmsg([b"1"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, fds)])
        for listener in listeners:
            listener.close()

    def stop(self) -> None:
        """Tell it that the container has ended."""
        self._ours.close()

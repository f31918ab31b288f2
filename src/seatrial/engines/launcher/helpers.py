"""Processes beside the program that end with the launcher: the relay and the way out."""

from __future__ import annotations

import os
import select
import signal

from seatrial.engines.launcher import syscalls
from seatrial.engines.launcher.syscalls import SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Callable

_OUTBOUND_READY_SECONDS = 10.0

OUTBOUND_INTERFACE = "eth0"
"""As in SageMaker's containers and their ``resourceconfig.json``."""


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
    """

    def __init__(self, program: str) -> None:
        self._go_in, self._go_out = os.pipe()
        self._ready_in, self._ready_out = os.pipe()
        self._errors = os.memfd_create("slirp4netns errors")
        launcher = os.getpid()
        self.pid = fork(lambda: self._run(program, launcher))
        os.close(self._go_in)
        os.close(self._ready_out)

    def _run(self, program: str, launcher: int) -> None:
        os.close(self._go_out)
        if not os.read(self._go_in, 1):
            return
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(self._errors, 2)
        os.set_inheritable(self._ready_out, True)
        options = ["--configure", "--mtu=65520", "--disable-host-loopback", f"--ready-fd={self._ready_out}"]
        os.execv(program, [program, *options, str(launcher), OUTBOUND_INTERFACE])  # noqa: S606

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

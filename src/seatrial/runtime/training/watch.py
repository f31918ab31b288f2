"""Run the algorithm module in a process of its own, so that one is left to tell how it died.

    train, process 1 ── the same program, forked: imports the user's module and reports what it raises

An exception is told by the process that it was raised in. A crash of native code, ``os._exit`` and the kernel's memory
killer leave it no time for that, and as process 1 it would take the whole container along.

Rules:

1. The fork comes before any code of the user's: nothing runs yet that a fork could break.
2. A signal that somebody sends to the first process is passed on. One that the terminal sends (Ctrl-C) is not: both
   are in the terminal's group and have it already.
3. The first process dies: so does the other one, by SIGKILL, as in a container.
4. As process 1 of a container, the first process reaps the orphans that end up with it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys

_PASSED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
_OF_TERMINALS = {signal.SIGINT, signal.SIGQUIT}


def fork_and_watch() -> int | None:
    """Fork; to be called from the main thread, while there is no other.

    Returns:
        ``None`` in the new process, which goes on from here. In the first one, when the new one has ended: its exit
        code, or minus the number of the signal that killed it.
    """
    # Blocked before the fork: none is lost between it and the wait, and none is handled in both processes.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD})
    lifeline, held = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    gc.freeze()  # a collection, such as each process's last one, would write to, and so copy, every shared page
    child = os.fork()
    if child == 0:
        os.close(held)
        _die_with_writer_of(lifeline)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return None
    os.close(lifeline)
    while True:
        number, is_terminal_s = _next_signal()
        if number == signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                return os.waitstatus_to_exitcode(status)
        elif not is_terminal_s:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)


def _next_signal() -> tuple[int, bool]:
    """Wait for a signal; returns its number and whether the terminal sent it."""
    if hasattr(signal, "sigwaitinfo"):  # macOS has none
        info = signal.sigwaitinfo({*_PASSED_ON, signal.SIGCHLD})
        return info.si_signo, info.si_code > 0  # a process's kill() has 0, other senders less
    number = signal.sigwait({*_PASSED_ON, signal.SIGCHLD})
    return number, number in _OF_TERMINALS  # which cannot be told there; a Ctrl-C is likelier


def _reap(child: int) -> int | None:
    """Reap all that has ended; returns the status of the child when it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                found = status
    return found


def _die_with_writer_of(lifeline: int) -> None:
    """Have the kernel kill this process when the last writer of the pipe has gone.

    Not by PR_SET_PDEATHSIG, which takes ctypes: seven milliseconds of every start. Where the kernel cannot do it, a
    process whose parent was killed outside of a container goes on alone.
    """
    import fcntl  # noqa: PLC0415 (for this process only)

    if not hasattr(fcntl, "F_SETSIG"):
        return
    with contextlib.suppress(OSError):
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

"""Ctrl-C, SIGTERM and a closed terminal, turned into a polite stop first and an abrupt one after."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED_EXIT_CODE = 130
"""What shells say of a program that Ctrl-C ended."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILLING_SIGNAL = 2


class Signals:
    """What the signals of one command do; see ``stop_on_signals``."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._count = 0
        self._is_held = False

    @property
    def has_killed(self) -> bool:
        return self._count >= _KILLING_SIGNAL

    def hold(self) -> None:
        """From now on signals do nothing: what is left to do is short and must be done."""
        self._is_held = True

    def handle(self, signal_number: int, frame: FrameType | None) -> None:
        if self._is_held:
            return
        self._count += 1
        if self._count == 1:
            self._stop()
        elif self._count == _KILLING_SIGNAL:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[Signals]:
    """The first SIGINT, SIGTERM or SIGHUP calls ``stop``; the second raises KeyboardInterrupt; further ones do nothing.

    What the second one sets off is the removal of the container and of the work directory: it must not be interrupted,
    up to the end of the process. A signal that was ignored before, as SIGHUP under ``nohup``, stays so.
    """
    signals = Signals(stop)
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if signals.has_killed else handler)

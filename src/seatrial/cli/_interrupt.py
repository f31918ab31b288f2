"""Ctrl-C and SIGTERM for a command that has nothing to save: everything is removed at once."""

from __future__ import annotations

import signal
import sys
from types import FrameType


class Interrupt:
    """The first SIGINT or SIGTERM raises KeyboardInterrupt; further ones do not interrupt the removal that follows.

    Python drops an exception that a signal raises while an object is being destroyed, so ``check`` raises it again.
    """

    def __init__(self) -> None:
        self._has_come = False
        self._previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._previous_hook = sys.unraisablehook

    def check(self) -> None:
        """Raise KeyboardInterrupt when a signal has come."""
        if self._has_come:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupt:
        for number in self._previous:
            signal.signal(number, self._handle)
        sys.unraisablehook = self._report_dropped
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._previous_hook
        if exc_type is None:
            self.check()

    def _handle(self, signal_number: int, frame: FrameType | None) -> None:
        if not self._has_come:
            self._has_come = True
            raise KeyboardInterrupt

    def _report_dropped(self, dropped: sys.UnraisableHookArgs) -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            self._previous_hook(dropped)

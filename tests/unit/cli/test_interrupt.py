"""Signals during a command that removes everything at once."""

import signal

import pytest

from seatrial.cli._interrupt import Interrupt


class Doomed:
    """Its destruction meets the signal."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def receive_three_signals() -> None:
    with Interrupt():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)


def destroy_the_doomed(reached: list[str]) -> None:
    with Interrupt() as interrupt:
        doomed = Doomed()
        del doomed
        reached.append("after the signal")
        interrupt.check()
        reached.append("after the check")


def destroy_the_doomed_without_a_check() -> None:
    with Interrupt():
        doomed = Doomed()
        del doomed


def test_interrupt_raises_once_and_gives_the_handlers_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt) as caught:
        receive_three_signals()

    assert caught.value.__context__ is None
    assert signal.getsignal(signal.SIGTERM) is before


def test_interrupt_that_python_drops_is_raised_by_check(capsys: pytest.CaptureFixture[str]) -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        destroy_the_doomed(reached)

    assert reached == ["after the signal"]
    assert capsys.readouterr().err == ""


def test_interrupt_that_python_drops_is_raised_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt):
        destroy_the_doomed_without_a_check()

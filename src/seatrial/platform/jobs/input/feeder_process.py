"""A process of its own for the Pipe channels of one host. ``feed_plan`` says why, and what its directory holds.

It ends when it is asked to, and by itself when nobody is left to ask: once the platform that started it is gone, it
waits for the container's end with the engine's help.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from seatrial.core.errors import EngineError, SeatrialError
from seatrial.platform.engine_choice import Engines
from seatrial.platform.jobs.input.content import download_failed, read_content
from seatrial.platform.jobs.input.feed_plan import (
    CONTROL_FILE,
    END_FILE,
    PLAN_FILE,
    PROBLEM_FILE,
    SPOOL_DIRECTORY,
    Answer,
    FeedPlan,
)
from seatrial.platform.jobs.input.pipe_feeder import PipeFeeder

_ENGINE_PAUSE_SECONDS = 1.0
"""Between two questions to an engine that does not answer."""


def main() -> NoReturn:
    """Entry point: the directory is the last argument; standard input ends with the platform."""
    directory = Path(sys.argv[-1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the platform: the container goes on
        signal.signal(number, signal.SIG_IGN)
    control = os.open(directory / CONTROL_FILE, os.O_RDWR | os.O_CLOEXEC)  # for writing too, so that it never ends
    plan = msgspec.json.decode((directory / PLAN_FILE).read_bytes(), type=FeedPlan)
    feeders: list[PipeFeeder] = []
    answer = Answer()
    try:
        _start(plan, directory, feeders)
    except (SeatrialError, OSError) as error:
        answer = Answer(problem=_sentence(error))
    _say(answer)
    if answer.problem is None:
        threading.Thread(target=_end_without_platform, args=(plan, directory), daemon=True).start()
        os.read(control, 1)
    for feeder in feeders:
        feeder.stop()
    with contextlib.suppress(OSError):  # the directory is gone, or the disk is full: it counts as killed then
        (directory / END_FILE).touch()
    os._exit(0)


def _start(plan: FeedPlan, directory: Path, feeders: list[PipeFeeder]) -> None:
    source = plan.source.open()
    on_problem = _teller(directory)
    for fed in plan.channels:
        feeder = PipeFeeder(
            read_content(fed.channel, source),
            source,
            data_dir=Path(plan.data_dir),
            spool_dir=directory / SPOOL_DIRECTORY,
            on_problem=on_problem,
            host_index=fed.host_index,
            host_count=fed.host_count,
        )
        feeders.append(feeder)
        feeder.start()


def _sentence(error: Exception) -> str:
    if isinstance(error, SeatrialError) and error.code == "data-download-failed":
        return error.sentence()
    return download_failed(error).sentence()


def _say(answer: Answer) -> None:
    with contextlib.suppress(BrokenPipeError):  # the platform is gone already
        os.write(1, msgspec.json.encode(answer) + b"\n")


def _teller(directory: Path) -> Callable[[SeatrialError], None]:
    """Notes the first problem, whole or not at all."""
    lock = threading.Lock()

    def tell(error: SeatrialError) -> None:
        with lock:
            if (directory / PROBLEM_FILE).exists():
                return
            partial = directory / f"{PROBLEM_FILE}.partial"
            partial.write_text(error.sentence(), encoding="utf-8")
            os.replace(partial, directory / PROBLEM_FILE)

    return tell


def _end_without_platform(plan: FeedPlan, directory: Path) -> None:
    """Ask this process to end when neither the platform nor the container is there any more."""
    while os.read(0, 4096):
        pass
    if plan.keep_dir is not None:
        _await_container(plan.image, Path(plan.keep_dir))
    control = os.open(directory / CONTROL_FILE, os.O_WRONLY | os.O_CLOEXEC)
    os.write(control, b"S")


def _await_container(image: str, keep_dir: Path) -> None:
    pause = threading.Event()
    while True:
        try:
            Engines().engine_for(image).wait_for_end(keep_dir)
        except EngineError:  # restarted, as a rule; the next platform may ask us to end meanwhile
            pause.wait(_ENGINE_PAUSE_SECONDS)
        else:
            return

"""The rules of containers that outlive their starter as tests: inherit beside ``EngineSuite``."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from seatrial.core.errors import EngineError
from seatrial.engines.base import ContainerSpec, Engine, ExitStatus, Handle
from seatrial.testing.engine_suite import DEADLINE_SECONDS, Lines

_COUNT = [str(number) for number in range(1, 11)]


class KeptContainerSuite:
    """Contract tests of ``Engine.start`` with a ``keep_dir``, and of ``Engine.find``."""

    engine_factory: Callable[[], Engine]
    """Makes an engine like the one under test, in another process."""

    @pytest.fixture
    def keep_dir(self, tmp_path: Path, engine: Engine) -> Iterator[Path]:
        """Where a container is kept; it is removed at the end."""
        keep_dir = tmp_path / "keep"
        yield keep_dir
        try:
            handle = engine.find(ContainerSpec(image="any"), lambda _: None, keep_dir)
        except EngineError:
            return
        if handle is not None:
            handle.remove()

    def start_and_die(self, image: str, keep_dir: Path, *arguments: str) -> ContainerSpec:
        """Start a container in a process that is killed right after."""
        spec = ContainerSpec(image=image, arguments=arguments)
        context = multiprocessing.get_context("spawn")
        has_started = context.Event()
        starter = context.Process(target=_start, args=(self.engine_factory, spec, keep_dir, has_started), daemon=True)
        starter.start()
        assert has_started.wait(DEADLINE_SECONDS)
        assert starter.pid is not None
        os.kill(starter.pid, signal.SIGKILL)
        starter.join()
        return spec

    def test_kept_container_is_found_with_all_its_output(self, engine: Engine, image: str, keep_dir: Path) -> None:
        spec = self.start_and_die(image, keep_dir, "count-then-stop")
        lines = Lines()
        handle = engine.find(spec, lines, keep_dir)

        assert handle is not None
        lines.wait_for("5")
        assert handle.stop(DEADLINE_SECONDS) == ExitStatus(exit_code=7)
        assert lines.all == _COUNT

    def test_kept_container_that_has_ended_is_found_again_and_again(
        self, engine: Engine, image: str, keep_dir: Path
    ) -> None:
        spec = self.start_and_die(image, keep_dir, "count", "10")
        for _ in range(2):
            lines = Lines()
            handle = engine.find(spec, lines, keep_dir)
            assert handle is not None
            assert _wait(handle).is_success
            assert lines.all == _COUNT

    def test_kept_container_is_killed_by_who_finds_it(self, engine: Engine, image: str, keep_dir: Path) -> None:
        spec = self.start_and_die(image, keep_dir, "ignore-stop")
        lines = Lines()
        handle = engine.find(spec, lines, keep_dir)
        assert handle is not None
        lines.wait_for("ready")
        handle.kill()

        assert _wait(handle).signal_number == 9

    def test_end_of_a_kept_container_is_waited_for_by_others(self, engine: Engine, image: str, keep_dir: Path) -> None:
        engine.wait_for_end(keep_dir)  # nothing was started there yet
        spec = self.start_and_die(image, keep_dir, "ignore-stop")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(engine.wait_for_end, keep_dir)
            lines = Lines()
            handle = engine.find(spec, lines, keep_dir)
            assert handle is not None
            lines.wait_for("ready")
            assert not waiting.done()
            handle.kill()
            waiting.result(DEADLINE_SECONDS)
        assert _wait(handle).signal_number == 9
        engine.wait_for_end(keep_dir)

    def test_removed_container_is_not_found(self, engine: Engine, image: str, keep_dir: Path) -> None:
        lines = Lines()
        spec = ContainerSpec(image=image, arguments=("count-then-stop",))
        handle = engine.start(spec, lines, keep_dir)
        lines.wait_for("5")
        handle.remove()

        assert not keep_dir.exists()
        assert engine.find(spec, lines, keep_dir) is None
        engine.start(spec, lines, keep_dir).remove()

    def test_kept_container_keeps_the_rules_of_output_and_end(self, engine: Engine, image: str, keep_dir: Path) -> None:
        lines = Lines()
        handle = engine.start(ContainerSpec(image=image, arguments=("count", "10000")), lines, keep_dir)

        assert _wait(handle).is_success
        assert lines.all == [str(number) for number in range(1, 10001)]

    def test_kept_containers_that_end_at_once_lose_no_line(self, engine: Engine, image: str, tmp_path: Path) -> None:
        def run(number: int) -> list[str]:
            lines = Lines()
            spec = ContainerSpec(image=image, arguments=("odd-output",))
            with engine.start(spec, lines, tmp_path / f"keep-{number}") as handle:
                assert _wait(handle).is_success
            return lines.all

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(run, range(24))) == [["pi\N{REPLACEMENT CHARACTER}ata", "", "no end"]] * 24

    def test_find_where_nothing_was_started_is_none(self, engine: Engine, keep_dir: Path) -> None:
        assert engine.find(ContainerSpec(image="any"), lambda _: None, keep_dir) is None

    def test_failed_start_leaves_nothing_to_find(self, engine: Engine, image: str, keep_dir: Path) -> None:
        spec = ContainerSpec(image=image, arguments=("no-such-program",))
        with pytest.raises(Exception, match="no-such-program"):
            engine.start(spec, lambda _: None, keep_dir)

        assert engine.find(spec, lambda _: None, keep_dir) is None


def _start(make: Callable[[], Engine], spec: ContainerSpec, keep_dir: Path, has_started: Event) -> None:
    make().start(spec, lambda _: None, keep_dir)
    has_started.set()
    signal.pause()


def _wait(handle: Handle) -> ExitStatus:
    status = handle.wait(DEADLINE_SECONDS)
    assert status is not None
    return status

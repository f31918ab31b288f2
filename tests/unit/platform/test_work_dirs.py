"""Work directories: gone at the end, swept after a kill, never taken from a living process."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from seatrial.core.errors import ConfigError, EngineError
from seatrial.platform.work_dirs import LEASE_LABEL, WorkDirectory, sweep, work_directory
from seatrial.testing.fakes import FakeEngine


class OrphanEngine(FakeEngine):
    """Remembers which of some labels it was told to remove."""

    def __init__(self, *labels: Mapping[str, str]) -> None:
        super().__init__({})
        self.labels = list(labels)
        self.removed: list[Mapping[str, str]] = []

    def remove_orphans(self, is_orphan: Callable[[Mapping[str, str]], bool]) -> int:
        self.removed = [one for one in self.labels if is_orphan(one)]
        return len(self.removed)


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def leave_behind(parent: Path, site: str = "fake", token: str = "0123") -> Path:  # noqa: S107
    """What a killed process leaves."""
    root = parent / f"seatrial-work-{token}"
    (root / "work/ml").mkdir(parents=True)
    (root / "lease").write_text(f"{site} {token}\n")
    return root


def test_work_directory_is_gone_at_the_end(parent: Path) -> None:
    with work_directory(FakeEngine({})) as work:
        (work.path / "file").write_text("x")
        assert work.labels == {LEASE_LABEL: work.token}

    assert list(parent.iterdir()) == []


def test_work_directory_that_is_kept_is_not_swept_either(parent: Path) -> None:
    with work_directory(FakeEngine({})) as work:
        work.is_kept = True
    sweep(parent, FakeEngine({}))

    assert work.path.is_dir()


def test_sweep_removes_what_a_killed_command_left_and_its_containers(parent: Path) -> None:
    root = leave_behind(parent)
    engine = OrphanEngine({LEASE_LABEL: "0123"}, {LEASE_LABEL: "4567"}, {})

    sweep(parent, engine)

    assert engine.removed == [{LEASE_LABEL: "0123"}]
    assert not root.exists()


def test_sweep_leaves_living_commands_alone(parent: Path) -> None:
    with work_directory(FakeEngine({})) as work:
        engine = OrphanEngine(work.labels)
        sweep(parent, engine)
        assert engine.removed == []
        assert work.path.is_dir()


def test_sweep_leaves_other_engines_and_what_is_no_work_directory_alone(parent: Path) -> None:
    others = leave_behind(parent, site="docker")
    wrong_token = leave_behind(parent, token="89ab")  # noqa: S106
    (wrong_token / "lease").write_text("fake 0000\n")
    (parent / "target").mkdir()
    (parent / "seatrial-work-link").symlink_to(parent / "target")
    (parent / "seatrial-work-file").write_text("x")
    (parent / "seatrial-work-bare").mkdir()
    os.mkfifo(parent / "seatrial-work-bare/lease")

    sweep(parent, OrphanEngine())

    assert others.is_dir()
    assert len(list(parent.iterdir())) == 6


def test_sweep_leaves_the_directories_of_another_site_to_its_engine(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The containers of an engine at another DOCKER_HOST are not known here."""
    engine = OrphanEngine()
    monkeypatch.setattr(OrphanEngine, "site", "fake-2")
    second = leave_behind(parent, site="fake-2")
    first = leave_behind(parent, site="fake", token="4567")  # noqa: S106

    sweep(parent, engine)

    assert not second.exists()
    assert first.is_dir()
    with work_directory(engine) as work:
        assert (work.path.parent / "lease").read_text() == f"fake-2 {work.token}\n"


def test_sweep_keeps_the_directory_while_the_engine_does_not_answer(parent: Path) -> None:
    class Silent(FakeEngine):
        def remove_orphans(self, is_orphan: Callable[[Mapping[str, str]], bool]) -> int:
            raise EngineError("engine-not-ready", "no answer")

    root = leave_behind(parent)
    sweep(parent, Silent({}))

    assert root.is_dir()


def test_work_directory_is_gone_after_an_interrupt(parent: Path) -> None:
    def run() -> WorkDirectory:
        with work_directory(FakeEngine({})):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()

    assert list(parent.iterdir()) == []


def test_work_directory_whose_removal_is_cut_short_is_swept_later(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(top: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), work_directory(FakeEngine({})):
        patch.setattr("seatrial.platform.work_dirs.remove_tree", cut_short)
    assert list(parent.iterdir()) != []

    sweep(parent, FakeEngine({}))
    assert list(parent.iterdir()) == []


def test_work_directory_where_tmpdir_is_unusable_is_refused(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(parent / "gone"))

    with pytest.raises(ConfigError) as caught, work_directory(FakeEngine({})):
        pass
    assert caught.value.code == "temporary-directory-unusable"

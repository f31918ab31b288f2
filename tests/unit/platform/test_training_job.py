"""One training job over the fake engine: phases, outcomes, reasons."""

import json
from pathlib import Path

import pytest

from seatrial.contract.statuses import SecondaryStatus, TrainingJobStatus
from seatrial.contract.training import ChannelConfig
from seatrial.core.errors import ConfigError, EngineError
from seatrial.platform.jobs.staging import LocalChannel
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest
from seatrial.testing.fakes import FakeContainer, FakeEngine, Program

S = SecondaryStatus


class Run:
    """A training job with everything it reported."""

    def __init__(self, tmp_path: Path, program: Program, **request: object) -> None:
        self.phases: list[SecondaryStatus] = []
        self.lines: list[str] = []
        self.engine = FakeEngine({"tree": program})
        fields = {"training_job_name": "job-1", "image": "tree", "output_dir": tmp_path / "out", **request}
        self.request = TrainingRequest(**fields)  # type: ignore[arg-type]
        self.job = TrainingJob(
            self.engine,
            self.request,
            on_phase=self.phases.append,
            on_line=self.lines.append,
        )
        self.work_dir = tmp_path / "work"
        self.work_dir.mkdir()


def writes_a_model(container: FakeContainer) -> int:
    (container.path("/opt/ml/model") / "tree.pkl").write_bytes(b"model")
    container.print_line("trained")
    return 0


def test_run_good_program_completes_with_its_model(tmp_path: Path) -> None:
    run = Run(tmp_path, writes_a_model, hyperparameters={"a": "1"})
    result = run.job.run(run.work_dir)

    assert result.status is TrainingJobStatus.COMPLETED
    assert result.model_archive == tmp_path / "out" / "model.tar.gz"
    assert result.failure_reason is None
    assert run.phases == [S.STARTING, S.DOWNLOADING, S.TRAINING, S.UPLOADING, S.COMPLETED]
    assert run.lines == ["trained"]


def test_run_gives_the_container_what_sagemaker_gives(tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text("setosa,1,2,3,4\n")
    seen: dict[str, object] = {}

    def program(container: FakeContainer) -> int:
        seen["arguments"] = container.spec.arguments
        seen["environment"] = dict(container.spec.environment)
        config = container.path("/opt/ml/input/config")
        seen["hosts"] = json.loads((config / "resourceconfig.json").read_text())["hosts"]
        seen["data"] = (container.path("/opt/ml/input/data/training") / "iris.csv").read_text()
        return 0

    channel = LocalChannel(path=tmp_path / "iris.csv", config=ChannelConfig())
    run = Run(tmp_path, program, channels={"training": channel}, environment={"USER_KEY": "v"})
    run.job.run(run.work_dir)

    assert seen["arguments"] == ("train",)
    assert seen["hosts"] == ["algo-1"]
    assert seen["data"] == "setosa,1,2,3,4\n"
    environment = seen["environment"]
    assert isinstance(environment, dict)
    assert environment["TRAINING_JOB_NAME"] == "job-1"
    assert environment["TRAINING_JOB_ARN"].endswith(":training-job/job-1")
    assert environment["USER_KEY"] == "v"


def test_run_leaves_the_code_of_the_image_visible(tmp_path: Path) -> None:
    """Images in script mode have their code in /opt/ml/code; a mount at /opt/ml would hide it."""
    targets: list[str] = []

    def program(container: FakeContainer) -> int:
        targets.extend(str(mount.target) for mount in container.spec.mounts)
        return 0

    run = Run(tmp_path, program)
    run.job.run(run.work_dir)

    assert targets == ["/opt/ml/input", "/opt/ml/model", "/opt/ml/output"]


def test_run_failing_program_keeps_artifacts_reason_and_last_lines(tmp_path: Path) -> None:
    def program(container: FakeContainer) -> int:
        writes_a_model(container)
        for number in range(30):
            container.print_line(f"line {number}")
        container.path("/opt/ml/output/failure").write_text("no such column")
        return 3

    run = Run(tmp_path, program)
    result = run.job.run(run.work_dir)

    assert result.status is TrainingJobStatus.FAILED
    assert result.exit_code == 3
    assert result.failure_reason == "AlgorithmError: no such column, exit code: 3"
    assert result.model_archive is not None
    assert result.last_lines == tuple(f"line {number}" for number in range(10, 30))
    assert run.phases[-2:] == [S.UPLOADING, S.FAILED]


def test_run_stopped_job_keeps_what_was_saved_after_sigterm(tmp_path: Path) -> None:
    def program(container: FakeContainer) -> int:
        run.job.stop()
        container.terminated.wait(30)
        return writes_a_model(container)

    run = Run(tmp_path, program)
    result = run.job.run(run.work_dir)

    assert result.status is TrainingJobStatus.STOPPED
    assert result.secondary_status is S.STOPPED
    assert result.model_archive is not None
    assert run.phases[-3:] == [S.STOPPING, S.UPLOADING, S.STOPPED]


def test_run_ignoring_sigterm_is_killed_after_the_grace_period(tmp_path: Path) -> None:
    def program(container: FakeContainer) -> int:
        run.job.stop()
        container.killed.wait(30)
        return 0

    run = Run(tmp_path, program, stop_grace_seconds=0.01)
    result = run.job.run(run.work_dir)

    assert result.status is TrainingJobStatus.STOPPED
    assert result.exit_code == 137


def test_run_past_its_time_ends_as_max_runtime_exceeded(tmp_path: Path) -> None:
    def program(container: FakeContainer) -> int:
        container.terminated.wait(30)
        return 0

    run = Run(tmp_path, program, max_runtime_seconds=0.01)
    result = run.job.run(run.work_dir)

    assert result.status is TrainingJobStatus.STOPPED
    assert result.secondary_status is S.MAX_RUNTIME_EXCEEDED


def test_run_model_that_cannot_be_packed_fails_the_job_with_the_upload_reason(tmp_path: Path) -> None:
    def program(container: FakeContainer) -> int:
        (container.path("/opt/ml/model") / "latest").symlink_to("gone")
        return 0

    run = Run(tmp_path, program)
    result = run.job.run(run.work_dir)

    assert result.status is TrainingJobStatus.FAILED
    assert result.failure_reason is not None
    assert result.failure_reason.startswith("ClientError: Artifact upload failed:the link 'latest' leads nowhere")
    assert len(result.upload_problems) == 1


def test_run_unusable_output_starts_no_container(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    run = Run(tmp_path, writes_a_model, output_dir=tmp_path / "file")

    with pytest.raises(ConfigError) as caught:
        run.job.run(run.work_dir)

    assert caught.value.code == "output-unusable"
    assert run.engine.handles == []


@pytest.mark.parametrize("phase", [S.STARTING, S.DOWNLOADING])
def test_stop_before_the_container_starts_none(tmp_path: Path, phase: SecondaryStatus) -> None:
    (tmp_path / "iris.csv").write_text("1\n")
    channel = LocalChannel(path=tmp_path / "iris.csv", config=ChannelConfig())
    run = Run(tmp_path, writes_a_model, channels={"training": channel})
    job = TrainingJob(
        run.engine, run.request, on_phase=lambda entered: job.stop() if entered is phase else None, on_line=print
    )
    result = job.run(run.work_dir)

    assert result.secondary_status is S.STOPPED
    assert result.exit_code is None
    assert run.engine.handles == []


def test_run_output_directory_lost_meanwhile_fails_and_names_it(tmp_path: Path) -> None:
    def program(container: FakeContainer) -> int:
        (tmp_path / "out").rmdir()
        (tmp_path / "out").write_text("in the way")
        return writes_a_model(container)

    run = Run(tmp_path, program)
    result = run.job.run(run.work_dir)

    assert result.status is TrainingJobStatus.FAILED
    assert str(tmp_path / "out") in result.upload_problems[0]
    assert (run.work_dir / "ml/model/tree.pkl").read_bytes() == b"model"


def test_run_unknown_image_is_refused_before_anything_is_staged(tmp_path: Path) -> None:
    run = Run(tmp_path, writes_a_model, image="forest")

    with pytest.raises(EngineError) as caught:
        run.job.run(run.work_dir)

    assert caught.value.code == "image-not-found"
    assert not list(run.work_dir.iterdir())


def test_run_missing_channel_data_starts_no_container(tmp_path: Path) -> None:
    channel = LocalChannel(path=tmp_path / "gone", config=ChannelConfig())
    run = Run(tmp_path, writes_a_model, channels={"training": channel})

    with pytest.raises(ConfigError):
        run.job.run(run.work_dir)

    assert run.engine.handles == []

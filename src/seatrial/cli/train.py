"""``seatrial train``: one training job in a container, from its data to ``model.tar.gz``."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import click

from seatrial.cli._options import choose_engine, container_options, parse_pairs
from seatrial.cli._output import Output
from seatrial.cli._paths import FilledPath
from seatrial.cli._signals import INTERRUPTED_EXIT_CODE, stop_on_signals
from seatrial.contract.environment_limits import check_training_environment
from seatrial.contract.limits import MAX_RUNTIME_DEFAULT_SECONDS, MAX_RUNTIME_MAX_SECONDS, TRAINING_STOP_GRACE_SECONDS
from seatrial.contract.names import TRAINING_JOB_NAME
from seatrial.contract.statuses import SecondaryStatus, TrainingJobStatus
from seatrial.contract.training import ChannelConfig, check_hyperparameters
from seatrial.core.errors import ConfigError
from seatrial.core.exit_codes import describe_exit
from seatrial.core.trees import remove_tree
from seatrial.platform.jobs.staging import LocalChannel
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest, TrainingResult
from seatrial.platform.work_dirs import work_directory


@click.command("train")
@container_options
@click.option("--channel", "-c", "channels", multiple=True, metavar="NAME=PATH", help="An input channel; repeatable.")
@click.option(
    "--content-type", "content_types", multiple=True, metavar="NAME=TYPE", help="The content type of a channel."
)
@click.option(
    "--hyperparameter",
    "-H",
    "hyperparameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Always a string; repeatable.",
)
@click.option(
    "--output", type=FilledPath(path_type=Path), default=Path("seatrial-output"), show_default=True, metavar="DIR",
    help="Receives model.tar.gz and output.tar.gz.",
)  # fmt: skip
@click.option("--job-name", metavar="NAME", help="TrainingJobName (default: one made from the time).")
@click.option("--instance-type", default="ml.m5.large", show_default=True, help="What resourceconfig.json says.")
@click.option(
    "--max-runtime-seconds", type=click.IntRange(1, MAX_RUNTIME_MAX_SECONDS), default=MAX_RUNTIME_DEFAULT_SECONDS,
    show_default=True, help="Stop the job after this time.",
)  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="Do not show the container's log.")
@click.option("--json", "is_json", is_flag=True, help="Print the outcome as JSON on stdout, the log on stderr.")
def command(
    *,
    program: Path | None,
    image: str | None,
    python: Path | None,
    environment: tuple[str, ...],
    channels: tuple[str, ...],
    content_types: tuple[str, ...],
    hyperparameters: tuple[str, ...],
    output: Path,
    job_name: str | None,
    instance_type: str,
    max_runtime_seconds: int,
    quiet: bool,
    is_json: bool,
) -> int:
    """Run one training job in a container, as SageMaker does.

    The container is started with the argument 'train' and finds its hyperparameters, channels and configuration under
    /opt/ml. The exit code is the container's.
    """
    engine, image_uri = choose_engine(program, image, python)
    output = output.expanduser()
    request = TrainingRequest(
        training_job_name=_job_name(job_name),
        image=image_uri,
        output_dir=output,
        hyperparameters=_hyperparameters(hyperparameters),
        channels=_channels(channels, content_types),
        environment=_environment(environment),
        instance_type=instance_type,
        max_runtime_seconds=max_runtime_seconds,
    )
    with Output(is_quiet=quiet, is_json=is_json) as out:
        for sentence in engine.limitations():
            out.say(f"note: {sentence}")
        has_older_model = os.path.isfile(output / "model.tar.gz")
        follower = _Follower(out)
        try:
            with stop_on_signals(follower.stop) as signals, work_directory(engine) as work:
                job = TrainingJob(
                    engine, replace(request, labels=work.labels), on_phase=follower.enter_phase, on_line=out.log_line
                )
                follower.follow(job)
                result = job.run(work.path)
                signals.hold()
                if result.upload_problems:
                    work.is_kept = True
                    remove_tree(work.path / "ml" / "input")  # the user has the original
        except KeyboardInterrupt:
            out.say("interrupted: the container was killed, and what it had made is gone")
            return INTERRUPTED_EXIT_CODE
        _report(out, request, result, work.path, has_older_model=has_older_model, is_json=is_json)
    return _exit_code(result)


class _Follower:
    """Says each phase of a job, passes a stop on to it, and says what the stop means."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._phase: SecondaryStatus | None = None
        self._job: TrainingJob | None = None
        self._is_stopped = False

    def follow(self, job: TrainingJob) -> None:
        """The job that ``stop`` is for; one that was asked for before is passed on."""
        self._job = job
        if self._is_stopped:
            job.stop()

    def stop(self) -> None:
        """The user wants an end; called from a signal handler."""
        self._is_stopped = True
        if self._job is not None:
            self._job.stop()
        if self._phase is SecondaryStatus.UPLOADING:  # nobody else prints then
            self._out.say("the container has ended and its files are being packed; press Ctrl-C again to lose them")

    def enter_phase(self, phase: SecondaryStatus) -> None:
        if phase is SecondaryStatus.STOPPING and self._phase is SecondaryStatus.TRAINING:
            self._out.say(
                f"stopping: the container has {TRAINING_STOP_GRACE_SECONDS:g} seconds to save its model; "
                "press Ctrl-C again to kill it and lose what it made"
            )
        self._phase = phase
        self._out.phase(phase.value)


def _job_name(name: str | None) -> str:
    if name is None:
        return time.strftime("seatrial-%Y-%m-%d-%H-%M-%S", time.gmtime()) + f"-{os.getpid() % 1000:03d}"
    if not TRAINING_JOB_NAME.is_met_by(name):
        raise ConfigError(
            "training-job-name-invalid",
            f"'{name}' is no training job name",
            expected=f"at most {TRAINING_JOB_NAME.max_characters} characters of {TRAINING_JOB_NAME.pattern}",
            fix="use letters, digits and hyphens",
        )
    return name


def _hyperparameters(texts: tuple[str, ...]) -> dict[str, str]:
    hyperparameters = parse_pairs("--hyperparameter", texts)
    check_hyperparameters(hyperparameters)
    return hyperparameters


def _environment(texts: tuple[str, ...]) -> dict[str, str]:
    environment = parse_pairs("--environment", texts)
    check_training_environment(environment)
    return environment


def _channels(channels: tuple[str, ...], content_types: tuple[str, ...]) -> dict[str, LocalChannel]:
    paths = parse_pairs("--channel", channels)
    types = parse_pairs("--content-type", content_types)
    for name in types:
        if name not in paths:
            raise ConfigError(
                "content-type-without-channel",
                f"--content-type names '{name}', which is no channel",
                found=", ".join(f"'{channel}'" for channel in sorted(paths)) or "no channels",
                fix=f"pass --channel {name}=PATH",
            )
    for name, path in paths.items():
        if not path:
            raise ConfigError(
                "channel-path-missing",
                f"the data of channel '{name}' is not there",
                found="an empty path",
                fix=f"pass --channel {name}=PATH with a directory or file that exists",
            )
    return {
        name: LocalChannel(path=Path(path).expanduser(), config=ChannelConfig(content_type=types.get(name)))
        for name, path in paths.items()
    }


def _report(
    out: Output,
    request: TrainingRequest,
    result: TrainingResult,
    work_dir: Path,
    *,
    has_older_model: bool,
    is_json: bool,
) -> None:
    if result.status is TrainingJobStatus.FAILED:
        out.last_lines(result.last_lines)
    summary = {
        "TrainingJobName": request.training_job_name,
        "TrainingJobStatus": result.status.value,
        "SecondaryStatus": result.secondary_status.value,
        "FailureReason": result.failure_reason,
        "ExitCode": result.exit_code,
        "TrainingTimeInSeconds": round(result.training_seconds, 3),
        "ModelArtifacts": str(result.model_archive) if result.model_archive else None,
        "OutputArtifacts": str(result.output_archive) if result.output_archive else None,
    }
    if is_json:
        out.result(summary)
    else:
        out.say(_ending(result))
        out.pairs({name: str(summary[name]) for name in ("FailureReason", "ModelArtifacts", "OutputArtifacts")
                   if summary[name]})  # fmt: skip
    for problem in result.upload_problems:
        if problem not in (result.failure_reason or ""):
            out.say(f"warning: {problem}")
    if result.upload_problems:
        out.say(f"what the container left is kept in {work_dir / 'ml'}")
    if result.model_archive is None and not result.upload_problems:
        out.say(_no_model_warning(request, result, has_older_model=has_older_model))


def _ending(result: TrainingResult) -> str:
    if result.exit_code is None:
        return f"{result.secondary_status.value} before the container was started"
    return f"{result.secondary_status.value} after {result.training_seconds:.1f} s, {describe_exit(result.exit_code)}"


def _no_model_warning(request: TrainingRequest, result: TrainingResult, *, has_older_model: bool) -> str:
    if has_older_model:
        return f"warning: no model was written; {request.output_dir / 'model.tar.gz'} is from an earlier run"
    if result.exit_code is None:
        return "no model was made"
    return "warning: nothing was written to /opt/ml/model, so there is no model.tar.gz"


def _exit_code(result: TrainingResult) -> int:
    if result.exit_code is None:
        return INTERRUPTED_EXIT_CODE
    if result.status is TrainingJobStatus.FAILED:
        return result.exit_code or 1
    return result.exit_code

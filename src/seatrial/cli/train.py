"""``seatrial train``: one training job in a container, from its data to ``model.tar.gz``."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import click

from seatrial.cli._options import choose_engine, container_options, parse_pairs
from seatrial.cli._output import Output
from seatrial.cli._signals import stop_on_signals
from seatrial.contract.environment_limits import check_training_environment
from seatrial.contract.limits import MAX_RUNTIME_DEFAULT_SECONDS, MAX_RUNTIME_MAX_SECONDS
from seatrial.contract.names import TRAINING_JOB_NAME
from seatrial.contract.statuses import SecondaryStatus, TrainingJobStatus
from seatrial.contract.training import ChannelConfig, check_hyperparameters
from seatrial.core.errors import ConfigError
from seatrial.platform.jobs.staging import ChannelSource
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest, TrainingResult


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
    "--output", type=click.Path(path_type=Path), default=Path("seatrial-output"), show_default=True, metavar="DIR",
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

        def enter_phase(phase: SecondaryStatus) -> None:
            out.phase(phase.value)

        job = TrainingJob(engine, request, on_phase=enter_phase, on_line=out.log_line)
        with stop_on_signals(job.stop), tempfile.TemporaryDirectory(prefix="seatrial-train-") as work_dir:
            result = job.run(Path(work_dir))
        _report(out, request, result, is_json=is_json)
    return _exit_code(result)


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


def _channels(channels: tuple[str, ...], content_types: tuple[str, ...]) -> dict[str, ChannelSource]:
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
    return {
        name: ChannelSource(path=Path(path).expanduser(), config=ChannelConfig(content_type=types.get(name)))
        for name, path in paths.items()
    }


def _report(out: Output, request: TrainingRequest, result: TrainingResult, *, is_json: bool) -> None:
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
        return
    out.say(f"{result.secondary_status.value} after {result.training_seconds:.1f} s, exit code {result.exit_code}")
    out.pairs({name: str(summary[name]) for name in ("FailureReason", "ModelArtifacts", "OutputArtifacts")
               if summary[name]})  # fmt: skip
    if result.model_archive is None and result.status is TrainingJobStatus.COMPLETED:
        out.say(_no_model_warning(request))


def _no_model_warning(request: TrainingRequest) -> str:
    older = request.output_dir / "model.tar.gz"
    if older.exists():
        return f"warning: no model was written; {older} is from an earlier run"
    return "warning: nothing was written to /opt/ml/model, so there is no model.tar.gz"


def _exit_code(result: TrainingResult) -> int:
    if result.status is TrainingJobStatus.FAILED:
        return result.exit_code or 1
    return result.exit_code

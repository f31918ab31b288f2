"""One training job from its request to its outcome: stage, run, collect.

The phases are those of ``SecondaryStatus``; ``contract.statuses`` says which may follow which. A job that was stopped,
ran out of time or failed keeps its artifacts (contract.md §1.6, §1.9).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.contract.cluster import HOMOGENEOUS_GROUP_NAME
from seatrial.contract.environment import training_environment
from seatrial.contract.failure import compose_failure_reason, internal_failure_reason, upload_failure_reason
from seatrial.contract.layout import OPT_ML, OptMl
from seatrial.contract.limits import MAX_RUNTIME_DEFAULT_SECONDS, TRAINING_STOP_GRACE_SECONDS
from seatrial.contract.names import LOCAL_REGION, host_name, training_job_arn
from seatrial.contract.statuses import PRIMARY_OF, TRAINING_TRANSITIONS, SecondaryStatus, TrainingJobStatus
from seatrial.contract.training import CheckpointConfig, InstanceGroup, ResourceConfig
from seatrial.core.errors import ConfigError, EngineError, InternalError, TreeError
from seatrial.core.subprocesses import OnLine
from seatrial.engines.base import (
    CONTAINER_LOST,
    ContainerSpec,
    Engine,
    ExitStatus,
    Handle,
    Mount,
    Network,
    ResourceLimits,
)
from seatrial.platform.jobs.checkpoints import CheckpointSync
from seatrial.platform.jobs.job_input import JobInput
from seatrial.platform.jobs.staging import (
    SHARED_DIRECTORIES,
    ChannelSource,
    TrainingOutputs,
    check_channels,
    lay_out_training,
    pack_outputs,
    prepare_output_directory,
    read_failure,
)
from seatrial.platform.last_lines import LastLines

_WAIT_SLICE_SECONDS = 0.2
KEEP_DIRECTORY = "container"
"""Below a job's directory: where its container is found again."""

OnPhase = Callable[[SecondaryStatus], None]
Deliver = Callable[[TrainingOutputs], tuple[str, ...]]
"""Takes what was packed to where the user wants it; gives one sentence for each thing that it could not take there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """One training job on one host."""

    training_job_name: str
    image: str
    output_dir: Path
    """Receives ``model.tar.gz`` and ``output.tar.gz``."""
    compresses_model: bool = True
    """Otherwise the model's files are delivered as they are."""
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, ChannelSource] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    host_ports: tuple[int, ...] = ()
    """Of this host, for the container to reach: see ``ContainerSpec``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the container, where the engine has labels."""
    entrypoint: tuple[str, ...] | None = None
    """``ContainerEntrypoint``; ``None`` keeps the image's."""
    arguments: tuple[str, ...] = ("train",)
    """``ContainerArguments``."""
    region: str = LOCAL_REGION
    is_isolated: bool = False
    """``EnableNetworkIsolation``: the container reaches nobody."""
    instance_type: str = "ml.m5.large"
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    """Of the container."""
    notices: tuple[str, ...] = ()
    """Sentences for the job's log, said before its container starts: where this run differs from AWS's."""
    may_restart: bool = False
    """``RetryStrategy`` has attempts left: a container that was lost is no end of the job."""
    max_runtime_seconds: float = MAX_RUNTIME_DEFAULT_SECONDS
    stop_grace_seconds: float = TRAINING_STOP_GRACE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """How a training job ended, or one attempt of it: in a secondary status that is not final, another one follows."""

    status: TrainingJobStatus
    secondary_status: SecondaryStatus
    exit_code: int | None
    """The container's; ``None`` when the job was stopped before it had one."""
    failure_reason: str | None
    model_archive: Path | None
    output_archive: Path | None
    training_seconds: float
    """From the start of the container to its end."""
    last_lines: tuple[str, ...]
    upload_problems: tuple[str, ...] = ()
    """One sentence for each directory of the container that is in no archive; the work directory still holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an earlier process had come with a job whose container outlives processes."""

    phase: SecondaryStatus
    """The last one that it wrote down."""
    ending: SecondaryStatus | None
    """What the job or its attempt was on its way to, when the container was being stopped."""
    running_seconds: float
    """With a machine, over all attempts: ``MaxRuntimeInSeconds`` counts from the download on (§1.9)."""

    @property
    def has_container(self) -> bool:
        """Whether a container may have been started."""
        return self.phase not in _BEFORE_CONTAINER


ATTEMPT_ENDINGS = frozenset({SecondaryStatus.INTERRUPTED, SecondaryStatus.RESTARTING})
"""Ends of an attempt after which the job begins anew."""

_BEFORE_CONTAINER = frozenset({SecondaryStatus.STARTING, SecondaryStatus.PENDING, SecondaryStatus.DOWNLOADING})


class _StopRequestedError(Exception):
    """``TrainingJob.stop`` was called before the container started."""


class _InterruptedError(Exception):
    """``TrainingJob.interrupt`` came true before the container started."""


class TrainingJob:
    """Runs one request; ``stop`` may be called from a signal handler or another thread.

    Args:
        engine: Runs the container.
        request: What to run.
        on_phase: Told each phase as it begins.
        on_line: Receives the container's output, from the first line on also when the job is taken up again.
        deliver: Takes the outputs away.
        before_container: Called right before the container is started.
        checkpoints: Restores and syncs them; ``None`` for a job without.
    """

    def __init__(
        self,
        engine: Engine,
        request: TrainingRequest,
        *,
        on_phase: OnPhase,
        on_line: OnLine,
        deliver: Deliver = lambda _: (),
        before_container: Callable[[], None] = lambda: None,
        checkpoints: CheckpointSync | None = None,
    ) -> None:
        self._engine = engine
        self._request = request
        self._on_phase = on_phase
        self._deliver = deliver
        self._before_container = before_container
        self._checkpoints = checkpoints
        self._last_lines = LastLines(on_line)
        self._phase = SecondaryStatus.STARTING
        self._stop_requested = threading.Event()
        self._stop_ending = SecondaryStatus.STOPPED
        self._interrupt_at: float | None = None
        self._handle: Handle | None = None
        self._keep_dir: Path | None = None
        self._input_mounts: Callable[[], tuple[Mount, ...]] = tuple

    def stop(self, ending: SecondaryStatus = SecondaryStatus.STOPPED) -> None:
        """Ask for the end: SIGTERM to the container, 120 seconds, SIGKILL; artifacts are kept.

        Before the container has started, none is started any more.

        Args:
            ending: The job's last secondary status; that of the first call counts.
        """
        if not self._stop_requested.is_set():
            self._stop_ending = ending
        self._stop_requested.set()

    def interrupt(self, after_seconds: float = 0.0) -> None:
        """Take the machine away as EC2 does: SIGTERM, two minutes, SIGKILL; nothing but checkpoints is kept.

        Args:
            after_seconds: When; a job that has no machine by then loses it as soon as it has one.
        """
        self._interrupt_at = time.monotonic() + after_seconds

    def run(self, work_dir: Path) -> TrainingResult:
        """Run the job to its end; its container ends with this process.

        Args:
            work_dir: An empty directory of the caller's, for ``/opt/ml``.

        Raises:
            SeatrialError: the request, the image or the engine does not allow the container to start.
        """
        with contextlib.ExitStack() as containers:
            return self._run(work_dir, containers.enter_context)

    def run_kept(self, work_dir: Path, progress: Progress | None) -> TrainingResult:
        """Run the job to its end, or from where an earlier process left it; its container outlives this process.

        Args:
            work_dir: A directory of the caller's, empty unless an earlier process has come far enough.
            progress: ``None`` for a job that begins. The caller calls ``remove`` once the result is written down.

        Raises:
            SeatrialError: as ``run``, but a container that was lost is a failed job.
        """
        self._keep_dir = work_dir / KEEP_DIRECTORY
        return self._run(work_dir, self._hold, self._keep_dir, progress)

    def remove(self) -> None:
        """Remove the container that ``run_kept`` has left.

        Raises:
            EngineError: the engine does not answer.
        """
        handle = self._handle
        if (
            handle is None and self._keep_dir is not None and self._keep_dir.is_dir()
        ):  # the engine did not answer when it was to be found
            with _passing_over_lost():
                handle = self._engine.find(ContainerSpec(image=""), lambda _: None, self._keep_dir)
        if handle is not None:
            handle.remove()

    def _hold(self, handle: Handle) -> Handle:
        self._handle = handle
        return handle

    def _run(
        self,
        work_dir: Path,
        hold: Callable[[Handle], Handle],
        keep_dir: Path | None = None,
        progress: Progress | None = None,
    ) -> TrainingResult:
        opt_ml = OptMl(work_dir / "ml")
        job_input = JobInput(self._request.channels, opt_ml, self._request.image, keep_dir)
        self._input_mounts = job_input.mounts
        started = time.monotonic() - (0.0 if progress is None else progress.running_seconds)
        ending = None
        handle = None
        try:
            if progress is not None and progress.has_container and keep_dir is not None:
                self._phase, ending = progress.phase, progress.ending
                handle = self._engine.find(self._spec(opt_ml, job_input), self._last_lines, keep_dir)
                if handle is None and ending is not None:
                    return self._end_without_container(ending)
                if handle is None:
                    job_input.start_feeders()
            else:
                if progress is not None and progress.phase is SecondaryStatus.DOWNLOADING:
                    self._phase = progress.phase  # which begins anew
                self._prepare(opt_ml, job_input)
            if handle is None:
                self._check_stop()
                self._before_container()
                handle = self._engine.start(self._spec(opt_ml, job_input), self._last_lines, keep_dir)
            hold(handle)
            self._start_checkpoints()
            exit_status, ending = self._wait(handle, job_input, started + self._request.max_runtime_seconds, ending)
        except _StopRequestedError:
            return self._stopped_before_start()
        except _InterruptedError:
            return self._end_attempt(SecondaryStatus.INTERRUPTED)
        except EngineError as error:
            if keep_dir is None or error.code != CONTAINER_LOST:
                raise
            return self._finish_lost(opt_ml, error, ending)
        finally:
            input_failure = job_input.failure_reason()
            job_input.stop_feeders()
            self._close_checkpoints()
        return self._finish(opt_ml, exit_status, ending, time.monotonic() - started, input_failure)

    def _prepare(self, opt_ml: OptMl, job_input: JobInput) -> None:
        self._on_phase(self._phase)
        check_channels(self._request.channels)
        prepare_output_directory(self._request.output_dir)
        self._engine.check_ready()
        self._engine.check_image(self._spec(opt_ml, job_input))
        self._download(opt_ml, job_input)
        for notice in self._request.notices:
            self._last_lines(f"seatrial: {notice}")
        self._enter(SecondaryStatus.TRAINING)

    def _download(self, opt_ml: OptMl, job_input: JobInput) -> None:
        self._check_stop()
        self._enter(SecondaryStatus.DOWNLOADING)
        try:
            notes = lay_out_training(
                opt_ml,
                hyperparameters=self._request.hyperparameters,
                channels=self._request.channels,
                resource_config=self._resource_config(),
                checkpoint_config=self._checkpoint_config(),
                can_overlay=self._engine.can_overlay,
                checkpoint=self._check_stop,
            )
            for note in notes:
                self._last_lines(f"seatrial: {note}")
            if self._checkpoints is not None:
                self._checkpoints.restore(self._check_stop)
            job_input.start_feeders()
        except OSError as error:
            raise ConfigError(
                "channels-not-copied",
                "the channels cannot be copied to where the container finds them",
                where=str(opt_ml.root),
                found=(error.strerror or str(error)).lower(),
                fix="free space there, or set TMPDIR to a directory with room for them",
            ) from error
        self._check_stop()

    def _check_stop(self) -> None:
        if self._stop_requested.is_set():
            raise _StopRequestedError
        if self._is_interrupted() and SecondaryStatus.INTERRUPTED in TRAINING_TRANSITIONS[self._phase]:
            raise _InterruptedError

    def _is_interrupted(self) -> bool:
        return self._interrupt_at is not None and time.monotonic() >= self._interrupt_at

    def _stopped_before_start(self) -> TrainingResult:
        self._enter(SecondaryStatus.STOPPING)
        self._enter(self._stop_ending)
        return self._without_artifacts(self._stop_ending)

    def _end_without_container(self, ending: SecondaryStatus) -> TrainingResult:
        """An earlier process was killed when none was there yet, or none any more."""
        if ending in ATTEMPT_ENDINGS:
            return self._end_attempt(ending)
        self._enter(ending)
        return self._without_artifacts(ending)

    def _end_attempt(self, ending: SecondaryStatus) -> TrainingResult:
        self._enter(ending)
        for problem in self._finish_checkpoints():
            self._last_lines(f"seatrial: {problem}")
        return self._without_artifacts(ending)

    def _without_artifacts(self, ending: SecondaryStatus) -> TrainingResult:
        return TrainingResult(
            status=PRIMARY_OF[ending],
            secondary_status=ending,
            exit_code=None,
            failure_reason=None,
            model_archive=None,
            output_archive=None,
            training_seconds=0.0,
            last_lines=self._last_lines.lines(),
        )

    def _start_checkpoints(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.start()

    def _close_checkpoints(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.close()

    def _finish_checkpoints(self) -> tuple[str, ...]:
        if self._checkpoints is None:
            return ()
        problems = self._checkpoints.finish()
        for sentence in self._checkpoints.passed_over():
            self._last_lines(f"seatrial: {sentence}")
        return problems

    def _checkpoint_config(self) -> CheckpointConfig | None:
        if self._checkpoints is None:
            return None
        return CheckpointConfig(local_path=str(self._checkpoints.local_path), s3_uri=str(self._checkpoints.uri))

    def _mounts(self, opt_ml: OptMl) -> tuple[Mount, ...]:
        mounts = tuple(Mount(source=opt_ml.root / name, target=OPT_ML / name) for name in SHARED_DIRECTORIES)
        if self._checkpoints is None:
            return mounts
        return (*mounts, Mount(source=self._checkpoints.directory, target=self._checkpoints.local_path))

    def _resource_config(self) -> ResourceConfig:
        hosts = (host_name(1),)
        group = InstanceGroup(
            instance_group_name=HOMOGENEOUS_GROUP_NAME, instance_type=self._request.instance_type, hosts=hosts
        )
        return ResourceConfig(
            current_host=hosts[0],
            current_instance_type=group.instance_type,
            current_group_name=group.instance_group_name,
            hosts=hosts,
            instance_groups=(group,),
        )

    def _spec(self, opt_ml: OptMl, job_input: JobInput) -> ContainerSpec:
        name = self._request.training_job_name
        return ContainerSpec(
            image=self._request.image,
            entrypoint=self._request.entrypoint,
            arguments=self._request.arguments,
            environment=training_environment(
                training_job_name=name,
                training_job_arn=training_job_arn(name, region=self._request.region),
                region=self._request.region,
                user_environment=self._request.environment,
            ),
            mounts=(*self._mounts(opt_ml), *job_input.mounts()),
            network=Network.ISOLATED if self._request.is_isolated else Network.PRIVATE,
            host_ports=self._request.host_ports,
            labels=self._request.labels,
            limits=self._request.limits,
        )

    def _wait(
        self, handle: Handle, job_input: JobInput, deadline: float, ending: SecondaryStatus | None
    ) -> tuple[ExitStatus, SecondaryStatus]:
        """Wait for the end; the second value is the phase that ends the job, leaving failure aside."""
        if ending is None:
            while (left := deadline - time.monotonic()) > 0 and not self._stop_requested.is_set():
                if self._is_interrupted():
                    break
                exit_status = handle.wait(min(left, _WAIT_SLICE_SECONDS))
                if exit_status is not None:
                    return exit_status, SecondaryStatus.COMPLETED
                if job_input.failure_reason() is not None:
                    return handle.stop(self._request.stop_grace_seconds), SecondaryStatus.COMPLETED
            ending = self._why_stopped()
            self._enter(ending if ending in ATTEMPT_ENDINGS else SecondaryStatus.STOPPING)
        exit_status = handle.stop(self._request.stop_grace_seconds)
        if ending in ATTEMPT_ENDINGS and self._stop_requested.is_set():
            self._enter(SecondaryStatus.STOPPING)
            ending = self._stop_ending
        return exit_status, ending

    def _why_stopped(self) -> SecondaryStatus:
        if self._stop_requested.is_set():
            return self._stop_ending
        return SecondaryStatus.INTERRUPTED if self._is_interrupted() else SecondaryStatus.MAX_RUNTIME_EXCEEDED

    def _finish(
        self,
        opt_ml: OptMl,
        exit_status: ExitStatus,
        ending: SecondaryStatus,
        seconds: float,
        failure_reason: str | None = None,
    ) -> TrainingResult:
        if ending in ATTEMPT_ENDINGS:
            return self._end_attempt(ending)
        if failure_reason is not None and ending is SecondaryStatus.COMPLETED:
            ending = SecondaryStatus.FAILED
        elif ending is SecondaryStatus.COMPLETED and not exit_status.is_success:
            ending = SecondaryStatus.FAILED
            failure_reason = compose_failure_reason(
                self._failure_text(opt_ml), exit_status.exit_code, is_out_of_memory=exit_status.is_out_of_memory
            )
        return self._collect(opt_ml, ending, failure_reason, exit_status.exit_code, seconds)

    def _finish_lost(self, opt_ml: OptMl, error: EngineError, ending: SecondaryStatus | None) -> TrainingResult:
        """Nobody knows how the container ended; what it has left is delivered all the same, or it is tried again."""
        if ending in ATTEMPT_ENDINGS:
            return self._end_attempt(ending)
        if self._request.may_restart and SecondaryStatus.RESTARTING in TRAINING_TRANSITIONS[self._phase]:
            self._last_lines(f"seatrial: {error.sentence()}; RetryStrategy starts the job again")
            return self._end_attempt(SecondaryStatus.RESTARTING)
        return self._collect(opt_ml, SecondaryStatus.FAILED, internal_failure_reason(error.sentence()), None, 0.0)

    def _collect(
        self,
        opt_ml: OptMl,
        ending: SecondaryStatus,
        failure_reason: str | None,
        exit_code: int | None,
        seconds: float,
    ) -> TrainingResult:
        self._enter(SecondaryStatus.UPLOADING)
        outputs = pack_outputs(
            opt_ml,
            self._request.output_dir,
            compresses_model=self._request.compresses_model,
            input_mounts=self._input_mounts(),
        )
        problems = (*self._finish_checkpoints(), *outputs.problems, *self._deliver(outputs))
        if problems and failure_reason is None:
            ending = SecondaryStatus.FAILED
            failure_reason = upload_failure_reason(problems)
        self._enter(ending)
        return TrainingResult(
            status=PRIMARY_OF[ending],
            secondary_status=ending,
            exit_code=exit_code,
            failure_reason=failure_reason,
            model_archive=outputs.model_archive,
            output_archive=outputs.output_archive,
            training_seconds=seconds,
            last_lines=self._last_lines.lines(),
            upload_problems=problems,
        )

    def _failure_text(self, opt_ml: OptMl) -> str | None:
        try:
            return read_failure(opt_ml)
        except TreeError as error:
            self._last_lines(f"seatrial: /opt/ml/output/failure is passed over: {error.sentence()}")
            return None

    def _enter(self, phase: SecondaryStatus) -> None:
        if phase is self._phase:
            return
        if phase not in TRAINING_TRANSITIONS[self._phase]:
            raise InternalError(
                "phase-out-of-order",
                f"a training job went from {self._phase.value} to {phase.value}",
                fix="please report this with the command you ran",
            )
        self._phase = phase
        self._on_phase(phase)


@contextlib.contextmanager
def _passing_over_lost() -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        if error.code != CONTAINER_LOST:
            raise

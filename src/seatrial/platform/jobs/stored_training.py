"""A stored training job made ready to run: its request as a ``TrainingRequest``, its log, its way back to the store.

What a container leaves goes to ``<S3OutputPath>/<job>/output/`` (contract.md §1.6); when it cannot go there, the work
directory stays and the reason names it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from seatrial.contract.checkpoints import DEFAULT_LOCAL_PATH, check_local_path
from seatrial.contract.names import TRAINING_LOG_GROUP, host_name
from seatrial.contract.s3_uris import S3Uri, parse_s3_uri
from seatrial.contract.statuses import SecondaryStatus
from seatrial.core.errors import EngineError, SeatrialError
from seatrial.core.trees import open_regular, remove_tree
from seatrial.engines.base import Engine, ResourceLimits
from seatrial.objects.transfer import ObjectTransfer
from seatrial.platform.jobs import training_record as record
from seatrial.platform.jobs.checkpoints import CheckpointSync
from seatrial.platform.jobs.failure_reasons import is_of_program
from seatrial.platform.jobs.input.feed import Feed
from seatrial.platform.jobs.input.source import ObjectSource
from seatrial.platform.jobs.instance_limits import InstanceLimits, Machine, limits_of
from seatrial.platform.jobs.job_input import FEED_DIRECTORY
from seatrial.platform.jobs.metrics import MetricScanner
from seatrial.platform.jobs.staging import ChannelSource, TrainingOutputs
from seatrial.platform.jobs.training import TrainingJob, TrainingRequest, TrainingResult
from seatrial.platform.jobs.training_runner import PreparedJob
from seatrial.platform.store.resources import Resource

LOG = logging.getLogger(__name__)

UNSAVED_FILE = "unsaved"
"""In a job's directory: it holds what could not be uploaded, and stays."""

IMAGE_FILE = "image"
"""In a job's directory: what its container runs."""

JOB_LABEL = "seatrial.training-job"
"""Label of a container: the job it is of."""

_LOG_POSITION_FILE = "log-position"

"""Source: contract.md §1.11."""


class Log(Protocol):
    """Takes one container's output."""

    @property
    def position(self) -> int:
        """Where the next line will stand."""

    def write(self, message: str) -> float:
        """One line, unless it was written before; returns when it was, in seconds since the epoch."""

    def close(self) -> None:
        """No more lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformAccess:
    """Where the platform is reached from inside a container, and with which credentials; empty: not at all."""

    environment: Mapping[str, str] = field(default_factory=dict)
    host_ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every job of a platform shares."""

    region: str
    objects: ObjectTransfer
    work_root: Path
    """Each job's work directory lies below it, under the job's name."""
    engine_for: Callable[[str], Engine]
    open_log: Callable[[str, str, int | None], Log]
    """Group, stream, position → log; what comes is compared with what stands from the position on."""
    source: ObjectSource
    """The same objects, for channels."""
    channel_source: Callable[[ObjectSource, Mapping[str, Any], str | None], ChannelSource]
    """From a channel of a request and the job's ``TrainingInputMode``."""
    metric_scanner: Callable[[Mapping[str, Any]], MetricScanner]
    labels: Mapping[str, str]
    """Of every container, where the engine has labels."""
    machine: Machine | None
    """What there is for containers; ``None``: instance types limit nothing."""
    platform_access: Callable[[Engine, str, Mapping[str, Any]], PlatformAccess]
    """For a job of this name and request."""


class StoredTraining(PreparedJob):
    """One job; see ``TrainingRunner``.

    Args:
        stored: As it is in the store.
        surroundings: The platform's.
        on_phase: Writes a phase.
    """

    def __init__(
        self, stored: Resource, surroundings: Surroundings, on_phase: Callable[[SecondaryStatus], None]
    ) -> None:
        request = stored.document["request"]
        self._around = surroundings
        self._name = stored.name
        self._output = parse_s3_uri(request["OutputDataConfig"]["S3OutputPath"]).below(stored.name, "output")
        self._scanner = surroundings.metric_scanner(request)
        self._work_dir = surroundings.work_root / stored.name
        self._progress = record.progress(stored, time.time())
        self._log_stream = f"{self._name}/{host_name(1)}-{int(record.attempt_began_at(stored))}"
        self._may_restart = record.may_restart(stored, time.time())
        self._log: Log | None = None
        self._has_lost_lines = False
        self._image = request["AlgorithmSpecification"]["TrainingImage"]
        engine = surroundings.engine_for(self._image)
        self._limits = self._instance_limits(engine, request["ResourceConfig"].get("InstanceType"))
        self.job = TrainingJob(
            engine,
            self._training_request(request, surroundings.platform_access(engine, stored.name, request)),
            on_phase=on_phase,
            on_line=self._take_line,
            deliver=self._deliver,
            before_container=self._note_log_position,
            checkpoints=self._checkpoint_sync(request.get("CheckpointConfig")),
        )

    def run(self) -> TrainingResult:
        if not self._progress.has_container:
            Feed(self._work_dir / FEED_DIRECTORY).stop()  # of a platform that was killed before the container was there
            remove_tree(self._work_dir)
        self._work_dir.mkdir(parents=True, exist_ok=True)
        (self._work_dir / IMAGE_FILE).write_text(self._image, encoding="utf-8")
        self._log = self._around.open_log(TRAINING_LOG_GROUP, self._log_stream, self._read_log_position())
        try:
            result = self.job.run_kept(self._work_dir, self._progress)
        except SeatrialError as error:
            if is_of_program(error):
                self._take_line(f"seatrial: {error.sentence()}")
            raise
        finally:
            self._log.close()
        if result.upload_problems:
            (self._work_dir / UNSAVED_FILE).touch()
        return result

    def clean_up(self) -> None:
        self.job.remove()
        if not (self._work_dir / UNSAVED_FILE).exists():
            remove_tree(self._work_dir)

    def metrics(self) -> list[dict[str, object]]:
        return self._scanner.final()

    def _take_line(self, line: str) -> None:
        self._scanner.scan(line, self._write(line))

    def _write(self, line: str) -> float:
        """Write a line into the log and tell when it was; a full disk costs the line, and not the job."""
        try:
            return time.time() if self._log is None else self._log.write(line)
        except OSError as error:
            if not self._has_lost_lines:
                self._has_lost_lines = True
                LOG.warning("lines of the log of training job %s are lost: %s", self._name, error)
            return time.time()

    def _note_log_position(self) -> None:
        if self._log is not None:
            (self._work_dir / _LOG_POSITION_FILE).write_text(str(self._log.position), encoding="ascii")

    def _read_log_position(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int((self._work_dir / _LOG_POSITION_FILE).read_text(encoding="ascii"))
        return None

    def _training_request(self, request: Mapping[str, Any], access: PlatformAccess) -> TrainingRequest:
        algorithm = request["AlgorithmSpecification"]
        stopping = request["StoppingCondition"]
        channels, mode = request.get("InputDataConfig", ()), algorithm.get("TrainingInputMode")
        entrypoint = algorithm.get("ContainerEntrypoint")
        arguments = algorithm.get("ContainerArguments")
        limits = {"max_runtime_seconds": stopping["MaxRuntimeInSeconds"]} if "MaxRuntimeInSeconds" in stopping else {}
        return TrainingRequest(
            training_job_name=self._name,
            image=self._image,
            output_dir=self._work_dir / "upload",
            compresses_model=record.compresses_model(request),
            hyperparameters=request.get("HyperParameters", {}),
            channels={
                one["ChannelName"]: self._around.channel_source(self._around.source, one, mode) for one in channels
            },
            environment={**access.environment, **request.get("Environment", {})},
            host_ports=access.host_ports,
            labels={**self._around.labels, JOB_LABEL: self._name},
            instance_type=request["ResourceConfig"].get("InstanceType", "ml.m5.large"),
            entrypoint=tuple(entrypoint) if entrypoint else None,
            arguments=tuple(arguments) if arguments else (() if entrypoint else ("train",)),
            region=self._around.region,
            is_isolated=bool(request.get("EnableNetworkIsolation")),
            may_restart=self._may_restart,
            limits=self._limits.limits,
            notices=self._limits.notices,
            **limits,
        )

    def _instance_limits(self, engine: Engine, instance_type: str | None) -> InstanceLimits:
        if self._around.machine is None or instance_type is None:
            return InstanceLimits(limits=ResourceLimits())
        found = limits_of(instance_type, self._around.machine)
        try:
            engine.check_limits(found.limits)
        except EngineError as error:
            notice = f"the limits of {instance_type} are not kept: {error.sentence()}"
            return InstanceLimits(limits=ResourceLimits(), notices=(*found.notices, notice))
        return found

    def _checkpoint_sync(self, config: Mapping[str, Any] | None) -> CheckpointSync | None:
        if config is None:
            return None
        return CheckpointSync(
            self._around.objects,
            parse_s3_uri(config["S3Uri"]),
            check_local_path(config.get("LocalPath") or DEFAULT_LOCAL_PATH),
            self._work_dir / "checkpoints",
            self._work_dir / "checkpoints.json",
        )

    def _deliver(self, outputs: TrainingOutputs) -> tuple[str, ...]:
        problems = []

        def deliver(target: S3Uri, path: Path, top: Path, name: PurePosixPath, content_type: str) -> None:
            try:
                with open_regular(path, top=top, name=name) as file:
                    self._around.objects.upload(file, target.bucket, target.key, content_type=content_type)
            except (SeatrialError, OSError) as error:
                said = error.sentence() if isinstance(error, SeatrialError) else str(error)
                problems.append(f"{target} cannot be written: {said}; {name} is kept in {top}")

        for archive in filter(None, (outputs.model_archive, outputs.output_archive)):
            target = self._output.below(archive.name)
            deliver(target, archive, archive.parent, PurePosixPath(archive.name), "application/x-tar")
        for entry in outputs.model_files:
            target = self._output.below(record.UNCOMPRESSED_MODEL, *entry.name.parts)
            deliver(target, entry.path, outputs.model_dir, entry.name, "binary/octet-stream")
        return tuple(problems)

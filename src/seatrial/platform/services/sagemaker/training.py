"""Training jobs: create, describe, list, stop, delete, update. Sources: contract.md §1.2, §6.3 to §6.5."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.contract.instance_types import find_accelerator
from seatrial.contract.names import training_job_arn
from seatrial.contract.s3_channel import S3DataType, parse_s3_channel
from seatrial.contract.s3_uris import parse_s3_uri
from seatrial.contract.statuses import UNFINISHED_TRAINING_STATUSES, SecondaryStatus, TrainingJobStatus
from seatrial.contract.training import ChannelConfig, InputMode
from seatrial.core.errors import EngineError, SeatrialError
from seatrial.engines.base import ContainerSpec, Engine
from seatrial.objects.errors import NoSuchBucketError, ObjectStoreError
from seatrial.objects.transfer import ObjectTransfer
from seatrial.platform.jobs import training_record as record
from seatrial.platform.jobs.input.object_channel import ObjectChannel
from seatrial.platform.jobs.input.source import ObjectSource
from seatrial.platform.jobs.instance_limits import Machine
from seatrial.platform.jobs.metrics import MetricDefinition, MetricScanner
from seatrial.platform.jobs.staging import ChannelSource, LocalChannel
from seatrial.platform.jobs.training_runner import TrainingRunner
from seatrial.platform.services.handlers import Handler
from seatrial.platform.services.resource_lists import ResourceListing, list_resources
from seatrial.platform.services.sagemaker.times import with_times
from seatrial.platform.services.sagemaker.training_admission import check_request, check_update, input_modes, local_path
from seatrial.platform.store.queries import Column
from seatrial.platform.store.resources import AlreadyExistsError, Kind, MissingError, Resource, ResourceStore
from seatrial.platform.wire.errors import ServiceError, not_emulated, validation_error

NOT_FOUND_MESSAGE = "Requested resource not found."
"""Describe, stop, delete of an unknown training job (§6.3)."""


LISTING = ResourceListing(
    operation="ListTrainingJobs",
    kind=Kind.TRAINING_JOB,
    sort_columns={"Name": Column.NAME, "CreationTime": Column.CREATED_AT, "Status": Column.STATUS},
    finds_nothing=frozenset({"WarmPoolStatusEquals", "TrainingPlanArnEquals"}),
    late_filters=frozenset({"StatusEquals"}),
)
"""No job has a warm pool or a training plan: a filter for one finds none (§6.5)."""


INTERRUPTIBLE = frozenset(
    {
        SecondaryStatus.STARTING,
        SecondaryStatus.PENDING,
        SecondaryStatus.DOWNLOADING,
        SecondaryStatus.TRAINING,
        SecondaryStatus.INTERRUPTED,
        SecondaryStatus.RESTARTING,
    }
)
"""A job that has no machine yet loses it once it has one."""

SLOW_OPERATIONS = frozenset({"CreateTrainingJob", "DeleteTrainingJob"})
"""The first asks Docker for the image and lists all keys of a channel, the second removes what a job left on disk."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the platform stands."""

    region: str
    account_id: str


EngineFor = Callable[[str], Engine]
"""Which engine runs an image."""


class TrainingJobs:
    """The operations of CreateTrainingJob and its kin; each takes checked parameters and returns the response.

    Args:
        store: Keeps the jobs.
        objects: Holds channels and receives artifacts.
        runner: Runs them.
        engine_for: Finds the engine of an image.
        site: For ARNs.
        machine: What there is for containers; ``None`` takes every instance type.
    """

    def __init__(
        self,
        store: ResourceStore,
        objects: ObjectTransfer,
        runner: TrainingRunner,
        engine_for: EngineFor,
        site: Site,
        *,
        machine: Machine | None = None,
    ) -> None:
        self._store = store
        self._objects = objects
        self._runner = runner
        self._engine_for = engine_for
        self._site = site
        self._machine = machine

    def create_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        check_request(request)
        name = request["TrainingJobName"]
        arn = training_job_arn(name, region=self._site.region, account_id=self._site.account_id)
        self._check_name_is_free(name, arn)
        self._check_image(request["AlgorithmSpecification"]["TrainingImage"])
        self._check_instances(request["ResourceConfig"])
        self._check_metrics(request)
        for channel in request.get("InputDataConfig", ()):
            self._check_channel(channel, request["RoleArn"])
        self._check_pipes(request)
        self._check_bucket("S3OutputPath", request["OutputDataConfig"]["S3OutputPath"])
        if "CheckpointConfig" in request:
            self._check_bucket("CheckpointConfig", request["CheckpointConfig"]["S3Uri"])
        job = record.new_training_job(name, arn, request, time.time())
        try:
            self._store.insert(job, {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())})
        except AlreadyExistsError as error:
            raise _name_in_use(error.existing.arn) from error
        self._runner.submit(name)
        return {"TrainingJobArn": arn}

    def handlers(self) -> dict[str, Handler]:
        """By operation."""
        return {
            "CreateTrainingJob": self.create_training_job,
            "DescribeTrainingJob": self.describe_training_job,
            "ListTrainingJobs": self.list_training_jobs,
            "StopTrainingJob": self.stop_training_job,
            "DeleteTrainingJob": self.delete_training_job,
            "UpdateTrainingJob": self.update_training_job,
        }

    def describe_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return with_times(record.describe(self.find(request["TrainingJobName"])))

    def list_training_jobs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        page = list_resources(self._store, LISTING, request)
        response: dict[str, Any] = {"TrainingJobSummaries": [with_times(record.summarise(job)) for job in page.rows]}
        if page.next_token is not None:
            response["NextToken"] = page.next_token
        return response

    def stop_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        job = self.find(request["TrainingJobName"])
        if job.status not in UNFINISHED_TRAINING_STATUSES:
            raise validation_error(f"The request was rejected because the training job is in status {job.status}.")
        self._runner.stop(job.name)
        return {}

    def interrupt(self, name: str, after_seconds: float) -> None:
        """Take the machine of a managed spot job away: an extension of ours, for rehearsals.

        Raises:
            ServiceError: there is no such job, it has no spot machine, or it has ended.
        """
        job = self.find(name)
        if not job.document["request"].get("EnableManagedSpotTraining"):
            raise validation_error(
                f"The training job {name} cannot be interrupted: only machines of jobs with "
                "EnableManagedSpotTraining are taken away."
            )
        if record.secondary_status(job) not in INTERRUPTIBLE:
            raise validation_error(
                f"The training job {name} cannot be interrupted: it is in status {job.status}, "
                f"secondary status {record.secondary_status(job).value}."
            )
        self._runner.interrupt(name, after_seconds)

    def delete_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        def check(job: Resource) -> None:
            if job.status in UNFINISHED_TRAINING_STATUSES:
                raise ServiceError(
                    "ResourceInUse",
                    f"The request was rejected because the training job is in status {job.status}.",
                    400,
                )

        try:
            self._store.delete(Kind.TRAINING_JOB, request["TrainingJobName"], check)
        except MissingError as error:
            raise validation_error(NOT_FOUND_MESSAGE) from error
        self._runner.forget(request["TrainingJobName"])
        return {}

    def update_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["TrainingJobName"]
        job = self.find(name)
        check_update(request)

        def updated(job: Resource) -> Resource:
            if job.status != TrainingJobStatus.IN_PROGRESS.value:
                raise validation_error(f"The request was rejected because the training job is in status {job.status}.")
            return record.with_request_members(job, request, time.time())

        try:
            self._store.update(Kind.TRAINING_JOB, name, updated)
        except MissingError as error:
            raise validation_error(NOT_FOUND_MESSAGE) from error
        return {"TrainingJobArn": job.arn}

    def find(self, name: str) -> Resource:
        """A job by its name.

        Raises:
            ServiceError: there is none.
        """
        job = self._store.find(Kind.TRAINING_JOB, name)
        if job is None:
            raise validation_error(NOT_FOUND_MESSAGE)
        return job

    def _check_name_is_free(self, name: str, arn: str) -> None:
        if self._store.find(Kind.TRAINING_JOB, name) is not None or self._store.has_arn(arn):
            raise _name_in_use(arn)

    def _check_image(self, image: str) -> None:
        try:
            engine = self._engine_for(image)
            engine.check_ready()
        except SeatrialError as error:
            raise validation_error(error.sentence()) from error
        try:
            engine.check_image(ContainerSpec(image=image, arguments=("train",)))
        except EngineError as error:
            raise validation_error(f"Cannot find the requested image: {image}. {error.sentence()}") from error
        except SeatrialError as error:
            raise validation_error(f"Invalid training image {image}: {error.sentence()}") from error

    def _check_instances(self, resources: Mapping[str, Any]) -> None:
        """Refuse accelerators that are not there as AWS refuses machines that an account may not have."""
        for asked in (resources, *resources.get("InstanceGroups", ())):
            instance_type = asked.get("InstanceType")
            if instance_type and self._machine is not None and not self._machine.has_accelerator_of(instance_type):
                wanted = find_accelerator(instance_type)
                raise ServiceError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{instance_type} for training job usage' is 0 Instances, with "
                    "current utilization of 0 Instances and a request delta of "
                    f"{asked.get('InstanceCount', 1)} Instances. This machine has no "
                    f"{wanted.value if wanted else 'accelerator'}: ask for an instance type without, or start "
                    "'seatrial up --no-instance-limits', which takes the type as a name only.",
                    400,
                )

    def _check_pipes(self, request: Mapping[str, Any]) -> None:
        engine = self._engine_for(request["AlgorithmSpecification"]["TrainingImage"])
        if InputMode.PIPE in input_modes(request) and not engine.shares_kernel():
            raise not_emulated(
                "InputMode",
                InputMode.PIPE.value,
                why="containers run on another kernel than this platform, which a FIFO does not reach; "
                "it can be had on Linux without Docker Desktop",
            )

    def _check_metrics(self, request: Mapping[str, Any]) -> None:
        try:
            metric_scanner(request)
        except SeatrialError as error:
            raise validation_error(error.sentence()) from error

    def _check_channel(self, channel: Mapping[str, Any], role_arn: str) -> None:
        source = channel["DataSource"]["S3DataSource"]
        uri = source["S3Uri"]
        path = local_path(uri)
        if path is not None:
            try:
                LocalChannel(path=path, config=ChannelConfig()).check(channel["ChannelName"])
            except SeatrialError as error:
                raise validation_error(error.sentence()) from error
            return
        s3 = parse_s3_uri(uri)
        try:
            if source["S3DataType"] == S3DataType.S3_PREFIX.value:
                has_objects = self._objects.has_objects(s3.bucket, s3.key)
            else:  # the manifest itself: no key that begins with its key comes before it
                has_objects = next(iter(self._objects.list_keys(s3.bucket, s3.key)), None) == s3.key
        except NoSuchBucketError:
            has_objects = False
        except ObjectStoreError as error:
            raise validation_error(f'The S3 URL "{uri}" cannot be read: {error.sentence()}') from error
        if not has_objects:
            raise validation_error(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
                f"exists in the selected region ({self._site.region}), that objects exist under that S3 prefix, and "
                f'that the role "{role_arn}" has "s3:ListBucket" permissions on bucket "{s3.bucket}".'
            )

    def _check_bucket(self, member: str, uri: str) -> None:
        bucket = parse_s3_uri(uri).bucket
        try:
            self._objects.check_bucket(bucket)
        except NoSuchBucketError as error:
            raise validation_error(f"The S3 bucket '{bucket}' of {member} does not exist; create it first.") from error
        except ObjectStoreError as error:
            raise validation_error(f"The {member} {uri} cannot be written: {error.sentence()}") from error


def _name_in_use(arn: str) -> ServiceError:
    return ServiceError(
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job with this name "
        f"already exists ({arn})",
        400,
    )


def metric_scanner(request: Mapping[str, Any]) -> MetricScanner:
    """The scanner for the MetricDefinitions of a request.

    Raises:
        ContractError: a regex cannot be compiled.
    """
    definitions = request["AlgorithmSpecification"].get("MetricDefinitions", ())
    return MetricScanner([MetricDefinition(one["Name"], one["Regex"]) for one in definitions])


def channel_source(source: ObjectSource, channel: Mapping[str, Any], job_mode: str | None) -> ChannelSource:
    """Where a channel's data comes from, and how the container gets it."""
    path = local_path(channel["DataSource"]["S3DataSource"]["S3Uri"])
    if path is not None:
        return LocalChannel(path=path, config=ChannelConfig(content_type=channel.get("ContentType")))
    parsed = parse_s3_channel(channel, job_mode)
    return ObjectChannel(config=parsed.config, channel=parsed, source=source)

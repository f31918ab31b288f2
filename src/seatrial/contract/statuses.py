"""Statuses of a training job and of an endpoint, and which may follow which. Source: contract.md §1.10, §2.6.

Two rules for this file:

1. A status that no row leads to cannot be reached, and one that leads nowhere is final: the tables are the whole truth.
2. Primary and secondary status move together: ``PRIMARY_OF`` names the primary status of each secondary status; only
   ``Uploading`` has a second one, ``Stopping``, when the upload belongs to a job being stopped.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class TrainingJobStatus(str, enum.Enum):
    """``TrainingJobStatus`` of DescribeTrainingJob."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"


class SecondaryStatus(str, enum.Enum):
    """``SecondaryStatus`` of DescribeTrainingJob, without the three that the API no longer uses."""

    STARTING = "Starting"
    PENDING = "Pending"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    INTERRUPTED = "Interrupted"
    RESTARTING = "Restarting"
    UPDATING = "Updating"
    UPLOADING = "Uploading"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
    MAX_WAIT_TIME_EXCEEDED = "MaxWaitTimeExceeded"
    COMPLETED = "Completed"
    FAILED = "Failed"


class EndpointStatus(str, enum.Enum):
    """``EndpointStatus`` of DescribeEndpoint."""

    CREATING = "Creating"
    IN_SERVICE = "InService"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    OUT_OF_SERVICE = "OutOfService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"


_S = SecondaryStatus
_ENDING = frozenset({_S.FAILED, _S.STOPPING, _S.MAX_RUNTIME_EXCEEDED, _S.MAX_WAIT_TIME_EXCEEDED})

TRAINING_TRANSITIONS: Mapping[SecondaryStatus, frozenset[SecondaryStatus]] = MappingProxyType(
    {
        _S.STARTING: frozenset({_S.PENDING, _S.DOWNLOADING, _S.TRAINING, _S.RESTARTING}) | _ENDING,
        _S.PENDING: frozenset({_S.STARTING, _S.DOWNLOADING, _S.TRAINING, _S.RESTARTING}) | _ENDING,
        _S.DOWNLOADING: frozenset({_S.TRAINING, _S.INTERRUPTED, _S.RESTARTING}) | _ENDING,
        _S.TRAINING: frozenset({_S.UPLOADING, _S.UPDATING, _S.INTERRUPTED, _S.RESTARTING}) | _ENDING,
        _S.UPDATING: frozenset({_S.TRAINING}) | _ENDING,
        _S.INTERRUPTED: frozenset({_S.STARTING}) | _ENDING,
        _S.RESTARTING: frozenset({_S.STARTING}) | _ENDING,
        _S.UPLOADING: frozenset({_S.COMPLETED, _S.STOPPED}) | _ENDING,
        _S.STOPPING: frozenset(
            {_S.UPLOADING, _S.STOPPED, _S.MAX_RUNTIME_EXCEEDED, _S.MAX_WAIT_TIME_EXCEEDED, _S.FAILED}
        ),
        _S.STOPPED: frozenset(),
        _S.MAX_RUNTIME_EXCEEDED: frozenset(),
        _S.MAX_WAIT_TIME_EXCEEDED: frozenset(),
        _S.COMPLETED: frozenset(),
        _S.FAILED: frozenset(),
    }
)
"""Which secondary status may follow which."""

PRIMARY_OF: Mapping[SecondaryStatus, TrainingJobStatus] = MappingProxyType(
    {
        _S.STARTING: TrainingJobStatus.IN_PROGRESS,
        _S.PENDING: TrainingJobStatus.IN_PROGRESS,
        _S.DOWNLOADING: TrainingJobStatus.IN_PROGRESS,
        _S.TRAINING: TrainingJobStatus.IN_PROGRESS,
        _S.UPDATING: TrainingJobStatus.IN_PROGRESS,
        _S.INTERRUPTED: TrainingJobStatus.IN_PROGRESS,
        _S.RESTARTING: TrainingJobStatus.IN_PROGRESS,
        _S.UPLOADING: TrainingJobStatus.IN_PROGRESS,
        _S.STOPPING: TrainingJobStatus.STOPPING,
        _S.STOPPED: TrainingJobStatus.STOPPED,
        _S.MAX_RUNTIME_EXCEEDED: TrainingJobStatus.STOPPED,
        _S.MAX_WAIT_TIME_EXCEEDED: TrainingJobStatus.STOPPED,
        _S.COMPLETED: TrainingJobStatus.COMPLETED,
        _S.FAILED: TrainingJobStatus.FAILED,
    }
)
"""The primary status that goes with each secondary status."""

UNFINISHED_TRAINING_STATUSES = frozenset({TrainingJobStatus.IN_PROGRESS, TrainingJobStatus.STOPPING})
"""Of a training job that has not ended: it can be stopped and not deleted, and waiters wait on."""

TRAINING_STATUS_MESSAGES: Mapping[SecondaryStatus, str] = MappingProxyType(
    {
        _S.STARTING: "Starting the training job",
        _S.PENDING: "Training job waiting for capacity",
        _S.DOWNLOADING: "Downloading input data",
        _S.TRAINING: "Training image download completed. Training in progress.",
        _S.UPLOADING: "Uploading generated training model",
        _S.STOPPING: "Stopping the training job",
        _S.STOPPED: "Training job stopped",
        _S.COMPLETED: "Training job completed",
        _S.FAILED: "Training job failed",
    }
)
"""``StatusMessage`` of a transition, where one was observed (§1.10); no part of the API contract."""

PREPARING_MESSAGE = "Preparing the instances for training"
"""Replaces the message of *Starting* or *Pending* once the job has its machines (§1.10)."""

_E = EndpointStatus

ENDPOINT_TRANSITIONS: Mapping[EndpointStatus, frozenset[EndpointStatus]] = MappingProxyType(
    {
        _E.CREATING: frozenset({_E.IN_SERVICE, _E.FAILED, _E.DELETING}),
        _E.IN_SERVICE: frozenset({_E.UPDATING, _E.SYSTEM_UPDATING, _E.OUT_OF_SERVICE, _E.DELETING}),
        _E.UPDATING: frozenset({_E.IN_SERVICE, _E.ROLLING_BACK, _E.UPDATE_ROLLBACK_FAILED, _E.FAILED}),
        _E.SYSTEM_UPDATING: frozenset({_E.IN_SERVICE, _E.FAILED}),
        _E.ROLLING_BACK: frozenset({_E.IN_SERVICE, _E.UPDATE_ROLLBACK_FAILED}),
        _E.OUT_OF_SERVICE: frozenset({_E.IN_SERVICE, _E.DELETING}),
        _E.UPDATE_ROLLBACK_FAILED: frozenset({_E.UPDATING, _E.DELETING}),
        _E.FAILED: frozenset({_E.DELETING}),
        _E.DELETING: frozenset(),
    }
)
"""Which endpoint status may follow which; ``Deleting`` ends in the endpoint being gone."""


def is_final(status: SecondaryStatus) -> bool:
    """Whether a training job in this secondary status will never change again."""
    return not TRAINING_TRANSITIONS[status]

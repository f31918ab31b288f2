"""SageMaker. What a job would do otherwise if a member were left out is refused; what it would not notice is kept."""

from __future__ import annotations

import functools

from seatrial.platform.wire.operations import Declaration

_declare = functools.partial(Declaration, service="sagemaker")
_JOB = ("TrainingJobName",)
_CHANNEL = "InputDataConfig[]"
_S3_SOURCE = f"{_CHANNEL}.DataSource.S3DataSource"

CREATE_TRAINING_JOB = _declare(
    operation="CreateTrainingJob",
    acted_on=(
        "TrainingJobName",
        "HyperParameters",
        "Environment",
        "EnableNetworkIsolation",
        "AlgorithmSpecification.TrainingImage",
        "AlgorithmSpecification.TrainingInputMode",
        "AlgorithmSpecification.ContainerEntrypoint",
        "AlgorithmSpecification.ContainerArguments",
        "AlgorithmSpecification.MetricDefinitions[].Name",
        "AlgorithmSpecification.MetricDefinitions[].Regex",
        f"{_CHANNEL}.ChannelName",
        f"{_CHANNEL}.ContentType",
        f"{_CHANNEL}.CompressionType",
        f"{_CHANNEL}.InputMode",
        f"{_CHANNEL}.RecordWrapperType",
        f"{_S3_SOURCE}.S3Uri",
        f"{_S3_SOURCE}.S3DataType",
        f"{_S3_SOURCE}.S3DataDistributionType",
        f"{_S3_SOURCE}.AttributeNames",
        f"{_S3_SOURCE}.InstanceGroupNames",
        f"{_CHANNEL}.ShuffleConfig.Seed",
        "OutputDataConfig.S3OutputPath",
        "OutputDataConfig.CompressionType",
        "ResourceConfig.InstanceCount",
        "ResourceConfig.InstanceType",
        "StoppingCondition.MaxRuntimeInSeconds",
        "StoppingCondition.MaxWaitTimeInSeconds",
        "CheckpointConfig.LocalPath",
        "CheckpointConfig.S3Uri",
        "EnableManagedSpotTraining",
        "RetryStrategy.MaximumRetryAttempts",
        "Tags[].Key",
        "Tags[].Value",
    ),
    only={
        f"{_S3_SOURCE}.S3DataType": ("S3Prefix", "ManifestFile", "AugmentedManifestFile"),
        "ResourceConfig.InstanceCount": (1,),
        "ResourceConfig.KeepAlivePeriodInSeconds": (0,),
    },
    echoed=(
        "RoleArn",
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "EnableInterContainerTrafficEncryption",
        "ExperimentConfig",
        "InfraCheckConfig",
        "OutputDataConfig.KmsKeyId",
        "ProfilerConfig",
        "ProfilerRuleConfigurations",
        "ResourceConfig.VolumeKmsKeyId",
        "ResourceConfig.VolumeSizeInGB",
        "TensorBoardOutputConfig",
        "VpcConfig",
    ),
    refused={
        "AlgorithmSpecification.AlgorithmName": "there are no algorithm resources; name a TrainingImage",
        "AlgorithmSpecification.TrainingImageConfig": "images come from the engine of this machine",
        f"{_CHANNEL}.DataSource.DatasetSource": "",
        f"{_CHANNEL}.DataSource.FileSystemDataSource": "",
        f"{_S3_SOURCE}.HubAccessConfig": "",
        f"{_S3_SOURCE}.ModelAccessConfig": "",
        "MlflowConfig": "",
        "ModelPackageConfig": "there is no model registry",
        "RemoteDebugConfig": "",
        "ResourceConfig.InstanceGroups": "",
        "ResourceConfig.InstancePlacementConfig": "",
        "ResourceConfig.InstancePreferences": "",
        "ResourceConfig.KeepAlivePeriodInSeconds": "there are no warm pools",
        "ResourceConfig.SelectedInstanceCount": "",
        "ResourceConfig.SelectedInstanceType": "",
        "ResourceConfig.TrainingPlanArn": "there are no training plans",
        "ServerlessJobConfig": "there are no serverless jobs",
        "SessionChainingConfig": "",
        "StoppingCondition.MaxPendingTimeInSeconds": "",
    },
    extensions={f"{_S3_SOURCE}.S3Uri": "file:///.+"},
    note="Pipe mode needs containers on this machine's own Linux kernel. "
    "An S3Uri may be `file://`, an extension of ours; such a channel is read in File mode.",
)

DECLARATIONS = (
    CREATE_TRAINING_JOB,
    _declare(
        operation="DescribeTrainingJob",
        acted_on=_JOB,
        note="The call of a botocore waiter is held until the job has ended.",
    ),
    _declare(
        operation="ListTrainingJobs",
        acted_on=(
            "CreationTimeAfter",
            "CreationTimeBefore",
            "LastModifiedTimeAfter",
            "LastModifiedTimeBefore",
            "MaxResults",
            "NameContains",
            "NextToken",
            "SortBy",
            "SortOrder",
            "StatusEquals",
            "TrainingPlanArnEquals",
            "WarmPoolStatusEquals",
        ),
        note="No job has a warm pool or a training plan: a filter for one finds none.",
    ),
    _declare(operation="StopTrainingJob", acted_on=_JOB, note="SIGTERM, and SIGKILL 120 seconds later."),
    _declare(operation="DeleteTrainingJob", acted_on=_JOB, note="Of a job that has ended."),
    _declare(
        operation="UpdateTrainingJob",
        acted_on=_JOB,
        echoed=("ProfilerConfig", "ProfilerRuleConfigurations"),
        only={"ResourceConfig.KeepAlivePeriodInSeconds": (0,)},
        refused={
            "RemoteDebugConfig": "",
            "ResourceConfig.KeepAlivePeriodInSeconds": "there are no warm pools",
        },
    ),
    _declare(operation="AddTags", acted_on=("ResourceArn", "Tags[].Key", "Tags[].Value")),
    _declare(operation="ListTags", acted_on=("ResourceArn", "MaxResults", "NextToken")),
    _declare(operation="DeleteTags", acted_on=("ResourceArn", "TagKeys")),
)

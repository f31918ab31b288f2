"""A good request of each supported operation, against what ``prepare`` has put into the platform."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

REGION = "us-east-1"
JOB = "probed-job"
JOB_ARN = f"arn:aws:sagemaker:{REGION}:000000000000:training-job/{JOB}"
ROLE = "probed-role"
ROLE_ARN = "arn:aws:iam::000000000000:role/SageMakerRole"
POLICY_ARN = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
GROUP = "/probed"
STREAM = "stream"
POLICY = '{"Version": "2012-10-17", "Statement": []}'


def seeds(program: str) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """By service and operation.

    The training job of CreateTrainingJob is there already, so that a request that the rules let in ends in
    ResourceInUse and no container is run for it; what deletes names what is not there.
    """
    role, page = {"RoleName": ROLE}, {"RoleName": "SageMakerRole"}
    group = {"logGroupName": GROUP}
    stream = {**group, "logStreamName": STREAM}
    return {
        "sagemaker": {
            "CreateTrainingJob": create_training_job(program),
            "DescribeTrainingJob": {"TrainingJobName": JOB},
            "ListTrainingJobs": {},
            "StopTrainingJob": {"TrainingJobName": JOB},
            "DeleteTrainingJob": {"TrainingJobName": "no-such-job"},
            "UpdateTrainingJob": {"TrainingJobName": JOB},
            "AddTags": {"ResourceArn": JOB_ARN, "Tags": [{"Key": "a", "Value": "b"}]},
            "ListTags": {"ResourceArn": JOB_ARN},
            "DeleteTags": {"ResourceArn": JOB_ARN, "TagKeys": ["a"]},
        },
        "logs": {
            "DescribeLogGroups": {},
            "DescribeLogStreams": group,
            "GetLogEvents": stream,
            "FilterLogEvents": group,
            "CreateLogGroup": group,
            "CreateLogStream": stream,
            "PutLogEvents": {**stream, "logEvents": [{"timestamp": int(time.time() * 1000), "message": "line"}]},
            "DeleteLogGroup": {"logGroupName": "/no-such-group"},
            "DeleteLogStream": {**group, "logStreamName": "no-such-stream"},
            "StartLiveTail": {"logGroupIdentifiers": ["arn:aws:logs:us-east-1:000000000000:log-group:probed"]},
        },
        "sts": {
            "GetCallerIdentity": {},
            "AssumeRole": {"RoleArn": ROLE_ARN, "RoleSessionName": "probe"},
            "GetSessionToken": {},
        },
        "iam": {
            "GetRole": role,
            "CreateRole": {**role, "AssumeRolePolicyDocument": POLICY},
            "DeleteRole": {"RoleName": "no-such-role"},
            "ListRoles": {},
            "SimulatePrincipalPolicy": {"PolicySourceArn": ROLE_ARN, "ActionNames": ["s3:GetObject"]},
            "AttachRolePolicy": {**role, "PolicyArn": POLICY_ARN},
            "DetachRolePolicy": {**role, "PolicyArn": POLICY_ARN},
            "ListAttachedRolePolicies": page,
            "ListRolePolicies": page,
            "PutRolePolicy": {**role, "PolicyName": "inline", "PolicyDocument": POLICY},
            "GetRolePolicy": {**role, "PolicyName": "kept"},
            "DeleteRolePolicy": {**role, "PolicyName": "inline"},
        },
    }


REFUSED_SEEDS = {
    "CreateTrainingJob": "ResourceInUse",
    "StopTrainingJob": "ValidationException",
    "DeleteTrainingJob": "ValidationException",
    "UpdateTrainingJob": "ValidationException",
    "CreateLogGroup": "ResourceAlreadyExistsException",
    "CreateLogStream": "ResourceAlreadyExistsException",
    "DeleteLogGroup": "ResourceNotFoundException",
    "DeleteLogStream": "ResourceNotFoundException",
    "StartLiveTail": "InvalidParameterException",
    "CreateRole": "EntityAlreadyExists",
    "DeleteRole": "NoSuchEntity",
}
"""How the seed itself ends, where that is no success."""


def create_training_job(program: str) -> dict[str, Any]:
    return {
        "TrainingJobName": JOB,
        "RoleArn": ROLE_ARN,
        "AlgorithmSpecification": {"TrainingImage": program, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://probed/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def prepare(url: str, directory: Path) -> str:
    """Make what the seeds name; returns the address of the training program."""
    program = directory / "program"
    program.mkdir()
    (program / "train").write_text("#!/bin/sh\nexit 0\n")
    (program / "train").chmod(0o755)

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106
        )

    client("s3").create_bucket(Bucket="probed")
    sagemaker, logs, iam = client("sagemaker"), client("logs"), client("iam")
    sagemaker.create_training_job(**create_training_job(program.as_uri()))
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=JOB)
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=POLICY)
    iam.put_role_policy(RoleName=ROLE, PolicyName="kept", PolicyDocument=POLICY)
    return program.as_uri()

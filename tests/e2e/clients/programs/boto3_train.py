"""Train with boto3: python boto3_train.py IMAGE DATA_DIRECTORY MODEL_DIRECTORY."""

import sys
import time
from pathlib import Path

import boto3

image, data, model_directory = sys.argv[1:]
s3, sagemaker, logs = boto3.client("s3"), boto3.client("sagemaker"), boto3.client("logs")

bucket, name = "voyages", f"boto3-{time.time_ns()}"
s3.create_bucket(Bucket=bucket)
for file in Path(data).iterdir():
    s3.upload_file(str(file), bucket, f"{name}/data/{file.name}")

sagemaker.create_training_job(
    TrainingJobName=name,
    RoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
    AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
    HyperParameters={"max_leaf_nodes": "5"},
    InputDataConfig=[
        {
            "ChannelName": "training",
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/data/"}},
        }
    ],
    OutputDataConfig={"S3OutputPath": f"s3://{bucket}/models"},
    ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    StoppingCondition={"MaxRuntimeInSeconds": 3600},
)
sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)

group = "/aws/sagemaker/TrainingJobs"
for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]:
    for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]:
        print(event["message"])

job = sagemaker.describe_training_job(TrainingJobName=name)
print(job["TrainingJobStatus"])
key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{bucket}/")
s3.download_file(bucket, key, str(Path(model_directory, "model.tar.gz")))

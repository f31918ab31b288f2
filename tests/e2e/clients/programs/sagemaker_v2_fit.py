"""Train with version 2 of the SageMaker SDK: python sagemaker_v2_fit.py IMAGE DATA_DIRECTORY MODEL_DIRECTORY."""

import sys

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.s3 import S3Downloader

image, data, model_directory = sys.argv[1:]
session = sagemaker.Session()
uri = session.upload_data(data, key_prefix="iris")

estimator = Estimator(
    image_uri=image,
    role=sagemaker.get_execution_role(),
    instance_type="ml.m5.large",
    instance_count=1,
    base_job_name="decision-trees",
    hyperparameters={"max_leaf_nodes": 5},
    metric_definitions=[{"Name": "accuracy", "Regex": r"accuracy[:=] ?([0-9.]+)"}],
    environment={"VOYAGE": "first"},
    tags=[{"Key": "team", "Value": "trees"}],
)
estimator.fit({"training": TrainingInput(uri, content_type="text/csv")}, logs="All")

job = estimator.latest_training_job.describe()
print(job["TrainingJobStatus"], job["FinalMetricDataList"][0]["Value"])
S3Downloader.download(estimator.model_data, model_directory, sagemaker_session=session)

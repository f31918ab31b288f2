"""Train with version 3 of the SageMaker SDK: python sagemaker_v3_train.py IMAGE DATA_DIRECTORY MODEL_DIRECTORY."""

import logging
import sys

from sagemaker.core.s3 import S3Downloader
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import InputData

logging.basicConfig(level=logging.INFO, format="%(message)s")
image, data, model_directory = sys.argv[1:]

trainer = ModelTrainer(
    training_image=image,
    base_job_name="v3-voyage",
    hyperparameters={"max_leaf_nodes": 5},
    environment={"VOYAGE": "first"},
)
trainer.train(input_data_config=[InputData(channel_name="training", data_source=data, content_type="text/csv")])

job = trainer._latest_training_job
print(job.training_job_status)
S3Downloader.download(job.model_artifacts.s3_model_artifacts, model_directory)

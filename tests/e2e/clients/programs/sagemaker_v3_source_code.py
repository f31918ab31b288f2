"""A script brought to an image by SDK v3: python sagemaker_v3_source_code.py IMAGE DATA_DIRECTORY SOURCE_DIRECTORY."""

import logging
import sys

from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode, StoppingCondition

logging.basicConfig(level=logging.INFO, format="%(message)s")
image, data, source = sys.argv[1:]

trainer = ModelTrainer(
    training_image=image,
    base_job_name="v3-script",
    source_code=SourceCode(source_dir=source, entry_script="train.py"),
    hyperparameters={"depth": 3},
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
)
trainer.train(input_data_config=[InputData(channel_name="training", data_source=data)])

job = trainer._latest_training_job
print(job.training_job_status, [channel.channel_name for channel in job.input_data_config])

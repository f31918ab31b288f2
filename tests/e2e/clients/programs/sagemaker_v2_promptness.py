"""How long after the end of a job does ``fit`` return: python sagemaker_v2_promptness.py IMAGE."""

import sys
import time

from sagemaker.estimator import Estimator

(image,) = sys.argv[1:]
estimator = Estimator(image_uri=image, role="SageMakerRole", instance_type="ml.m5.large", instance_count=1)
estimator.fit()
returned_at = time.time()
print("noticed after", returned_at - estimator.latest_training_job.describe()["TrainingEndTime"].timestamp(), "s")

"""What SDK v2 does besides ``fit``: python sagemaker_v2_jobs.py FAILING_IMAGE ENDLESS_IMAGE."""

import sys
import time

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.exceptions import UnexpectedStatusException

failing, endless = sys.argv[1:]
session = sagemaker.Session()


def estimator_of(image: str) -> Estimator:
    return Estimator(image_uri=image, role="SageMakerRole", instance_type="ml.m5.large", instance_count=1)


try:
    estimator_of(failing).fit()
except UnexpectedStatusException as error:
    print("failed:", " ".join(str(error).split()))

estimator = estimator_of(endless)
estimator.fit(wait=False, job_name="endless")
while session.describe_training_job("endless")["SecondaryStatus"] != "Training":
    time.sleep(0.1)
estimator.latest_training_job.stop()
session.sagemaker_client.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="endless")
print("stopped:", session.describe_training_job("endless")["TrainingJobStatus"])

attached = Estimator.attach("endless")
print("attached:", attached.image_uri == endless, attached.model_data)

"""What every room uses and nothing of SageMaker: errors, subprocesses, logs. No third party."""

"""Run a container: nothing here knows SageMaker."""

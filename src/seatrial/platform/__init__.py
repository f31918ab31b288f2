"""The local SageMaker: what surrounds a container. Any image must work here, so nothing here imports the runtime."""

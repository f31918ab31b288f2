"""SageMaker: one module a resource, named after it."""

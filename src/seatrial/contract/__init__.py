"""SageMaker's container contract as data and pure functions; numbers cite the sections of shared contract notes (§)."""

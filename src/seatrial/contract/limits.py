"""Numbers of the contract: seconds, bytes, counts. Each cites its section of contract.md."""

from __future__ import annotations

TRAINING_STOP_GRACE_SECONDS = 120.0
"""SIGTERM to SIGKILL for a training container (§1.9, API_StopTrainingJob)."""

HOSTING_STOP_GRACE_SECONDS = 30.0
"""SIGTERM to SIGKILL for a hosting container (§2.1)."""

FAILURE_REASON_MAX_CHARACTERS = 1024
"""Length of ``FailureReason``, and what is read of the failure file (§1.7)."""

HYPERPARAMETERS_MAX_COUNT = 100
"""Entries of ``HyperParameters`` (§1.3)."""

HYPERPARAMETER_KEY_MAX_CHARACTERS = 256
"""Key of a hyperparameter (§1.3)."""

HYPERPARAMETER_VALUE_MAX_CHARACTERS = 2500
"""Value of a hyperparameter; the API's prose still says 256, its model 2500 (§1.3, CONFLICT: model wins)."""

CHANNELS_MAX_COUNT = 20
"""Channels of one training job (§1.2)."""

ENVIRONMENT_MAX_COUNT = 100
"""Entries of a request's ``Environment`` (§1.4, §2.5)."""

TRAINING_ENVIRONMENT_KEY_MAX_CHARACTERS = 512
"""Key of a training ``Environment`` entry (§1.4)."""

TRAINING_ENVIRONMENT_VALUE_MAX_CHARACTERS = 512
"""Value of a training ``Environment`` entry (§1.4)."""

MAX_RUNTIME_DEFAULT_SECONDS = 86_400
"""``StoppingCondition.MaxRuntimeInSeconds`` when not given (§1.9)."""

MAX_RUNTIME_MAX_SECONDS = 2_419_200
"""Largest ``StoppingCondition.MaxRuntimeInSeconds``: 28 days (§1.9)."""

SERVING_PORT = 8080
"""Port of ``/ping`` and ``/invocations`` where ``SAGEMAKER_BIND_TO_PORT`` says no other (§2.1)."""

PING_TIMEOUT_SECONDS = 2.0
"""One ``GET /ping`` (§2.2)."""

PING_STARTUP_BUDGET_SECONDS = 480.0
"""First good ping of a new container: eight minutes in the current text, four in 2023 (§2.2, CONFLICT by age)."""

PING_INTERVAL_SECONDS = 5.0
"""Between two pings of a running container (§2.2, UNVERIFIED)."""

INVOCATION_TIMEOUT_SECONDS = 60.0
"""Answer to one real-time ``POST /invocations`` (§2.3)."""

INVOCATION_MAX_BODY_BYTES = 25 * 1024 * 1024
"""Real-time request body: 25 MB in the current FAQ, 6,291,456 bytes in the runtime model (§2.3, CONFLICT by age)."""

BATCH_MAX_PAYLOAD_MIB = 100
"""Largest ``MaxPayloadInMB`` of a batch transform (§3.2): the largest body a serving container can meet."""

CUSTOM_ATTRIBUTES_MAX_CHARACTERS = 1024
"""``X-Amzn-SageMaker-Custom-Attributes``, visible ASCII (§2.3)."""

INFERENCE_ID_MAX_CHARACTERS = 64
"""``X-Amzn-SageMaker-Inference-Id`` (§2.3)."""

SESSION_ID_MAX_CHARACTERS = 256
"""``X-Amzn-SageMaker-Session-Id`` (§2.3)."""

"""A serving container's side of the contract: routes, headers, environment, execution parameters.

Source: contract.md §2.1 to §2.5 (hosting), §2.7 (the multi-model routes, named here so that nothing else takes them),
§3.1 (batch transform).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import msgspec

from seatrial.core.errors import ContractError

PING_PATH = "/ping"
"""§2.2."""
INVOCATIONS_PATH = "/invocations"
"""§2.3."""
EXECUTION_PARAMETERS_PATH = "/execution-parameters"
"""§3.1."""
MODELS_PATH = "/models"
"""Multi-model endpoints (§2.7)."""

DEFAULT_PROGRAM = "inference.py"
"""The handler's file where ``SAGEMAKER_PROGRAM`` says no other (§2.5)."""


class Header:
    """Names of headers between platform and container, in lower case as ASGI and HTTP/2 spell them (§2.3)."""

    CONTENT_TYPE = "content-type"
    ACCEPT = "accept"
    STREAMING_ACCEPT = "x-amzn-sagemaker-accept"
    """What streaming and asynchronous clients send in place of ``Accept``."""
    ASYNC_CONTENT_TYPE = "x-amzn-sagemaker-content-type"
    """What asynchronous clients send in place of ``Content-Type``."""
    CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
    TARGET_MODEL = "x-amzn-sagemaker-target-model"
    TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
    TARGET_CONTAINER_HOSTNAME = "x-amzn-sagemaker-target-container-hostname"
    INFERENCE_ID = "x-amzn-sagemaker-inference-id"
    INFERENCE_COMPONENT = "x-amzn-sagemaker-inference-component"
    SESSION_ID = "x-amzn-sagemaker-session-id"
    ENABLE_EXPLANATIONS = "x-amzn-sagemaker-enable-explanations"
    NEW_SESSION_ID = "x-amzn-sagemaker-new-session-id"
    """Response: ``<id>; Expires=YYYY-MM-DDTHH:MM:SSZ``."""
    CLOSED_SESSION_ID = "x-amzn-sagemaker-closed-session-id"


NEW_SESSION = "NEW_SESSION"
"""The session id with which a client asks for a new session (§2.3)."""


class ServingEnvironment:
    """Environment variables that a serving container reads (§2.1, §2.5, §3.1)."""

    BASE_DIR = "SAGEMAKER_BASE_DIR"
    BIND_TO_PORT = "SAGEMAKER_BIND_TO_PORT"
    PROGRAM = "SAGEMAKER_PROGRAM"
    SUBMIT_DIRECTORY = "SAGEMAKER_SUBMIT_DIRECTORY"
    CONTAINER_LOG_LEVEL = "SAGEMAKER_CONTAINER_LOG_LEVEL"
    DEFAULT_INVOCATIONS_ACCEPT = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
    MODEL_SERVER_WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"
    MODEL_SERVER_TIMEOUT = "SAGEMAKER_MODEL_SERVER_TIMEOUT"
    MODEL_SERVER_TIMEOUT_SECONDS = "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS"
    STARTUP_TIMEOUT = "SAGEMAKER_STARTUP_TIMEOUT"
    MAX_PAYLOAD_IN_MB = "SAGEMAKER_MAX_PAYLOAD_IN_MB"
    BATCH = "SAGEMAKER_BATCH"
    BATCH_STRATEGY = "SAGEMAKER_BATCH_STRATEGY"
    MAX_CONCURRENT_TRANSFORMS = "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"
    MULTI_MODEL = "SAGEMAKER_MULTI_MODEL"
    CLASSIC_WORKERS = "MODEL_SERVER_WORKERS"
    """The classic sample's name (§2.5)."""
    CLASSIC_TIMEOUT = "MODEL_SERVER_TIMEOUT"
    """The classic sample's name (§2.5)."""


MODEL_SERVER_TIMEOUT_DEFAULT_SECONDS = 60.0
"""How long one request may take (§2.5)."""

STARTUP_TIMEOUT_DEFAULT_SECONDS = 600.0
"""How long the toolkit waits for a model server to start (§2.5)."""

DEFAULT_INVOCATIONS_ACCEPT = "application/json"
"""Answer to a request whose ``Accept`` is empty or ``*/*`` (§2.5)."""


class BatchStrategy(str, enum.Enum):
    """Records in one batch request, spelled as a container spells it; the API writes ``MultiRecord`` (§3.1)."""

    MULTI_RECORD = "MULTI_RECORD"
    SINGLE_RECORD = "SINGLE_RECORD"


MAX_CONCURRENT_TRANSFORMS_DEFAULT = 1
"""What the platform takes when neither request nor container says (§3.1)."""

MAX_PAYLOAD_DEFAULT_MB = 6
"""What the platform takes when neither request nor container says (§3.1)."""

CONCURRENT_PAYLOAD_MAX_MB = 100
"""Upper bound of ``MaxConcurrentTransforms`` times ``MaxPayloadInMB`` (§3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionParameters:
    """A container's answer to ``GET /execution-parameters`` (§3.1)."""

    max_concurrent_transforms: int = MAX_CONCURRENT_TRANSFORMS_DEFAULT
    batch_strategy: BatchStrategy = BatchStrategy.MULTI_RECORD
    max_payload_mb: int = MAX_PAYLOAD_DEFAULT_MB
    """0 means without limit (§3.2)."""


def render_execution_parameters(parameters: ExecutionParameters) -> bytes:
    """The JSON body of the answer, keys in the documentation's order."""
    return msgspec.json.encode(
        {
            "MaxConcurrentTransforms": parameters.max_concurrent_transforms,
            "BatchStrategy": parameters.batch_strategy.value,
            "MaxPayloadInMB": parameters.max_payload_mb,
        }
    )


def parse_execution_parameters(body: bytes) -> ExecutionParameters:
    """Read a container's answer; missing keys take the platform's defaults, unknown ones are ignored.

    Raises:
        ContractError: the body is no JSON object, or a known key has a value that cannot be used.
    """
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ContractError(
            "execution-parameters-invalid",
            "the answer is not JSON",
            where=EXECUTION_PARAMETERS_PATH,
            found=str(error),
            expected='an object such as {"MaxConcurrentTransforms": 1}',
        ) from error
    return execution_parameters_from(document)


def execution_parameters_from(document: object) -> ExecutionParameters:
    """Check an already parsed answer, see ``parse_execution_parameters``.

    Raises:
        ContractError: as there.
    """
    if not isinstance(document, dict):
        raise _invalid("the answer", document, "a JSON object")
    return ExecutionParameters(
        max_concurrent_transforms=_whole_number(document, "MaxConcurrentTransforms", MAX_CONCURRENT_TRANSFORMS_DEFAULT),
        batch_strategy=parse_batch_strategy(document.get("BatchStrategy", BatchStrategy.MULTI_RECORD.value)),
        max_payload_mb=_whole_number(document, "MaxPayloadInMB", MAX_PAYLOAD_DEFAULT_MB),
    )


def parse_batch_strategy(value: object) -> BatchStrategy:
    """Read either spelling, ``MULTI_RECORD`` or the API's ``MultiRecord`` (§3.1).

    Raises:
        ContractError: neither.
    """
    if isinstance(value, str):
        plain = value.replace("_", "").upper()
        for strategy in BatchStrategy:
            if strategy.value.replace("_", "") == plain:
                return strategy
    raise _invalid("BatchStrategy", value, "MULTI_RECORD or SINGLE_RECORD")


def _whole_number(document: dict[str, object], key: str, default: int) -> int:
    value = document.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _invalid(key, value, "a whole number, 0 or more")
    return value


def _invalid(what: str, value: object, expected: str) -> ContractError:
    return ContractError(
        "execution-parameters-invalid",
        f"{what} cannot be used",
        where=EXECUTION_PARAMETERS_PATH,
        found=repr(value),
        expected=expected,
    )

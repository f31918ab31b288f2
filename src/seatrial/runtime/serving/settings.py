"""Everything ``serve`` can be told, read once from the environment.

A variable that is set but empty counts as not set. Where two variables say the same thing, AWS's toolkit's name wins
over the classic sample's (``MODEL_SERVER_…``): the former is set when a model is created, the latter baked in an image.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.contract.layout import OPT_ML, OptMl
from seatrial.contract.limits import BATCH_MAX_PAYLOAD_MIB, SERVING_PORT
from seatrial.contract.serving import (
    CONCURRENT_PAYLOAD_MAX_MB,
    DEFAULT_INVOCATIONS_ACCEPT,
    DEFAULT_PROGRAM,
    MAX_PAYLOAD_DEFAULT_MB,
    MODEL_SERVER_TIMEOUT_DEFAULT_SECONDS,
    STARTUP_TIMEOUT_DEFAULT_SECONDS,
    BatchStrategy,
    ExecutionParameters,
    parse_batch_strategy,
)
from seatrial.contract.serving import ServingEnvironment as Env
from seatrial.core.errors import ConfigError, ContractError
from seatrial.runtime.algorithm import ALGORITHM

PRELOAD_VARIABLE = "SEATRIAL_PRELOAD_MODEL"
QUEUE_VARIABLE = "SEATRIAL_MAX_QUEUED_REQUESTS"
BIND_ADDRESS_VARIABLE = "SEATRIAL_BIND_ADDRESS"

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 (where the platform looks for the server, contract.md §2.1)

MAX_QUEUED_DEFAULT = 1000
"""Requests one worker lets wait for the model before it answers 503."""

_MIB = 1024 * 1024
_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What ``serve`` was told."""

    opt_ml: OptMl = field(default_factory=OptMl)
    bind_address: str = ALL_INTERFACES
    port: int = SERVING_PORT
    worker_count: int = 1
    timeout_seconds: float = MODEL_SERVER_TIMEOUT_DEFAULT_SECONDS
    """How long the hooks of one request may take."""
    startup_timeout_seconds: float = STARTUP_TIMEOUT_DEFAULT_SECONDS
    """How long loading the user's code and model may take."""
    default_accept: str = DEFAULT_INVOCATIONS_ACCEPT
    max_body_bytes: int | None = BATCH_MAX_PAYLOAD_MIB * _MIB
    """``None`` is without limit."""
    max_queued_requests: int = MAX_QUEUED_DEFAULT
    log_level: int = logging.INFO
    program: str | None = None
    """``SAGEMAKER_PROGRAM``; ``None`` is ``inference.py``."""
    submit_directory: str | None = None
    algorithm: str | None = None
    """``SEATRIAL_ALGORITHM``; ``None`` is ``algorithm.py``."""
    preload_model: bool = True
    execution_parameters: ExecutionParameters = field(default_factory=ExecutionParameters)

    @property
    def program_name(self) -> str:
        return self.program or DEFAULT_PROGRAM


def read_settings(environment: Mapping[str, str], *, cpu_count: int) -> Settings:
    """Read the settings.

    Args:
        environment: As ``os.environ``.
        cpu_count: The number of workers where nothing says another.

    Raises:
        ConfigError: a variable's value cannot be read, or asks for what is not offered.
    """
    read = _Reader(environment)
    if read.flag(Env.MULTI_MODEL, default=False):
        raise ConfigError(
            "multi-model-not-supported",
            "this server loads one model",
            where=Env.MULTI_MODEL,
            found="true",
            fix="create the model without Mode=MultiModel",
        )
    worker_count = read.whole_number(Env.MODEL_SERVER_WORKERS, Env.CLASSIC_WORKERS, default=cpu_count, least=1)
    max_payload_mb = read.whole_number(Env.MAX_PAYLOAD_IN_MB, default=-1)
    return Settings(
        opt_ml=OptMl(Path(read.text(Env.BASE_DIR) or OPT_ML)),
        bind_address=read.text(BIND_ADDRESS_VARIABLE) or ALL_INTERFACES,
        port=read.port(Env.BIND_TO_PORT),
        worker_count=worker_count,
        timeout_seconds=read.seconds(
            Env.MODEL_SERVER_TIMEOUT_SECONDS,
            Env.MODEL_SERVER_TIMEOUT,
            Env.CLASSIC_TIMEOUT,
            default=MODEL_SERVER_TIMEOUT_DEFAULT_SECONDS,
        ),
        startup_timeout_seconds=read.seconds(Env.STARTUP_TIMEOUT, default=STARTUP_TIMEOUT_DEFAULT_SECONDS),
        default_accept=read.text(Env.DEFAULT_INVOCATIONS_ACCEPT) or DEFAULT_INVOCATIONS_ACCEPT,
        max_body_bytes=_max_body_bytes(max_payload_mb),
        max_queued_requests=read.whole_number(QUEUE_VARIABLE, default=MAX_QUEUED_DEFAULT, least=1),
        log_level=read.log_level(Env.CONTAINER_LOG_LEVEL),
        program=read.text(Env.PROGRAM),
        submit_directory=read.text(Env.SUBMIT_DIRECTORY),
        algorithm=read.text(ALGORITHM),
        preload_model=read.flag(PRELOAD_VARIABLE, default=True),
        execution_parameters=_execution_parameters(read, worker_count, max_payload_mb),
    )


def _max_body_bytes(max_payload_mb: int) -> int | None:
    if max_payload_mb < 0:
        return BATCH_MAX_PAYLOAD_MIB * _MIB
    return max_payload_mb * _MIB or None


def _execution_parameters(read: _Reader, worker_count: int, max_payload_mb: int) -> ExecutionParameters:
    payload_mb = MAX_PAYLOAD_DEFAULT_MB if max_payload_mb < 0 else max_payload_mb
    concurrency = min(worker_count, max(1, CONCURRENT_PAYLOAD_MAX_MB // payload_mb)) if payload_mb else worker_count
    return ExecutionParameters(
        # 0 means "ask the container" (contract.md §3.1), and we are the container.
        max_concurrent_transforms=read.whole_number(Env.MAX_CONCURRENT_TRANSFORMS, default=0) or concurrency,
        batch_strategy=read.batch_strategy(Env.BATCH_STRATEGY),
        max_payload_mb=payload_mb,
    )


class _Reader:
    """Reads variables; each method takes names in order of precedence."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None

    def whole_number(self, *names: str, default: int, least: int = 0) -> int:
        name, text = self._first(names)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise _unreadable(name, text, f"a whole number, {least} or more")
        return int(text)

    def port(self, name: str) -> int:
        port = self.whole_number(name, default=SERVING_PORT, least=1)
        if port > 65535:
            raise _unreadable(name, str(port), "a port, 1 to 65535")
        return port

    def seconds(self, *names: str, default: float) -> float:
        name, text = self._first(names)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (0 < value < math.inf):
            raise _unreadable(name, text, "a number of seconds above 0")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.text(name)
        if text is None:
            return default
        if text.lower() not in _TRUE | _FALSE:
            raise _unreadable(name, text, "1 or 0")
        return text.lower() in _TRUE

    def log_level(self, name: str) -> int:
        """A number, as the toolkits pass it, or a name."""
        text = self.text(name)
        if text is None:
            return logging.INFO
        if text.isascii() and text.isdigit():
            return int(text)
        if text.upper() not in _LEVELS:
            raise _unreadable(name, text, "a number such as 20, or one of " + ", ".join(_LEVELS))
        return int(getattr(logging, text.upper()))

    def batch_strategy(self, name: str) -> BatchStrategy:
        text = self.text(name)
        try:
            return parse_batch_strategy(text) if text else BatchStrategy.MULTI_RECORD
        except ContractError as error:
            raise _unreadable(name, text or "", error.expected or "") from error

    def _first(self, names: tuple[str, ...]) -> tuple[str, str | None]:
        for name in names:
            text = self.text(name)
            if text is not None:
                return name, text
        return names[0], None


def _unreadable(name: str, text: str, expected: str) -> ConfigError:
    return ConfigError(
        "environment-variable-invalid",
        "an environment variable cannot be read",
        where=name,
        found=repr(text),
        expected=expected,
    )

"""Which engine runs an image: the user's word, else the image's kind."""

from __future__ import annotations

import enum

from seatrial.core.errors import ConfigError
from seatrial.engines.base import Engine
from seatrial.engines.program import is_program_directory


class EngineChoice(enum.Enum):
    """What ``--engine`` takes."""

    AUTO = "auto"
    """Program directories run as processes, everything else in Docker."""
    PROCESS = "process"
    DOCKER = "docker"


class Engines:
    """The engines of one platform, each made when it is first needed."""

    def __init__(self, choice: EngineChoice = EngineChoice.AUTO) -> None:
        self._choice = choice
        self._made: dict[EngineChoice, Engine] = {}

    def engine_for(self, image: str) -> Engine:
        """The engine that runs an image.

        Raises:
            ConfigError: only the other engine could, and the user has excluded that.
        """
        needed = EngineChoice.PROCESS if is_program_directory(image) else EngineChoice.DOCKER
        if self._choice not in (EngineChoice.AUTO, needed):
            raise _excluded(image, self._choice)
        if needed not in self._made:
            self._made[needed] = _make(needed)
        return self._made[needed]


def _make(choice: EngineChoice) -> Engine:
    if choice is EngineChoice.PROCESS:
        from seatrial.engines.process import ProcessEngine  # noqa: PLC0415 (slow to import, as the other)

        return ProcessEngine()
    from seatrial.engines.docker import DockerEngine  # noqa: PLC0415 (not always there)

    return DockerEngine()


def _excluded(image: str, choice: EngineChoice) -> ConfigError:
    if choice is EngineChoice.PROCESS:
        kind, expected = "this platform runs no images", "file:///path/of/a/program/directory"
    else:
        kind, expected = "this platform runs no program directories", "the name of an image"
    return ConfigError(
        "engine-excluded",
        kind,
        where="TrainingImage",
        found=f"'{image}'",
        expected=expected,
        fix=f"start it without '--engine {choice.value}'",
    )

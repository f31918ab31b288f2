"""What CreateTrainingJob takes as ``Environment``. Source: contract.md §1.4."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.contract import json_text, limits, names
from seatrial.core.errors import ContractError


def check_training_environment(user_environment: Mapping[str, str]) -> None:
    """Check the limits that CreateTrainingJob puts on ``Environment``.

    Raises:
        ContractError: too many entries, a key that is no name or too long, or a value too long; every problem named.
    """
    problems = [problem for key, value in user_environment.items() for problem in _entry_problems(key, value)]
    if len(user_environment) > limits.ENVIRONMENT_MAX_COUNT:
        problems.insert(0, f"{len(user_environment)} entries, at most {limits.ENVIRONMENT_MAX_COUNT}")
    if problems:
        raise ContractError(
            "environment-over-limit",
            "SageMaker would refuse these environment variables",
            found=", ".join(problems),
            fix="pass long values as a file of a channel",
        )


def _entry_problems(key: str, value: str) -> list[str]:
    problems = []
    if not names.ENVIRONMENT_KEY.is_met_by(key):
        problems.append(
            f"name {json_text.shorten(key)!r} is not {names.ENVIRONMENT_KEY.pattern} "
            f"of at most {limits.TRAINING_ENVIRONMENT_KEY_MAX_CHARACTERS} characters"
        )
    if "\0" in value:
        problems.append(f"value of {json_text.shorten(key)!r} holds a NUL, which no variable can")
    if len(value) > limits.TRAINING_ENVIRONMENT_VALUE_MAX_CHARACTERS:
        problems.append(
            f"value of {json_text.shorten(key)!r} has {len(value)} characters, "
            f"at most {limits.TRAINING_ENVIRONMENT_VALUE_MAX_CHARACTERS}"
        )
    return problems

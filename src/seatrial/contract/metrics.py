"""The line with which our runtime logs a metric, and the ``Regex`` of a ``MetricDefinition`` that finds it.

SageMaker searches each line of the container's output and takes the first group (contract.md §1.11). The name stands
between a fixed word and ``=``, so that ``loss`` is never found in ``val_loss``.
"""

from __future__ import annotations

import re

from seatrial.core.errors import ContractError

METRIC_NAME_MAX_CHARACTERS = 255
"""``MetricDefinition.Name`` (§1.11)."""

_VALUE = r"([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)"


def render_metric_line(name: str, value: float) -> str:
    """The line, without its end, such as ``metric validation:accuracy=0.9533``.

    A value that is no number or infinite is written too and matches no regex: SageMaker stores finite values only.

    Raises:
        ContractError: the name is empty, too long, or holds a line end.
    """
    if not 1 <= len(name) <= METRIC_NAME_MAX_CHARACTERS or len(name.splitlines()) != 1:
        raise ContractError(
            "metric-name-invalid",
            "a metric has a name that SageMaker does not take",
            found=repr(name[:METRIC_NAME_MAX_CHARACTERS]),
            expected=f"one line of 1 to {METRIC_NAME_MAX_CHARACTERS} characters",
        )
    return f"metric {name}={float(value)!r}"


def metric_regex(name: str) -> str:
    """``MetricDefinition.Regex`` for a metric of this name."""
    return f"metric {re.escape(name)}={_VALUE}"

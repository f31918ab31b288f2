"""What a service does for one operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Handler: TypeAlias = "Callable[[dict[str, Any]], dict[str, Any]]"
"""Parameters by the model's member names → output by the model's member names. Raises ServiceError.

It gets only what its operation's declaration in ``services/declarations`` does not refuse.
"""

"""What a service does for one operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from seatrial.platform.services.sessions import Session

Handler: TypeAlias = "Callable[[dict[str, Any]], dict[str, Any]]"
"""Parameters by the model's member names → output by the model's member names. Raises ServiceError.

It gets only what its operation's declaration in ``services/declarations`` does not refuse.
"""

CallerHandler: TypeAlias = "Callable[[Session | None, dict[str, Any]], dict[str, Any]]"
"""The same, and first the session that the request was made with, if it was one of ours."""

"""What a handler does with the members of its request: the reference pages are generated from this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from seatrial.platform.services.sessions import Session

Handler: TypeAlias = "Callable[[dict[str, Any]], dict[str, Any]]"
"""Parameters by the model's member names → output by the model's member names. Raises ServiceError."""

CallerHandler: TypeAlias = "Callable[[Session | None, dict[str, Any]], dict[str, Any]]"
"""The same, and first the session that the request was made with, if it was one of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Request members by what becomes of them; one that stands nowhere has no effect here."""

    acted_on: tuple[str, ...] = ()
    echoed: tuple[str, ...] = ()
    """Stored and told again, without any effect."""
    refused: tuple[str, ...] = ()
    """Answered with an error, because to pass them over would change the outcome."""

    def known(self) -> frozenset[str]:
        return frozenset((*self.acted_on, *self.echoed, *self.refused))

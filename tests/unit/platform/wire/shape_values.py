"""Values by botocore's shapes: what a client may send and a service may answer."""

from __future__ import annotations

import datetime
import random
import string
from typing import Any

MAX_DEPTH = 6
"""Recursive shapes end here."""


class Values:
    """Values from a seed.

    Args:
        seed: The same seed gives the same values.
        is_full: Every member, or only those that are required.
    """

    def __init__(self, seed: int, *, is_full: bool) -> None:
        self.random = random.Random(seed)
        self.is_full = is_full

    def value(self, shape: Any, depth: int = 0) -> Any:
        return getattr(self, f"_{shape.type_name}")(shape, depth)

    def _structure(self, shape: Any, depth: int) -> dict[str, Any]:
        if getattr(shape, "is_document_type", False):
            return {"any": ["thing", 1]}
        names = list(shape.members)
        if getattr(shape, "is_tagged_union", False):
            names = [self.random.choice(names)]
        elif not self.is_full or depth >= MAX_DEPTH:
            names = list(shape.required_members)
        return {name: self.value(shape.members[name], depth + 1) for name in names if depth < MAX_DEPTH + 4}

    def _list(self, shape: Any, depth: int) -> list[Any]:
        low = max(1, int(shape.metadata.get("min", 1)))
        return [self.value(shape.member, depth + 1) for _ in range(min(low + int(self.is_full and depth < 3), 60))]

    def _map(self, shape: Any, depth: int) -> dict[str, Any]:
        return {
            f"{self._string(shape.key, depth)}{n}": self.value(shape.value, depth + 1) for n in range(1 + self.is_full)
        }

    def _string(self, shape: Any, _depth: int) -> str:
        if shape.metadata.get("enum"):
            return str(self.random.choice(shape.metadata["enum"]))
        low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 20))
        length = max(1, low, min(high, self.random.randint(1, 12)))
        alphabet = string.ascii_letters + string.digits + (" +&=<>\"'/%é€𝄞" if self.is_full else "")
        return "a" + "".join(self.random.choice(alphabet) for _ in range(length - 1))

    def _integer(self, shape: Any, _depth: int) -> int:
        low = int(shape.metadata.get("min", -5))
        return self.random.randint(low, int(shape.metadata.get("max", low + 100)))

    _long = _integer

    def _float(self, shape: Any, _depth: int) -> float:
        return float(shape.metadata.get("min", 0)) + self.random.randint(0, 8) / 8

    _double = _float

    def _boolean(self, _shape: Any, _depth: int) -> bool:
        return self.random.random() < 0.5

    def _timestamp(self, shape: Any, _depth: int) -> datetime.datetime:
        milliseconds = (
            0 if shape.serialization.get("timestampFormat") == "rfc822" else self.random.choice([0, 1, 250, 999])
        )
        return datetime.datetime(
            2026, 11, 23, 12, self.random.randint(0, 59), 5, milliseconds * 1000, datetime.timezone.utc
        )

    def _blob(self, _shape: Any, _depth: int) -> bytes:
        return self.random.randbytes(self.random.randint(1, 9))

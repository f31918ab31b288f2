"""Which local image a name means, and which names come near one that means none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

_ECR_HOST = re.compile(r"^\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/")
_NEAR_MAX = 5

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})?"
)
_NAME_CHARACTERS_MAX = 255


def is_possible(name: str) -> bool:
    """Whether an image can have this name, or this id.

    Source: https://github.com/distribution/reference/blob/main/reference.go
    """
    match = _REFERENCE.fullmatch(name)
    return match is not None and len(match["name"]) <= _NAME_CHARACTERS_MAX


def candidates(name: str) -> tuple[str, ...]:
    """Names to try in order: the exact one, then the one without an Amazon ECR host."""
    stripped = _ECR_HOST.sub("", name)
    return (name,) if stripped == name else (name, stripped)


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Known names most like ``name``, best first; with none alike, the first few of all."""
    wanted = _ECR_HOST.sub("", name)
    by_short = {short: full for full in reversed(known) for short in (full, full.rpartition("/")[2].partition(":")[0])}
    near = difflib.get_close_matches(wanted, list(by_short), n=_NEAR_MAX, cutoff=0.5)
    near += difflib.get_close_matches(wanted.rpartition("/")[2].partition(":")[0], list(by_short), n=_NEAR_MAX)
    found = list(dict.fromkeys(by_short[short] for short in near))
    return (found or sorted(known))[:_NEAR_MAX]

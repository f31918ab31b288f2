"""Numbers that a client writes as digits."""

from __future__ import annotations

NUMBER_MAX = 2**63 - 1
INT_MAX = 2**31 - 1
"""Of an ``Integer`` of AWS."""


def parse_digits(text: str) -> int | None:
    """The number that ASCII digits are; ``None`` for any other text, also for digits such as ``²``.

    Whatever is larger than ``NUMBER_MAX`` is ``NUMBER_MAX``: Python refuses to read thousands of digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    # Twenty digits, the first of which is no zero, are already more.
    return min(int(text.lstrip("0")[:20] or "0"), NUMBER_MAX)

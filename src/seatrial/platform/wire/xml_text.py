"""Text for an XML document that every XML 1.0 parser must be able to read."""

from __future__ import annotations

import re

_IMPOSSIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""What XML 1.0 has no place for, not even as a reference. Source: https://www.w3.org/TR/xml/#charsets."""


def legible(value: str) -> str:
    """The text with U+FFFD for every character that XML cannot hold; not escaped."""
    return _IMPOSSIBLE.sub("\ufffd", value)

"""Content-Type and Accept: parsing and negotiation. Source: RFC 9110 sections 8.3 and 12.5.1.

Parameters of a media type are read for ``charset`` and ``q`` only. SageMaker's own algorithms use others
(``text/csv; label_size=0``, ``application/jsonlines;verbose=true``), which say nothing about the bytes, so they are let
through.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (RFC 9110's word)
_QUOTED = r'"(?:[^"\\]|\\.?)*(?:"|\Z)'
"""A quote that is never closed runs to the end, so that no header makes the expressions try twice."""
_MEDIA_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})[ \t]*(?:;(.*))?", re.DOTALL)
_PARAMETER = re.compile(rf"({_TOKEN})=({_QUOTED}|[^;\"]*)|{_QUOTED}", re.DOTALL)
_ELEMENT = re.compile(rf'(?:{_QUOTED}|[^,"])+', re.DOTALL)
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?|\.[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type taken apart; all lower case."""

    name: str
    charset: str | None


def parse_content_type(header: str) -> MediaType | None:
    """Take a Content-Type apart; ``None`` when it is none."""
    match = _MEDIA_TYPE.fullmatch(header.strip(" \t"))
    if match is None:
        return None
    return MediaType(match[1].lower(), _parameters(match[2]).get("charset"))


def _parameters(text: str | None) -> dict[str, str]:
    """Names and values, lower case; the last of a name counts."""
    pairs = _PARAMETER.findall(text or "")
    return {name.lower(): value.strip(' \t"').lower() for name, value in pairs if name}


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header."""

    name: str
    """``type/subtype``, ``type/*`` or ``*/*``, lower case."""
    quality: float

    @property
    def is_concrete(self) -> bool:
        return not self.name.endswith("/*")

    def specificity(self, media_type: str) -> int | None:
        """Say how closely this range names the type (2 exactly, 1 its first half, 0 anything), or ``None``."""
        if self.name == media_type:
            return 2
        if self.name == "*/*":
            return 0
        return 1 if self.name.endswith("/*") and media_type.startswith(self.name[:-1]) else None


def parse_accept(header: str) -> list[MediaRange]:
    """Take an Accept header apart, in its order; an element that is no media range is left out."""
    return [media_range for element in _ELEMENT.findall(header) if (media_range := _media_range(element))]


def _media_range(element: str) -> MediaRange | None:
    element = element.strip(" \t")
    if element == "*" or element.startswith("*;"):  # java.net.HttpURLConnection sends "*; q=.2"
        element = "*/*" + element[1:]
    match = _MEDIA_TYPE.fullmatch(element)
    if match is None:
        return None
    quality = _parameters(match[2]).get("q", "1")
    return MediaRange(match[1].lower(), float(quality)) if _QUALITY.fullmatch(quality) else None


def choose(ranges: Sequence[MediaRange], offered: Sequence[str]) -> str | None:
    """Choose the offered type that an Accept header likes best; ``None`` when it likes none.

    The range that names a type most closely gives its quality. Between types of one quality the closer named wins, then
    the one named first in the header, then the one offered first.
    """
    best: tuple[float, int, int] | None = None
    chosen: str | None = None
    for media_type in offered:
        rank = _rank(ranges, media_type)
        if rank and (best is None or rank > best):
            best, chosen = rank, media_type
    return chosen


def _rank(ranges: Sequence[MediaRange], media_type: str) -> tuple[float, int, int] | None:
    matches = [
        (specificity, -position, media_range.quality)
        for position, media_range in enumerate(ranges)
        if (specificity := media_range.specificity(media_type)) is not None
    ]
    if not matches:
        return None
    specificity, position, quality = max(matches)
    return (quality, specificity, position) if quality > 0 else None

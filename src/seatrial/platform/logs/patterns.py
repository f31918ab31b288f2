"""CloudWatch's filter patterns for unstructured events: which messages a reader wants.

    ERROR timeout          both terms, anywhere in the message, case counts
    "exit code: 1"         a phrase; needed for anything but letters, digits and underscores
    ERROR -retry           with the one, without the other
    ?ERROR ?WARN           at least one of them; ignored beside other terms, as CloudWatch does

Source: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html. Patterns in ``{}`` (JSON), ``[]``
(space-delimited) and ``%%`` (regular expressions) are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERM = re.compile(r'(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>\w+))(?=\s|$)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_REFUSED_KINDS = {"{": "JSON", "[": "space-delimited", "%": "regular expression"}


class PatternError(Exception):
    """A filter pattern that CloudWatch refuses, or that is not supported here; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A filter pattern that was read."""

    required: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    """At least one of them, if there are any; never beside the others."""

    def matches(self, message: str) -> bool:
        for term in self.required:  # loops, because every line of a log comes by here
            if term not in message:
                return False
        for term in self.excluded:
            if term in message:
                return False
        return not self.any_of or any(term in message for term in self.any_of)


def parse_pattern(text: str) -> Pattern:
    """Read a filter pattern; an empty one matches everything.

    Raises:
        PatternError: it cannot be read, or is of a kind that is not supported.
    """
    text = text.strip()
    if kind := _REFUSED_KINDS.get(text[:1]):
        raise PatternError(
            f"Seatrial does not support {kind} filter patterns; "
            'use terms, "quoted phrases", -excluded or ?optional terms, or filter what you read'
        )
    terms: dict[str, list[str]] = {"": [], "-": [], "?": []}
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None or not (term := _unquote(found)):
            raise PatternError(f"Invalid character(s) in term '{_first_bad_character(text[position:])}'")
        terms[found["sign"]].append(term)
        position = found.end()
        while position < len(text) and text[position].isspace():
            position += 1
    if terms[""] or terms["-"]:
        return Pattern(required=tuple(terms[""]), excluded=tuple(terms["-"]))
    return Pattern(any_of=tuple(terms["?"]))


def _unquote(found: re.Match[str]) -> str:
    phrase = found["phrase"]
    return found["word"] if phrase is None else _ESCAPE.sub(r"\1", phrase)


def _first_bad_character(text: str) -> str:
    if text.lstrip("?-").startswith('"'):
        return text.lstrip("?-").split()[0]
    bad = re.search(r"\W", text.lstrip("?-"))
    return bad[0] if bad and not bad[0].isspace() else text[0]

r"""Java regular expressions, as AWS's models and messages have them, read by Python's ``re``.

AWS checks a value with Java's ``Pattern.matches``: the whole value has to fit. What differs is translated:

==============================  ======================================================================
``.``                           Java's excludes ``\r``, U+0085, U+2028 and U+2029 too, not only ``\n``
``\p{L}``, ``\p{Alnum}``, …     Unicode categories become ranges; POSIX classes are ASCII
``\uD800\uDC00``                a surrogate pair is one code point
``$`` or ``^`` with a count     Python counts only groups
``[\w-_]``                       the dash is a dash
``\z``                           Python's ``\Z``
``\w \d \s \b``                 ASCII in Java, hence ``re.ASCII``
==============================  ======================================================================

What Java has and no pattern of AWS's models uses (``&&`` in a class, a class in a class, ``\Q…\E``, ``\G``,
possessive counts on Python before 3.11) is refused, so that a new botocore cannot bring in a wrong check unseen.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator

_NOT_LINE_TERMINATOR = r"[^\n\r\x85\u2028\u2029]"

_POSIX_CLASSES = {
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "ASCII": r"\x00-\x7f",
    "Blank": r" \t",
    "Digit": "0-9",
    "Graph": "!-~",
    "Lower": "a-z",
    "Print": " -~",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0b\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
}

_EQUIVALENTS = {
    # Java and Python both need exponential or cubic time to refuse a long text by these; each is replaced by a pattern
    # that fits the same texts in linear time (a test compares them on short texts).
    r".*[0-9a-z]+.*": r"[^\n\r\x85\u2028\u20290-9a-z]*[0-9a-z][^\n\r\x85\u2028\u2029]*",
    r"[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?": r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?",
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"[a-z0-9*](?:[._\-/]?[a-z0-9*])*",
    r".*(?:[ \r\n\t].*)*": r"[^\x85\u2028\u2029]*",
    r".*(?:[ \r\n\t].*)*.*": r"[^\x85\u2028\u2029]*",
    # The upper count of 1,016 cannot be passed by a text of at most 1,024 characters, the shape's own bound.
    r"https://([.\-_a-zA-Z0-9]+/?){3,1016}": r"https://[.\-_a-zA-Z0-9](?:/?[.\-_a-zA-Z0-9]){2,}/?",
}

_ASSIGNED = ((0x0, 0x3FFFF), (0xE0000, 0xE0FFF))
"""Planes 4 to 13 are empty, 15 and 16 are for private use (Unicode 17): leaving them out is four times as quick."""

_TOKEN = re.compile(
    r"""\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})
      | \\(?P<negation>[pP])(?:\{(?P<category>[^}]+)\}|(?P<letter>[A-Z]))
      | (?P<escape>\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.))
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_REFUSED_ESCAPES = re.compile(r"\\[QEGZRXhHvVkcCeo1-9]")
_CLASS_ESCAPES = ("\\w", "\\W", "\\d", "\\D", "\\s", "\\S")
_COUNT = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")


@functools.cache
def compile_java(pattern: str) -> re.Pattern[str]:
    """A Python pattern for ``fullmatch`` that fits the texts that Java's ``matches`` fits.

    Raises:
        ValueError: the pattern uses what is not translated; names it.
    """
    equivalent = _EQUIVALENTS.get(pattern)
    return re.compile(equivalent if equivalent is not None else translate_java(pattern), re.ASCII)


def translate_java(pattern: str) -> str:
    """The pattern in Python's spelling. See ``compile_java``."""
    result: list[str] = []
    is_in_class = False
    for token, rest in _tokens(pattern):
        text = token[0]
        if token["other"] is None:
            result.append(_translate_escape(token, pattern, is_in_class=is_in_class))
        elif is_in_class:
            if text == "[" or (text == "&" and rest.startswith("&")):
                raise ValueError(f"a class in a class in the Java pattern {pattern!r} is not translated")
            is_literal_dash = text == "-" and result[-1] in _CLASS_ESCAPES  # [\w-_]
            result.append(r"\-" if is_literal_dash else text)
            is_in_class = text != "]"
        else:
            result.append(_translate_plain(text, rest))
            is_in_class = text == "["
    return "".join(result)


def _translate_escape(token: re.Match[str], pattern: str, *, is_in_class: bool) -> str:
    if token["high"]:
        return _escape(_join_surrogates(token["high"], token["low"]))
    if token["negation"]:
        return _unicode_class(token, is_in_class=is_in_class)
    if _REFUSED_ESCAPES.match(token[0]):
        raise ValueError(f"{token[0]} in the Java pattern {pattern!r} is not translated")
    return r"\Z" if token[0] == r"\z" else token[0]


def _translate_plain(text: str, rest: str) -> str:
    if text == ".":
        return _NOT_LINE_TERMINATOR
    return f"(?:{text})" if text in "$^" and _COUNT.match(rest) else text


def _tokens(pattern: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each token with what follows it."""
    for token in _TOKEN.finditer(pattern):
        yield token, pattern[token.end() :]


def _join_surrogates(high: str, low: str) -> int:
    return 0x10000 + ((int(high, 16) - 0xD800) << 10) + (int(low, 16) - 0xDC00)


def _unicode_class(token: re.Match[str], *, is_in_class: bool) -> str:
    name = token["category"] or token["letter"]
    ranges = _POSIX_CLASSES.get(name) or category_ranges().get(name.removeprefix("Is"))
    if ranges is None or (token["negation"] == "P" and is_in_class):
        raise ValueError(f"{token[0]} in a Java pattern is not translated")
    if is_in_class:
        return ranges
    return f"[^{ranges}]" if token["negation"] == "P" else f"[{ranges}]"


@functools.lru_cache(maxsize=1)
def category_ranges() -> dict[str, str]:
    """The inside of a character class for each Unicode category, ``L`` as well as ``Lu``, of Python's Unicode version.

    Only for letters, marks, numbers, punctuation, symbols and separators, which have no character outside
    ``_ASSIGNED``.
    """
    parts: dict[str, list[str]] = {}
    for first, last in _ASSIGNED:
        spans = ((category, list(codes)) for category, codes in itertools.groupby(range(first, last + 1), _category))
        for category, codes in spans:
            span = _escape(codes[0]) if len(codes) == 1 else f"{_escape(codes[0])}-{_escape(codes[-1])}"
            parts.setdefault(category, []).append(span)
            parts.setdefault(category[0], []).append(span)
    return {name: "".join(spans) for name, spans in parts.items() if name[0] in "LMNPSZ"}


def _category(code: int) -> str:
    return unicodedata.category(chr(code))


def _escape(code: int) -> str:
    return f"\\U{code:08x}"

"""Texts that fit a pattern of botocore's models, of a wanted length, and texts that do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seatrial.platform.wire.java_patterns import compile_java

try:
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_constants as constants
    import sre_parse as parser

_MISFITS = ("_!*", "a b", "-", "é", "a\nb", "\u4e00", "\x00", "", "A", "0", "!")


def fitting(pattern: str | None, shortest: int, longest: int | None, length: int | None = None) -> str | None:
    """A text that fits; ``None`` when none was found.

    Args:
        pattern: Java's; ``None`` takes anything.
        shortest: Characters.
        longest: Characters.
        length: The wanted one; without it the shortest that is found and allowed.
    """
    if pattern is None:
        return "a" * (length if length is not None else max(shortest, 1))
    compiled = compile_java(pattern)
    for text in sorted(_candidates(compiled.pattern, length if length is not None else shortest), key=len):
        is_long_enough = len(text) == length if length is not None else len(text) >= shortest
        if is_long_enough and (longest is None or len(text) <= longest) and compiled.fullmatch(text):
            return text
    return None


def misfit(pattern: str, shortest: int, longest: int | None) -> str | None:
    """A text of an allowed length that does not fit."""
    compiled = compile_java(pattern)
    for text in _MISFITS:
        padded = text + (text or " ")[-1:] * max(0, shortest - len(text))
        if (longest is None or len(padded) <= longest) and not compiled.fullmatch(padded):
            return padded
    return None


def _candidates(pattern: str, length: int) -> Iterator[str]:
    """The shortest text of the pattern, and those in which one repetition was made as long as it takes."""
    tree = parser.parse(pattern)
    repetitions = list(_repetitions(tree))
    yield _write(tree, {})
    for more in ({}, *({id(outer): 1} for outer in repetitions)):  # an optional part, and what repeats inside of it
        shortest = len(_write(tree, more))
        for repeated in repetitions:
            one_more = len(_write(tree, _plus(more, repeated, 1))) - shortest
            times, odd = divmod(length - shortest, one_more) if one_more else (0, 0)
            if times > 0:
                longer = _plus(more, repeated, times)
                yield _write(tree, longer)
                for other in repetitions if odd else ():
                    yield _write(tree, _plus(longer, other, odd))


def _plus(more: dict[int, int], repeated: Any, times: int) -> dict[int, int]:
    return {**more, id(repeated): more.get(id(repeated), 0) + times}


def _repetitions(tree: Any) -> Iterator[Any]:
    for operator, argument in tree:
        if operator in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            yield argument
            yield from _repetitions(argument[2])
        elif operator is constants.SUBPATTERN:
            yield from _repetitions(argument[3])
        elif operator is constants.BRANCH:
            yield from _repetitions(argument[1][0])


def _write(tree: Any, more: dict[int, int]) -> str:
    """The text of a parsed pattern with the fewest repetitions, but for those in ``more``."""
    parts = []
    for operator, argument in tree:
        if operator is constants.LITERAL:
            parts.append(chr(argument))
        elif operator is constants.NOT_LITERAL:
            parts.append("b" if argument == ord("a") else "a")
        elif operator is constants.IN:
            parts.append(_member_of(argument))
        elif operator is constants.ANY:
            parts.append("a")
        elif operator in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            fewest, most, repeated = argument
            parts.append(_write(repeated, more) * min(fewest + more.get(id(argument), 0), int(most)))
        elif operator is constants.SUBPATTERN:
            parts.append(_write(argument[3], more))
        elif operator is constants.BRANCH:
            parts.append(_write(argument[1][0], more))
    return "".join(parts)


def _member_of(allowed: Any) -> str:
    if allowed[0][0] is constants.NEGATE:
        return next(char for char in "ab0-/ " if not any(_contains(one, ord(char)) for one in allowed[1:]))
    for char in "a0A-":
        if any(_contains(one, ord(char)) for one in allowed):
            return char
    operator, argument = allowed[0]
    return chr(argument if operator is constants.LITERAL else argument[0])


def _contains(item: Any, code: int) -> bool:
    operator, argument = item
    if operator is constants.LITERAL:
        return bool(argument == code)
    if operator is constants.RANGE:
        return bool(argument[0] <= code <= argument[1])
    char = chr(code)
    kinds = {
        constants.CATEGORY_DIGIT: char.isdigit(),
        constants.CATEGORY_NOT_DIGIT: not char.isdigit(),
        constants.CATEGORY_SPACE: char.isspace(),
        constants.CATEGORY_NOT_SPACE: not char.isspace(),
        constants.CATEGORY_WORD: char.isalnum() or char == "_",
        constants.CATEGORY_NOT_WORD: not (char.isalnum() or char == "_"),
    }
    return kinds.get(argument, False)

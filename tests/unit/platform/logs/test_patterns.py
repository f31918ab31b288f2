from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.logs.patterns import PatternError, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", ["", "anything"], []),
        ("  ", ["", "anything"], []),
        ("ERROR", ["[ERROR 400] BAD", "xERRORx"], ["error", ""]),
        ("ERROR timeout", ["timeout: ERROR"], ["ERROR", "timeout"]),
        ('"exit code: 1"', ["the exit code: 1 came"], ["exit code 1"]),
        ('"say \\"hi\\" \\\\"', ['they say "hi" \\'], ["say hi"]),
        ("ERROR -retry", ["ERROR"], ["ERROR retry", "retry", ""]),
        ('-"a b"', ["a  b", ""], ["a b"]),
        ("-ERROR", ["fine"], ["ERROR"]),
        ("?ERROR ?WARN", ["ERROR", "WARN", "WARN ERROR"], ["INFO"]),
        ('?"a b"', ["a b"], ["ab"]),
        ("ERROR ?WARN", ["ERROR"], ["WARN"]),
        ("Überlauf_1", ["Überlauf_1"], ["berlauf_1"]),
    ],
)
def test_parse_pattern_matches_as_documented(pattern: str, matching: list[str], other: list[str]) -> None:
    parsed = parse_pattern(pattern)

    assert [message for message in matching if not parsed.matches(message)] == []
    assert [message for message in other if parsed.matches(message)] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("Status: timeout", r"^Invalid character\(s\) in term ':'$"),
        ("?a.b", r"^Invalid character\(s\) in term '\.'$"),
        ('""', "^Invalid character\\(s\\) in term '\"\"'$"),
        ('"open', "^Invalid character"),
        ('"a"b', "^Invalid character"),
        ("-", "^Invalid character\\(s\\) in term '-'$"),
        ('{ $.level = "ERROR" }', "does not support JSON filter patterns"),
        ("[ip, user]", "does not support space-delimited filter patterns"),
        ("%a.b%", "does not support regular expression filter patterns"),
    ],
)
def test_parse_pattern_that_cannot_be_used_says_why(pattern: str, text: str) -> None:
    with pytest.raises(PatternError, match=text):
        parse_pattern(pattern)


@given(st.text(st.sampled_from('ab"\\?-%{[ \n:')))
def test_parse_pattern_of_any_text_gives_a_pattern_or_a_pattern_error(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except PatternError:
        return
    assert pattern.matches("a b") in (True, False)


@given(st.lists(st.text(min_size=1), max_size=4), st.lists(st.text(min_size=1), max_size=4), st.text())
def test_parse_pattern_of_quoted_phrases_keeps_every_character(
    has: list[str], has_not: list[str], message: str
) -> None:
    def quote(phrase: str) -> str:
        escaped = phrase.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    pattern = parse_pattern(" ".join([*map(quote, has), *(f"-{quote(phrase)}" for phrase in has_not)]))

    assert pattern.required == tuple(has)
    assert pattern.excluded == tuple(has_not)
    expected = all(phrase in message for phrase in has) and not any(phrase in message for phrase in has_not)
    assert pattern.matches(message) == expected

"""Every error slug has its section in ``docs/reference/errors.md``, and every section its error."""

from __future__ import annotations

import re

from source_tree import DOCS, SLUG, raised_errors

from seatrial.cli.main import EXIT_CODES

PAGE = DOCS / "reference" / "errors.md"

_SECTION = re.compile(
    r"^### (?P<slug>\S+)\n\n\*(?P<kinds>[\w, ]+)\*\n\n(?P<text>.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL
)


def _sections() -> dict[str, tuple[set[str], str]]:
    """Slug -> kinds of error, text."""
    found = {}
    for match in _SECTION.finditer(PAGE.read_text(encoding="utf-8")):
        assert match["slug"] not in found, f"two sections {match['slug']}"
        found[match["slug"]] = (set(match["kinds"].split(", ")), match["text"])
    return found


def test_every_error_is_made_with_a_literal_slug() -> None:
    assert [error.place for error in raised_errors() if error.slug is None] == []


def test_every_slug_is_lower_case_words_joined_by_hyphens() -> None:
    assert [error for error in raised_errors() if SLUG.fullmatch(error.slug or "") is None] == []


def test_every_slug_in_the_code_has_a_section() -> None:
    sections = _sections()

    assert {error.slug: error.place for error in raised_errors() if error.slug not in sections} == {}


def test_every_section_belongs_to_a_slug_in_the_code() -> None:
    assert set(_sections()) - {error.slug for error in raised_errors()} == set()


def test_every_section_names_the_kind_that_the_code_raises() -> None:
    kinds: dict[str, set[str]] = {}
    for error in raised_errors():
        kinds.setdefault(str(error.slug), set()).add(error.kind)

    assert {slug: kinds.get(slug) for slug, (named, _) in _sections().items() if kinds.get(slug) != named} == {}


def test_every_section_says_what_to_do() -> None:
    assert [slug for slug, (_, text) in _sections().items() if "**Fix:**" not in text] == []


def test_every_exit_code_of_a_slug_is_in_its_section_and_the_other_way() -> None:
    ends_with = re.compile(r"command\s+ends\s+with\s+(\d+)")
    told = {slug: [int(code) for code in ends_with.findall(text)] for slug, (_, text) in _sections().items()}

    assert {slug: codes for slug, codes in told.items() if codes} == {slug: [code] for slug, code in EXIT_CODES.items()}


def test_every_heading_of_the_third_level_is_a_section() -> None:
    headings = re.findall(r"^### (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert headings == list(_sections())

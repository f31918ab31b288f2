"""JSON as SageMaker's configuration files have it: written compact, read with tolerance. Source: contract.md §1.3."""

from __future__ import annotations

import json
from collections.abc import Mapping

from seatrial.core.errors import ContractError

_SHOWN_CHARACTERS = 60


def parse_object(body: bytes, *, where: str) -> dict[str, object]:
    """Parse a JSON object.

    Args:
        body: UTF-8 (a byte order mark is allowed), UTF-16 or UTF-32.
        where: The file that an error names.

    Raises:
        ContractError: no JSON, or JSON but no object.
    """
    try:
        text = body.decode(json.detect_encoding(body))
        value = json.loads(text)
    except UnicodeDecodeError as error:
        raise ContractError(
            "config-file-broken",
            "a configuration file is not text",
            where=where,
            found=f"byte 0x{body[error.start]:02x} at offset {error.start}",
            expected="JSON in UTF-8",
        ) from None
    except json.JSONDecodeError as error:
        raise ContractError(
            "config-file-broken",
            f"a configuration file is no JSON: {error.msg[:1].lower()}{error.msg[1:]}",
            where=f"{where}, line {error.lineno}, column {error.colno}",
            found=_found_at(text, error.pos),
        ) from None
    except (ValueError, RecursionError) as error:
        raise ContractError(
            "config-file-broken", "a configuration file holds JSON that cannot be read", where=where, found=str(error)
        ) from None
    if not isinstance(value, dict):
        raise wrong_value(where=where, found=value, expected="a JSON object")
    return value


def render_compact(value: object) -> bytes:
    """Render JSON without white space and without a final newline; keys keep their order."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes JSON's own escape for it


def wrong_value(*, where: str, found: object, expected: str) -> ContractError:
    """The error for a readable file with a value of the wrong type or out of its set."""
    return ContractError(
        "config-file-value",
        "a configuration file holds a value that the contract does not allow",
        where=where,
        found=shorten(json.dumps(found, default=str)),
        expected=expected,
    )


def shorten(text: str) -> str:
    """Cut a text from a file to what fits into an error's one line."""
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def optional_text(entry: Mapping[str, object], key: str, *, where: str) -> str | None:
    """The text under ``key``; ``None`` when it is absent or null."""
    value = entry.get(key)
    if value is None or isinstance(value, str):
        return value
    raise wrong_value(where=f"{where}, key {key!r}", found=value, expected="a string")


def _found_at(text: str, position: int) -> str:
    return repr(shorten(text[position:].partition("\n")[0])) if position < len(text) else "the end of the file"

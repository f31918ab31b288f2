"""Parse JSON text and say where it breaks."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from seatrial.runtime.serving.codecs.charsets import check_utf8, position
from seatrial.runtime.serving.codecs.codec import MalformedBodyError, excerpt

_OFFSET = re.compile(r" \(byte (\d+)\)$")
_PATH = re.compile(r" - at `(.*)`$")


def parse(text: bytes, *, line: int = 1) -> Any:  # noqa: ANN401 (any JSON value)
    """Parse one JSON value.

    Args:
        text: UTF-8, one value.
        line: The number of its first line, for the errors.

    Raises:
        MalformedBodyError: with line and column (the character in the line).
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.ValidationError as error:
        path = _PATH.search(str(error))
        raise MalformedBodyError(
            "malformed-body",
            "a number is beyond what can be read",
            line=line,
            where=f"line {line}, the value {path[1]}" if path else None,
            found=_PATH.sub("", str(error)).lower(),
            expected="a number in float64's range",
        ) from None
    except RecursionError:
        raise MalformedBodyError(
            "malformed-body", "the JSON is nested too deeply", line=line, expected="fewer levels of [ and {"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        check_utf8(text)
        raise _syntax_error(text, error, line) from None


def _syntax_error(text: bytes, error: Exception, first_line: int) -> MalformedBodyError:
    """Translate msgspec's message, which carries the byte offset; a body that just ends has none."""
    match = _OFFSET.search(str(error))
    offset = min(int(match[1]), len(text)) if match else len(text)
    reason = _OFFSET.sub("", str(error)).removeprefix("JSON is malformed: ")
    if reason == "trailing characters":
        offset -= 1  # counted after the character was read
    line, column = position(text, offset)
    return MalformedBodyError(
        "malformed-body",
        "the body is not JSON",
        line=first_line + line - 1,
        column=column,
        found=excerpt(text[offset : offset + 80]) if offset < len(text) else "the end of the text",
        expected=f"JSON ({reason})",
    )

"""From the charset of a Content-Type to UTF-8, the one encoding the codecs read.

The list is closed: Python's own look-up imports modules by name, remembers every name it was asked for, and knows
encodings whose decoders take quadratic time.
"""

from __future__ import annotations

from seatrial.core.errors import RequestError
from seatrial.runtime.serving.codecs.codec import MalformedBodyError, excerpt

_PYTHON_CODECS = {
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
    "shift_jis": "shift_jis",
    "euc-jp": "euc-jp",
    "euc-kr": "euc-kr",
    "gb18030": "gb18030",
    "gbk": "gbk",
    "big5": "big5",
    "koi8-r": "koi8-r",
    "windows-1251": "cp1251",
}
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_BOM = b"\xef\xbb\xbf"


def to_utf8(body: bytes, charset: str | None) -> bytes:
    """Bring a text body to UTF-8 without a byte order mark; whether the bytes are UTF-8 is left to the codec.

    Args:
        body: As received.
        charset: Lower case; ``None`` or empty means UTF-8.

    Raises:
        RequestError: ``unsupported-content-type`` for a charset we do not read.
        MalformedBodyError: the bytes are not of that charset.
    """
    if not charset or charset in _UTF_8:
        return body[len(_BOM) :] if body.startswith(_BOM) else body
    name = _PYTHON_CODECS.get(charset)
    if name is None:
        raise RequestError(
            "unsupported-content-type",
            "the request's charset cannot be read",
            found=excerpt(charset),
            expected="utf-8, " + ", ".join(sorted(set(_PYTHON_CODECS))),
            fix="send UTF-8",
        )
    try:
        return body.decode(name).removeprefix("\ufeff").encode()
    except UnicodeError as error:
        raise MalformedBodyError(
            "malformed-body", f"the body is not {charset} text", found=excerpt(str(error)), fix="send UTF-8"
        ) from None


def check_utf8(body: bytes) -> None:
    """Refuse a body that is not UTF-8.

    Raises:
        MalformedBodyError: names the line and the character before which the text breaks.
    """
    try:
        body.decode()
    except UnicodeDecodeError as error:
        line, column = position(body, error.start)
        raise MalformedBodyError(
            "malformed-body",
            "the body is not UTF-8 text",
            line=line,
            column=column,
            found=f"byte 0x{body[error.start]:02X}",
            expected="UTF-8, or a charset parameter in Content-Type",
        ) from None


def position(body: bytes, offset: int) -> tuple[int, int]:
    """Line and character, both from 1, of a byte in UTF-8 text that is right up to there."""
    line_start = body.rfind(b"\n", 0, offset) + 1
    line = body.count(b"\n", 0, line_start) + 1
    return line, len(body[line_start:offset].decode("utf-8", errors="replace")) + 1

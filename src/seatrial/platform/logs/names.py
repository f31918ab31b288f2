"""Names of log groups and streams as names of directories, and back.

A name is percent-quoted, so that ``/``, ``..`` and NUL never reach the file system. What would be too long for it is
cut and ends in ``~`` and a hash of the name; the name itself then stands only in the directory's own file.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote, unquote

MAX_DIRECTORY_NAME_BYTES = 200
"""Longer ones are cut; file systems take 255."""
_KEPT_BYTES = 150
_CUT = "~"


def quote_name(name: str) -> str:
    """The name of the directory for a group or a stream: ASCII, no separator, not hidden, one for each name.

    Raises:
        ValueError: the name is empty.
    """
    if not name:
        raise ValueError("a log group or stream needs a name")
    quoted = quote_prefix(name)
    if len(quoted) <= MAX_DIRECTORY_NAME_BYTES:
        return quoted
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{quoted[:_KEPT_BYTES]}{_CUT}{digest}"


def quote_prefix(prefix: str) -> str:
    """What the uncut directory names of all names with this prefix begin with; may be empty."""
    quoted = quote(prefix, safe="", errors="surrogatepass").replace(_CUT, "%7E")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def unquote_name(directory_name: str) -> str | None:
    """The name that ``quote_name`` had; ``None`` when it was cut."""
    return None if _CUT in directory_name else unquote(directory_name, errors="surrogatepass")


def may_begin_with(directory_name: str, quoted_prefix: str) -> bool:
    """Whether the name behind a directory can begin with a prefix; certain for a name that was not cut."""
    kept = directory_name.partition(_CUT)[0] if _CUT in directory_name else directory_name
    if kept.startswith(quoted_prefix):
        return True
    return kept != directory_name and quoted_prefix.startswith(kept)

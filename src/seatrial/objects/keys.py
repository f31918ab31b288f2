"""Where in its bucket's folder the object of a key is: pure functions over names, no file is touched.

Rules:

- A key is cut at its slashes into segments: the last names a file, those before it directories.
- A segment is stored as itself when it is not empty, not ``.`` or ``..``, has no NUL, is at most 255 bytes of UTF-8 and
  does not begin with ``%~``. Every other segment has a marked name, which begins with ``%~``.
- A marked name is ``%~f`` (a file) or ``%~d`` (a directory), followed by the segment with ``%`` as ``%25`` and NUL as
  ``%00``. The directory of an empty segment is ``%~`` alone, so that 1,024 slashes fit into a path of Linux.
- A marked name over 255 bytes is cut between characters over nested directories ``%~l...``, with the marked name of the
  rest inside the last of them.
- A file system keeps either a file or a directory under one name, S3 keeps the object ``a`` beside ``a/b``. Whichever
  comes second takes the marked name, so an ordinary segment has two forms; a reader knows both.
- ``decode`` takes exactly what ``plain_form`` and ``marked_form`` give. Other names that begin with ``%~`` are no
  objects.

Nothing here leaves the bucket's folder: no component is empty, ``.`` or ``..`` or holds a slash.
"""

from __future__ import annotations

import enum
import functools
import re

from seatrial.objects.errors import KeyTooLongError, ObjectStoreError

KEY_MAX_BYTES = 1024
"""Length of a key in UTF-8. Source: S3 user guide, "Naming Amazon S3 objects"."""

NAME_MAX_BYTES = 255
"""Length of a file name on every file system we know."""

_MARK = "%~"
_CONTINUED = "%~l"
_PIECE_MAX_BYTES = NAME_MAX_BYTES - len(_CONTINUED)

Form = tuple[str, ...]
"""The nested names of one segment; all but the last are directories that only continue a long name."""


class Role(enum.Enum):
    """What a segment names on disk."""

    FILE = "%~f"
    DIRECTORY = "%~d"


def check_key(key: str) -> None:
    """Refuse what is no key.

    Raises:
        ObjectStoreError: the key is empty or cannot be written in UTF-8.
        KeyTooLongError: it is over ``KEY_MAX_BYTES``.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ObjectStoreError("key-invalid", "the key is no text in UTF-8", where=repr(key)) from None
    if size == 0:
        raise ObjectStoreError("key-invalid", "the key is empty", fix="give the object a name")
    if size > KEY_MAX_BYTES:
        raise KeyTooLongError(size, KEY_MAX_BYTES)


def is_plain(segment: str) -> bool:
    """Whether a segment is stored as itself."""
    return (
        segment not in ("", ".", "..")
        and "\0" not in segment
        and not segment.startswith(_MARK)
        and (len(segment) * 4 <= NAME_MAX_BYTES or len(segment.encode()) <= NAME_MAX_BYTES)
    )


@functools.lru_cache(maxsize=1024)
def forms(segment: str, role: Role) -> tuple[Form, ...]:
    """The forms of a segment, the one to look for first and to take when it is free first."""
    marked = marked_form(segment, role)
    return ((segment,), marked) if is_plain(segment) else (marked,)


def marked_form(segment: str, role: Role) -> Form:
    """The form that only one role has, so that it never clashes."""
    if not segment and role is Role.DIRECTORY:
        return (_MARK,)
    pieces = _cut(segment.replace("%", "%25").replace("\0", "%00"))
    return (*(_CONTINUED + piece for piece in pieces[:-1]), role.value + pieces[-1])


def is_continued(name: str) -> bool:
    """Whether a directory's name is the beginning of a longer marked name that goes on inside it."""
    return name.startswith(_CONTINUED)


def decode(form: Form, role: Role) -> str | None:
    """The segment that a form stands for; ``None`` when it is the form of none."""
    last = form[-1]
    if not last.startswith(_MARK):
        return last if len(form) == 1 and is_plain(last) and _is_text(last) else None
    if form == (_MARK,) and role is Role.DIRECTORY:
        return ""
    if not last.startswith(role.value):
        return None
    payload = "".join(name[len(_CONTINUED) :] for name in form)
    segment = re.sub("%(25|00)", lambda match: "%" if match[1] == "25" else "\0", payload)
    return segment if _is_text(segment) and marked_form(segment, role) == form else None


def _cut(text: str) -> list[str]:
    """Pieces of at most ``_PIECE_MAX_BYTES``, cut between characters; one empty piece for no text."""
    if len(text.encode()) <= _PIECE_MAX_BYTES:
        return [text]
    pieces = []
    start = size = 0
    for position, character in enumerate(text):
        width = len(character.encode())
        if size + width > _PIECE_MAX_BYTES:
            pieces.append(text[start:position])
            start, size = position, 0
        size += width
    return [*pieces, text[start:]]


def _is_text(name: str) -> bool:
    """Whether a name from the disk is valid UTF-8, as a key has to be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

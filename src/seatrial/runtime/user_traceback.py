"""Tracebacks for the author of the program: their own frames, neither ours nor those of the import machinery.

Loaded only when something has failed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType

_RUNTIME = os.path.dirname(__file__)
_OURS = tuple(os.path.join(os.path.dirname(_RUNTIME), room, "") for room in ("runtime", "contract", "core"))
_IMPORT_MACHINERY = "<frozen importlib"
_STANDARD_LIBRARY = os.path.join(os.path.dirname(os.__file__), "")
_PACKAGES = (os.path.join(_STANDARD_LIBRARY, "site-packages", ""), os.path.join(_STANDARD_LIBRARY, "dist-packages", ""))


def keep_user_frames(error: BaseException) -> None:
    """Shorten the traceback of an exception, and of all that it is chained to, to what its user can mend.

    Gone are the frames before the user's first one, and the import machinery's wherever they are. A file that could
    not even be compiled has no frame: its exception tells file, line and text by itself. What was raised without any
    code of the user's is a fault of ours and keeps everything.
    """
    for member in _chain(error):
        member.__traceback__ = _shortened(member.__traceback__)


def summarise(error: BaseException) -> str:
    """``ExceptionClass: message``, as the last line of a traceback has it, in one line."""
    message = " ".join(message_of(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def message_of(error: BaseException) -> str:
    """``str(error)``, and what Python's own tracebacks say of an exception that cannot do that."""
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"


def last_user_line(error: BaseException) -> str | None:
    """``FILE, line N`` of the innermost frame that is not ours."""
    lines = [
        f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
        for trace in _frames(error.__traceback__)
        if not _is_ours(trace)
    ]
    return lines[-1] if lines else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        member = left.pop()
        if member is None or id(member) in seen:
            continue
        seen.add(id(member))
        yield member
        # Members of an ExceptionGroup, which Python 3.10 does not have.
        left += [member.__cause__, member.__context__, *getattr(member, "exceptions", ())]


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _shortened(trace: TracebackType | None) -> TracebackType | None:
    frames = list(_frames(trace))
    first = next((index for index, frame in enumerate(frames) if not _is_before_user(frame)), None)
    if first is None:
        return None if frames and _is_import_machinery(frames[-1]) else trace
    shortened: TracebackType | None = None
    for frame in reversed(frames[first:]):
        if not _is_import_machinery(frame):
            shortened = TracebackType(shortened, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return shortened


def _is_before_user(trace: TracebackType) -> bool:
    """Whether the frame is of what calls the user's code: ours, imports, asyncio."""
    name = _file_of(trace)
    is_standard = name.startswith(_STANDARD_LIBRARY) and not name.startswith(_PACKAGES)
    return is_standard or _is_ours(trace) or _is_import_machinery(trace)


def _is_ours(trace: TracebackType) -> bool:
    return _file_of(trace).startswith((*_OURS, "<frozen "))


def _is_import_machinery(trace: TracebackType) -> bool:
    return _file_of(trace).startswith(_IMPORT_MACHINERY)


def _file_of(trace: TracebackType) -> str:
    return trace.tb_frame.f_code.co_filename

"""Find, fill and clear the place of a key in its bucket's folder; the only code that makes or removes names there.

Links, FIFOs and devices that a user may have put there are no objects: they are never followed, opened or replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from seatrial.objects.disk import is_directory, mode_of, sync_directory
from seatrial.objects.errors import KeyTooLongError, NoSuchBucketError, ObjectStoreError
from seatrial.objects.keys import KEY_MAX_BYTES, Form, Role, forms

_ATTEMPTS = 1000
"""How often a place may be taken away, by somebody who removes empty directories, before it is our fault."""


def find_files(folder: str, key: str) -> Iterator[str]:
    """The files of a key in a bucket's folder; the first is the object."""
    segments = key.split("/")
    last = len(segments) - 1
    pending = [(folder, 0)]
    while pending:
        path, depth = pending.pop()
        if depth > last:
            if stat.S_ISREG(mode_of(path)):
                yield path
        elif depth == 0 or is_directory(path):
            role = Role.FILE if depth == last else Role.DIRECTORY
            pending += [(_join(path, form), depth + 1) for form in reversed(forms(segments[depth], role))]


def place_file(folder: str, key: str, temporary: str) -> str:
    """Rename a file to where a key's object belongs, and return that path; it survives a power cut.

    The caller holds the lock of the key; only other keys and users are at work at the same time.

    Raises:
        NoSuchBucketError: the folder is not there.
        KeyTooLongError: the path would be over what the system allows.
        ObjectStoreError: ``key-obstructed``.
    """
    *directories, name = key.split("/")
    for _ in range(_ATTEMPTS):
        changed: list[str] = []
        found = list(find_files(folder, key))
        path = found[0] if found else None
        try:
            if path is None:
                directory = folder
                for segment in directories:
                    directory = _enter(directory, segment, changed)
                path = _free_path(directory, name, changed)
            os.rename(temporary, path)
        except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError):
            # A directory was removed with its last object, or another key took the name: look again.
            if not is_directory(folder):
                raise NoSuchBucketError(os.path.basename(folder)) from None
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise KeyTooLongError(len(key.encode()), KEY_MAX_BYTES) from None
            raise
        for directory in dict.fromkeys([os.path.dirname(path), *reversed(changed)]):
            sync_directory(directory)
        for other in found[1:]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(other)
        return path
    raise ObjectStoreError("key-obstructed", "the object's place in its bucket's folder keeps changing", where=key)


def remove_files(folder: str, key: str) -> bool:
    """Remove a key's object and the directories that it leaves empty; false when there was none."""
    paths = list(find_files(folder, key))
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        directory = os.path.dirname(path)
        while directory != folder:
            try:
                os.rmdir(directory)
            except OSError:
                break
            directory = os.path.dirname(directory)
        sync_directory(directory)
    return bool(paths)


def remove_empty_directories(folder: str) -> None:
    """Remove the directories below a folder, and the folder, as far as they are empty.

    Raises:
        OSError: something else than a directory is in one of them.
    """
    pending = [folder]
    found = []
    while pending:
        directory = pending.pop()
        found.append(directory)
        with os.scandir(directory) as entries:
            pending += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    for directory in reversed(found):
        os.rmdir(directory)


def _enter(directory: str, segment: str, changed: list[str]) -> str:
    """The directory of a segment; it is made when there is none."""
    candidates = [(form, _join(directory, form)) for form in forms(segment, Role.DIRECTORY)]
    modes = [mode_of(path) for _, path in candidates]
    for (_, path), mode in zip(candidates, modes, strict=True):
        if stat.S_ISDIR(mode):
            return path
    for (form, path), mode in zip(candidates, modes, strict=True):
        if mode == 0:
            _make_directories(directory, form, changed)
            return path
    raise _obstructed(candidates[-1][1])


def _free_path(directory: str, segment: str, changed: list[str]) -> str:
    for form in forms(segment, Role.FILE):
        path = _join(directory, form)
        mode = mode_of(path)
        if mode == 0 or stat.S_ISREG(mode):
            _make_directories(directory, form[:-1], changed)
            return path
    raise _obstructed(path)


def _make_directories(directory: str, form: Form, changed: list[str]) -> None:
    for name in form:
        try:
            os.mkdir(f"{directory}/{name}")
        except FileExistsError:
            if not is_directory(f"{directory}/{name}"):
                raise
        else:
            changed.append(directory)
        directory = f"{directory}/{name}"


def _join(directory: str, form: Form) -> str:
    return f"{directory}/{form[0]}" if len(form) == 1 else "/".join((directory, *form))


def _obstructed(path: str) -> ObjectStoreError:
    return ObjectStoreError(
        "key-obstructed",
        "something that is no object is in the place of one",
        where=path,
        fix="move it out of the bucket's folder",
    )

"""Walk a bucket's folder lazily in the order of its keys' UTF-8 bytes.

A directory's entries are sorted as its keys are: a file by its segment, a directory by its segment and a slash. Python
compares text by code points, which is the order of UTF-8. All forms of a name (``keys``) are decoded and merged before,
so one directory of keys may be several on disk. Directories that cannot hold what is asked for are never opened.
"""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from seatrial.objects.base import ObjectInfo, Page
from seatrial.objects.keys import Form, Role, decode, is_continued

Directories = tuple[str, ...]
"""The paths that one directory of keys has on disk, the one to prefer first."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """The content of one directory of keys."""

    names: list[str]
    """Sorted; one that ends in a slash is a directory."""
    paths: dict[str, Directories]


class DirectoryCache:
    """Keeps the sorted content of large directories between the pages of a listing.

    A directory's time of change tells whether it is still true. Times are coarse, so a directory that was changed
    shortly before it was read is not kept: another change could have left the same time.
    """

    SETTLED_NS = 50_000_000
    """Far above the tick of any kernel's clock for files (10 ms)."""
    ENTRIES_MIN = 256
    ENTRIES_MAX = 1_000_000
    """Entries of all directories together; about 200 MB."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Directories, tuple[tuple[int, ...], _Scan]] = OrderedDict()
        self._entry_count = 0

    def scan(self, directories: Directories) -> _Scan:
        """The content of a directory as it is now."""
        stamp = _stamp(directories)
        with self._lock:
            kept = self._kept.get(directories)
            if kept is not None and kept[0] == stamp:
                self._kept.move_to_end(directories)
                return kept[1]
        started_ns = time.time_ns()
        scan, has_continued = _scan(directories)
        is_settled = all(started_ns - one > self.SETTLED_NS for one in stamp[1::2])
        # A continued name's inner directories have times of their own.
        if len(scan.names) >= self.ENTRIES_MIN and is_settled and not has_continued and _stamp(directories) == stamp:
            self._keep(directories, stamp, scan)
        return scan

    def _keep(self, directories: Directories, stamp: tuple[int, ...], scan: _Scan) -> None:
        with self._lock:
            old = self._kept.pop(directories, None)
            self._entry_count += len(scan.names) - (len(old[1].names) if old else 0)
            self._kept[directories] = stamp, scan
            while self._entry_count > self.ENTRIES_MAX:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._entry_count -= len(dropped.names)


@dataclass(slots=True)
class Position:
    """Where a walk is to go on; it may be moved forward while the walk is under way."""

    after: str = ""
    """Only keys behind this."""
    skipped: str | None = None
    """No keys with this prefix."""


def walk(folder: str, prefix: str, position: Position, cache: DirectoryCache) -> Iterator[tuple[str, str]]:
    """Keys and the paths of their files, in order."""
    stack = [("", _names(cache, (folder,), "", prefix, position))]
    while stack:
        base, names = stack[-1]
        if position.skipped is not None and base.startswith(position.skipped):
            stack.pop()
            continue
        found = next(names, None)
        if found is None:
            stack.pop()
            continue
        name, paths = found
        key = base + name
        if position.skipped is not None and key.startswith(position.skipped):
            continue
        if not name.endswith("/"):
            if key > position.after and key.startswith(prefix):
                yield key, paths[0]
        elif _may_hold(key, prefix, position.after):
            stack.append((key, _names(cache, paths, key, prefix, position)))


def list_page(
    keys: Callable[[Position], Iterator[tuple[str, str]]],
    describe: Callable[[str, str], ObjectInfo | None],
    *,
    prefix: str,
    delimiter: str,
    start_after: str,
    max_keys: int,
) -> Page:
    """Group a walk's keys by a delimiter, up to a page's end.

    Args:
        keys: The walk from a position.
        describe: An object by key and path; ``None`` when it is gone.
        prefix: As for ``ObjectStore.list_page``.
        delimiter: As there.
        start_after: As there.
        max_keys: As there.
    """
    page = Page(objects=[], prefixes=[], next_after=None)
    if max_keys == 0:
        return page
    position = Position(after=start_after)
    if delimiter and start_after.startswith(prefix):
        # A page that ended with a common prefix goes on behind all keys of it.
        position.skipped = _common_prefix(start_after, prefix, delimiter)
    last = ""
    for key, path in keys(position):
        if len(page.objects) + len(page.prefixes) == max_keys:
            return Page(objects=page.objects, prefixes=page.prefixes, next_after=last)
        common = _common_prefix(key, prefix, delimiter) if delimiter else None
        if common is not None:
            page.prefixes.append(common)
            position.skipped = last = common
        elif (info := describe(key, path)) is not None:
            page.objects.append(info)
            last = key
    return page


def _common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


def _may_hold(directory: str, prefix: str, after: str) -> bool:
    """Whether keys below a directory (with its slash) can have a prefix and be behind ``after``."""
    if not directory.startswith(prefix) and not prefix.startswith(directory):
        return False
    return directory > after or after.startswith(directory)


def _names(
    cache: DirectoryCache, directories: Directories, base: str, prefix: str, position: Position
) -> Iterator[tuple[str, Directories]]:
    """The entries of a directory that may matter, in order."""
    scan = cache.scan(directories)
    wanted = prefix[len(base) :].partition("/")[0] if prefix.startswith(base) else ""
    lowest = wanted
    if position.after.startswith(base):
        lowest = max(lowest, position.after[len(base) :].partition("/")[0])
    for index in range(bisect.bisect_left(scan.names, lowest), len(scan.names)):
        name = scan.names[index]
        if not name.startswith(wanted):
            return
        yield name, scan.paths[name]


def _stamp(directories: Directories) -> tuple[int, ...]:
    stamp: list[int] = []
    for directory in directories:
        try:
            status = os.lstat(directory)
        except OSError:
            stamp += (0, 0)
        else:
            stamp += (status.st_ino, status.st_mtime_ns)
    return tuple(stamp)


def _scan(directories: Directories) -> tuple[_Scan, bool]:
    found: dict[str, list[tuple[int, bool, str]]] = {}
    has_continued = False
    pending: list[tuple[int, str, Form]] = [(rank, directory, ()) for rank, directory in enumerate(directories)]
    while pending:
        rank, directory, begun = pending.pop()
        for name, role, path in _entries(directory):
            form = (*begun, name)
            if role is Role.DIRECTORY and is_continued(name):
                has_continued = True
                pending.append((rank, path, form))
            elif (segment := decode(form, role)) is not None:
                # As ``places.find_files`` goes: by directory first, the ordinary form before the marked one.
                found.setdefault(segment if role is Role.FILE else segment + "/", []).append(
                    (rank, form != (segment,), path)
                )
    paths = {name: tuple(path for _, _, path in sorted(ranked)) for name, ranked in found.items()}
    return _Scan(names=sorted(paths), paths=paths), has_continued


def _entries(directory: str) -> Iterator[tuple[str, Role, str]]:
    try:
        entries = os.scandir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return  # removed with its last object since its parent was read
    with entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield entry.name, Role.FILE, entry.path
            elif entry.is_dir(follow_symlinks=False):
                yield entry.name, Role.DIRECTORY, entry.path

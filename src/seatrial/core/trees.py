"""Walk, copy and open the files of a directory that may hold links, special files and anything else.

Where a link leads depends on who looks: the user's own data is read as this machine sees it (``resolve_here``), what a
container left is read as the container saw it (``MountView``), so that no link reaches a file of the host. Only regular
files and directories come out; everything else is one error that names the file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from seatrial.core.errors import TreeError
from seatrial.core.layers import find_in_layers, is_merged

Resolve = Callable[[Path], Path]
"""Follows the links of a path; raises OSError when it leads nowhere, or ``OutsideError``."""

Checkpoint = Callable[[], None]
"""Called every few megabytes of long work; what it raises ends the work."""

CHUNK_BYTES = 4 << 20
"""How much is copied between two calls of a checkpoint."""

_LINKS_MAX = 40
"""Links followed for one path, as Linux does."""


class OutsideError(Exception):
    """A link leads out of the directories that a container shared with us."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or directory of a tree."""

    name: PurePosixPath
    """Relative to the top of the tree."""
    path: Path
    """Where it is: links have been followed."""
    is_directory: bool


def resolve_here(path: Path) -> Path:
    """Where a path leads on this machine."""
    return Path(os.path.realpath(path, strict=True))


class MountView:
    """A container's directories, and where its links lead in them.

    Args:
        mounts: Absolute directories inside the container and the host directories that they are: one, or the layers of
            an overlay, uppermost first. One may lie inside another.
    """

    def __init__(self, mounts: Mapping[PurePosixPath, Path] | Mapping[PurePosixPath, Sequence[Path]]) -> None:
        found = {target: (one,) if isinstance(one, Path) else tuple(one) for target, one in mounts.items()}
        self._mounts = dict(sorted(found.items(), key=lambda mount: -len(mount[0].parts)))

    def resolve(self, path: Path) -> Path:
        """Where the host path of a shared file leads for the container; never out of the shared directories.

        Raises:
            OutsideError: it leads to a file that only the container or only the host has.
            OSError: it leads nowhere or in a circle, or to a directory that is spread over several layers.
        """
        current = PurePosixPath("/")
        pending = list(reversed(self._inside(path).parts[1:]))
        link_count = 0
        while pending:
            part = pending.pop()
            candidate = current.parent if part == ".." else current / part
            host_path = self._on_host(candidate)
            if host_path is None:
                if not any(candidate in target.parents for target in self._mounts):
                    raise OutsideError
            elif part != ".." and stat.S_ISLNK(os.lstat(host_path).st_mode):
                link_count += 1
                if link_count > _LINKS_MAX:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
                target = PurePosixPath(os.readlink(host_path))
                candidate = PurePosixPath("/") if target.is_absolute() else current
                pending.extend(reversed([one for one in target.parts if one != target.anchor]))
            current = candidate
        found = self._on_host(current)
        mount = self._mount_of(current)
        if found is None or mount is None:
            raise OutsideError
        if is_merged(*mount):
            raise OSError(errno.EXDEV, "the directory is partly the container's own", str(path))
        return found

    def _inside(self, path: Path) -> PurePosixPath:
        for target, layers in self._mounts.items():
            for layer in layers:
                with suppress(ValueError):
                    return target / path.relative_to(layer)
        raise OutsideError

    def _on_host(self, path: PurePosixPath) -> Path | None:
        mount = self._mount_of(path)
        return None if mount is None else find_in_layers(*mount)

    def _mount_of(self, path: PurePosixPath) -> tuple[tuple[Path, ...], PurePosixPath] | None:
        """The layers that a path is of, and its name in them."""
        for target, layers in self._mounts.items():
            with suppress(ValueError):
                return layers, path.relative_to(target)
        return None


def walk(top: Path, *, resolve: Resolve = resolve_here) -> Iterator[Entry]:
    """Every directory and regular file below ``top``, sorted by name, a directory before its content.

    Args:
        top: Where to begin; it is not among the entries.
        resolve: Who follows the links.

    Raises:
        TreeError: a link that leads nowhere, in a circle or outside; a FIFO, socket or device; a directory that
            may not be read.
    """
    # A stack instead of recursion: a container can nest directories deeper than Python nests calls.
    names: list[Iterator[PurePosixPath]] = []
    directories: list[Path] = []

    def enter(name: PurePosixPath, directory: Path) -> None:
        if directory in directories:
            raise TreeError(
                "link-circle",
                f"the link '{name}' leads back to a directory that holds it",
                where=str(top),
                fix="remove the link",
            )
        with _named(top, name):
            children = sorted(os.listdir(directory))
        names.append(name / child for child in children)
        directories.append(directory)

    with _named(top, PurePosixPath()):
        real = resolve(top)
        is_directory = stat.S_ISDIR(os.lstat(real).st_mode)
    if not is_directory:
        raise TreeError(
            "tree-is-no-directory",
            "there is no directory where one should be",
            where=str(top),
            found="a file",
            fix="leave the directory where it was, and write into it",
        )
    enter(PurePosixPath(), real)
    while names:
        name = next(names[-1], None)
        if name is None:
            names.pop()
            directories.pop()
            continue
        with _named(top, name):
            path = directories[-1] / name.name
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                path = resolve(path)
                mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            yield Entry(name, path, is_directory=True)
            enter(name, path)
        elif stat.S_ISREG(mode):
            yield Entry(name, path, is_directory=False)
        else:
            raise _special(top, name, mode)


def open_regular(path: Path, *, top: Path, name: PurePosixPath) -> BinaryIO:
    """Open a regular file to read it; a link, a FIFO or a device is refused and never waited for.

    Args:
        path: The file, its links followed.
        top: The tree it belongs to, for the message.
        name: Its name in the tree, for the message.

    Raises:
        TreeError: it is something else, or it may not be read.
    """
    with _named(top, name):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _special(top, name, mode)
    return open(descriptor, "rb")


class CheckedReader:
    """Passes the reads of another reader on and calls a checkpoint before each."""

    def __init__(self, file: BinaryIO, checkpoint: Checkpoint) -> None:
        self._file = file
        self._checkpoint = checkpoint

    def read(self, size: int = -1) -> bytes:
        self._checkpoint()
        return self._file.read(size)


def copy_stream(source: BinaryIO, target: BinaryIO, checkpoint: Checkpoint) -> None:
    """Copy to the end of ``source``, with a call of ``checkpoint`` for every ``CHUNK_BYTES``."""
    while chunk := source.read(CHUNK_BYTES):
        checkpoint()
        target.write(chunk)


def copy_tree(source: Path, target: Path, *, checkpoint: Checkpoint = lambda: None) -> None:
    """Copy the content of the directory ``source`` into the new directory ``target``, links followed.

    Owners, times and modes are left behind: the copy belongs to the caller.

    Raises:
        TreeError: as ``walk``, or a file that may not be read.
        OSError: the target cannot be written.
    """
    if source.resolve() in target.absolute().resolve().parents:
        raise TreeError(
            "tree-holds-its-copy",
            "the directory holds the place that it is to be copied to",
            where=str(source),
            found=f"a copy in {target}",
            fix="name a smaller directory, or set TMPDIR to one outside of it",
        )
    target.mkdir(parents=True)
    for entry in walk(source):
        checkpoint()
        if entry.is_directory:
            (target / entry.name).mkdir()
        else:
            copy_file(entry.path, target / entry.name, top=source, name=entry.name, checkpoint=checkpoint)


def copy_file(
    path: Path, target: Path, *, top: Path, name: PurePosixPath, checkpoint: Checkpoint = lambda: None
) -> None:
    """Copy one regular file to the new file ``target``.

    Raises:
        TreeError: as ``open_regular``.
        OSError: the target cannot be written.
    """
    with open_regular(path, top=top, name=name) as file, target.open("xb") as copy:
        copy_stream(file, copy, checkpoint)


def remove_tree(top: Path) -> None:
    """Remove a directory and all below it as far as that can be done; links are removed, never followed.

    Unlike ``shutil.rmtree`` of Python before 3.13 it takes a tree that is nested deeper than Python nests calls.
    """
    pending = [top]
    emptied: list[Path] = []
    while pending:
        directory = pending.pop()
        emptied.append(directory)
        with suppress(OSError):
            if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
                os.chmod(directory, stat.S_IRWXU)
            with os.scandir(directory) as entries:
                children = list(entries)
            for child in children:
                if child.is_dir(follow_symlinks=False):
                    pending.append(directory / child.name)
                else:
                    with suppress(OSError):
                        os.unlink(child.path)
    for directory in reversed(emptied):
        with suppress(OSError):
            os.rmdir(directory)


@contextmanager
def _named(top: Path, name: PurePosixPath) -> Iterator[None]:
    """What goes wrong while one file of a tree is looked at, said with its name."""
    try:
        yield
    except OutsideError as cause:
        raise TreeError(
            "link-outside",
            f"the link '{name}' leads out of the directories that are shared with the container",
            where=str(top),
            found=_link_target(top / name),
            fix="copy the file in its place",
        ) from cause
    except OSError as cause:
        if cause.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            raise TreeError(
                "link-broken",
                f"the link '{name}' leads nowhere",
                where=str(top),
                found=_link_target(top / name),
                fix="put a file in its place, or remove it",
            ) from cause
        if cause.errno == errno.ENXIO:  # a socket
            raise _special(top, name, stat.S_IFSOCK) from cause
        raise TreeError(
            "file-unreadable",
            f"'{name}' cannot be read",
            where=str(top),
            found=(cause.strerror or str(cause)).lower(),
            fix="let the user who runs seatrial read it",
        ) from cause


def _link_target(link: Path) -> str | None:
    try:
        return f"a link to {os.readlink(link)}"
    except OSError:
        return None


def _special(top: Path, name: PurePosixPath, mode: int) -> TreeError:
    kinds = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link"}
    return TreeError(
        "file-special",
        f"'{name}' is neither a file nor a directory",
        where=str(top),
        found=kinds.get(stat.S_IFMT(mode), "a device"),
        fix="keep sockets, FIFOs and devices out of the directory",
    )

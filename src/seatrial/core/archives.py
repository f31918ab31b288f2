"""Pack a directory into a gzip tar, and unpack one that may be hostile.

A model's archive may hold what SageMaker's hosting takes: regular files and directories. Links are refused there
("Failed to extract model data archive"), so packing follows them and unpacking refuses them. The source of a script
may hold links too, as AWS's training toolkit takes them, if they stay inside.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import secrets
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from seatrial.core.archive_links import make_links, member_clash
from seatrial.core.errors import ContractError, TreeError
from seatrial.core.trees import CheckedReader, Checkpoint, Entry, Resolve, copy_stream, open_regular, resolve_here, walk

MAX_UNPACKED_BYTES = 64 * 1024**3
"""Default bound on the sum of the members' sizes: far above any model that fits this machine, far below a bomb."""

MAX_MEMBER_COUNT = 1_000_000
"""Default bound on the number of members."""

_USABLE_FREE_SPACE = 0.95
"""Share of a disk's free space that an archive may fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveKind:
    """What an archive is for."""

    takes_links: bool
    """Links that stay inside are made, not refused."""
    refusal: str
    """What errors say of a member that it may not hold."""
    how_to_make: str
    """What errors say to do."""


MODEL_ARCHIVE = ArchiveKind(
    takes_links=False,
    refusal="the archive holds a member that SageMaker refuses",
    how_to_make="make it with 'tar -czhf model.tar.gz -C DIRECTORY .', which follows links",
)
SOURCE_ARCHIVE = ArchiveKind(
    takes_links=True,
    refusal="the archive of the script's source holds a member that may not be unpacked",
    how_to_make="make it with 'tar -czhf sourcedir.tar.gz -C DIRECTORY .', which follows links",
)


def pack_directory(
    directory: Path, archive: Path, *, resolve: Resolve = resolve_here, checkpoint: Checkpoint = lambda: None
) -> int:
    """Write the content of ``directory`` as a gzip tar whose members are relative to it.

    Links are followed, owners and times are left out, members are sorted: equal trees give equal archives. Where it
    fails, no part of an archive is left.

    Args:
        directory: What is packed.
        archive: What is written; its directory is made if need be.
        resolve: Who follows the links: this machine, or the container that left them.
        checkpoint: Called every few megabytes; what it raises ends the packing.

    Returns:
        How many files were packed; with 0 no archive is written.

    Raises:
        TreeError: a link leads nowhere, in a circle or outside, a member is neither file nor directory, or may not be
            read.
        OSError: the archive cannot be written.
    """
    return pack_entries(walk(directory, resolve=resolve), archive, top=directory, checkpoint=checkpoint)


def pack_entries(members: Iterable[Entry], archive: Path, *, top: Path, checkpoint: Checkpoint = lambda: None) -> int:
    """As ``pack_directory``, of files and directories that come from anywhere.

    Args:
        members: Each name once, a directory before its content.
        archive: What is written.
        top: Where they come from, for messages.
        checkpoint: As there.
    """
    entries = []
    for entry in members:
        checkpoint()
        entries.append(entry)
        if len(entries) > MAX_MEMBER_COUNT:
            raise TreeError(
                "tree-too-large",
                "the directory holds more files than an archive may have",
                where=str(top),
                expected=f"at most {MAX_MEMBER_COUNT:,} files and directories, those behind links counted",
                fix="pack many small files into few, and remove links to directories",
            )
    file_count = sum(not entry.is_directory for entry in entries)
    if not file_count:
        return 0
    archive.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: two runs may have one destination.
    partial = archive.with_name(f".{archive.name}.{secrets.token_hex(4)}.partial")
    try:
        with (
            partial.open("xb") as file,
            # tarfile's own "w:gz" writes the time into gzip's header.
            gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for entry in entries:
                _pack_entry(tar, top, entry, checkpoint)
        os.replace(partial, archive)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return file_count


def _pack_entry(tar: tarfile.TarFile, top: Path, entry: Entry, checkpoint: Checkpoint) -> None:
    if entry.is_directory:
        tar.addfile(_anonymous(entry, os.lstat(entry.path), tarfile.DIRTYPE))
        return
    with open_regular(entry.path, top=top, name=entry.name) as file:
        info = _anonymous(entry, os.fstat(file.fileno()), tarfile.REGTYPE)
        tar.addfile(info, CheckedReader(file, checkpoint))


def _anonymous(entry: Entry, status: os.stat_result, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(str(entry.name))
    info.type = kind
    info.mode = stat.S_IMODE(status.st_mode)
    info.size = status.st_size if kind == tarfile.REGTYPE else 0
    return info


def unpack_archive(
    archive: Path,
    directory: Path,
    *,
    kind: ArchiveKind = MODEL_ARCHIVE,
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES,
    max_member_count: int = MAX_MEMBER_COUNT,
    checkpoint: Checkpoint = lambda: None,
) -> None:
    """Unpack a gzip tar into ``directory``, which is made if need be.

    Nothing is written outside ``directory``, no link that leads outside and no special file is made, no set-id bit
    survives. A refused archive may leave behind the members that came before the refused one.

    Args:
        archive: A gzip tar.
        directory: Receives its members.
        kind: Whether it may hold links, and what errors say.
        max_unpacked_bytes: Bound on the sum of the members' sizes; what the disk has free bounds it too.
        max_member_count: Bound on the number of members.
        checkpoint: Called every few megabytes; what it raises ends the unpacking.

    Raises:
        ContractError: no tar, cut short, over a bound, or a member that is a link which the kind does not take,
            special, absolute, or holds ``..``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    links: dict[PurePosixPath, tarfile.TarInfo] = {}
    try:
        with gzip.open(archive) as compressed, _open_tar(compressed) as (tar, stream):
            bound_bytes = min(max_unpacked_bytes, int(shutil.disk_usage(directory).free * _USABLE_FREE_SPACE))
            left_bytes, left_members = bound_bytes, max_member_count
            for member in tar:
                left_bytes, left_members = left_bytes - member.size, left_members - 1
                if left_bytes < 0 or left_members < 0:
                    raise ContractError(
                        "archive-too-large",
                        "the archive unpacks to more than is allowed",
                        where=str(archive),
                        expected=f"at most {bound_bytes:,} bytes in {max_member_count:,} members",
                        fix=f"pack only what is needed, or free space on the disk of {directory.parent}",
                    )
                if member.size < 0:
                    raise tarfile.ReadError(f"'{member.name}' has a negative size")
                relative = _safe_path(member, archive, kind)
                if relative is None:
                    continue
                links.pop(relative, None)  # of two members with one name the later one counts
                if member.issym() or member.islnk():
                    links[relative] = member
                else:
                    _unpack_member(tar, member, relative, archive, directory, checkpoint=checkpoint)
            stream.check_end(left_bytes, checkpoint)
            make_links(links, directory, archive, fix=kind.how_to_make)
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, OSError) as error:
        # A disk that is full is not the archive's fault; a name that no file system takes is.
        if isinstance(error, OSError) and error.errno not in {None, errno.ENAMETOOLONG, errno.EINVAL}:
            raise
        raise ContractError(
            "archive-unreadable",
            "the archive cannot be read",
            where=str(archive),
            found=str(error) or type(error).__name__,
            expected="a whole gzip tar",
            fix=kind.how_to_make,
        ) from error


class _TarStream:
    """A tar's bytes on their way to ``tarfile``, which takes a damaged header for the end of the archive."""

    def __init__(self, source: gzip.GzipFile) -> None:
        self._source = source
        self._last_block = b""

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._last_block = data if len(data) == tarfile.BLOCKSIZE else b""
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def check_end(self, max_bytes: int, checkpoint: Checkpoint) -> None:
        """Make sure that the archive's end mark was what ended it, and that the gzip stream is whole.

        Raises:
            tarfile.ReadError: it was cut, or a header is damaged.
            EOFError: the gzip stream was cut.
        """
        if self._last_block != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it is cut short, or the header of a member is damaged")
        left_bytes = max(max_bytes, tarfile.RECORDSIZE)
        while data := self._source.read(1 << 20):
            checkpoint()
            left_bytes -= len(data)
            if left_bytes < 0:
                raise tarfile.ReadError("it goes on behind its end mark")


@contextlib.contextmanager
def _open_tar(compressed: gzip.GzipFile) -> Iterator[tuple[tarfile.TarFile, _TarStream]]:
    stream = _TarStream(compressed)
    with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r:") as tar:
        yield tar, stream


def _unpack_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    relative: PurePosixPath,
    archive: Path,
    directory: Path,
    *,
    checkpoint: Checkpoint,
) -> None:
    target = directory / relative
    try:
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise member_clash(relative, archive, error) from error
    source = tar.extractfile(member)
    assert source is not None  # noqa: S101 (a regular file, checked in _safe_path)
    with source, target.open("xb") as file:
        copy_stream(cast("BinaryIO", source), file, checkpoint)
    target.chmod((member.mode & 0o755) | 0o644)


def _safe_path(member: tarfile.TarInfo, archive: Path, kind: ArchiveKind) -> PurePosixPath | None:
    """The member's path below the target directory; ``None`` for the directory itself."""
    name = PurePosixPath(member.name)
    is_link = member.issym() or member.islnk()
    if is_link and not kind.takes_links:
        found = f"'{member.name}', a link to '{member.linkname}'"
    elif not (is_link or member.isreg() or member.isdir()):
        found = f"'{member.name}', which is neither a file nor a directory"
    elif name.is_absolute():
        found = f"'{member.name}', an absolute path"
    elif ".." in name.parts:
        found = f"'{member.name}', a path with '..'"
    elif "\0" in member.name:
        found = f"{member.name!r}, a path with NUL"
    else:
        return None if name == PurePosixPath(".") else name
    raise ContractError(
        "archive-member-unsafe",
        kind.refusal,
        where=str(archive),
        found=found,
        expected="files and directories with relative paths",
        fix=kind.how_to_make,
    )

"""Pack a directory into a gzip tar, and unpack one that may be hostile.

What an archive may hold is what SageMaker's hosting takes: regular files and directories. Links are refused there
("Failed to extract model data archive"), so packing follows them and unpacking refuses them.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from seatrial.core.errors import ContractError

MAX_UNPACKED_BYTES = 64 * 1024**3
"""Default bound on the sum of the members' sizes: far above any model that fits this machine, far below a bomb."""

MAX_MEMBER_COUNT = 1_000_000
"""Default bound on the number of members."""


def pack_directory(directory: Path, archive: Path) -> int:
    """Write the content of ``directory`` as a gzip tar whose members are relative to it.

    Links are followed, owners and times are left out, members are sorted: equal trees give equal archives.

    Returns:
        How many files were packed; with 0 no archive is written.

    Raises:
        ContractError: a link leads nowhere or in a circle, or a member is neither file nor directory.
    """
    members = list(_members(directory, directory, ()))
    file_count = sum(path.is_file() for path in members)
    if not file_count:
        return 0
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(archive.name + ".partial")
    with (
        partial.open("wb") as file,
        # tarfile's own "w:gz" writes the time into gzip's header.
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT, dereference=True) as tar,
    ):
        for path in members:
            info = tar.gettarinfo(str(path), arcname=str(path.relative_to(directory)))
            if info.isdir():
                tar.addfile(_anonymous(info))
                continue
            with path.open("rb") as source:
                # A file with a second hard link would be written as a link: always write its bytes.
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.fstat(source.fileno()).st_size
                tar.addfile(_anonymous(info), source)
    os.replace(partial, archive)
    return file_count


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


def _members(directory: Path, top: Path, ancestors: tuple[Path, ...]) -> Iterator[Path]:
    real = directory.resolve()
    if real in ancestors:
        raise ContractError(
            "archive-link-circle",
            f"the link '{directory.relative_to(top)}' leads back to a directory that holds it",
            where=str(top),
            fix="remove the link",
        )
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            yield path
            yield from _members(path, top, (*ancestors, real))
        elif path.is_file():
            yield path
        elif path.is_symlink():
            raise ContractError(
                "archive-link-broken",
                f"the link '{path.relative_to(top)}' leads nowhere",
                where=str(top),
                found=f"a link to {os.readlink(path)}",
                fix="write a file in its place",
            )
        else:
            raise ContractError(
                "archive-member-special",
                f"'{path.relative_to(top)}' is neither a file nor a directory",
                where=str(top),
                fix="keep sockets, FIFOs and devices out of the directory",
            )


def unpack_archive(
    archive: Path,
    directory: Path,
    *,
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES,
    max_member_count: int = MAX_MEMBER_COUNT,
) -> None:
    """Unpack a gzip tar into ``directory``, which is made if need be.

    Nothing is written outside ``directory``, no link and no special file is made, no set-id bit survives. A refused
    archive may leave behind the members that came before the refused one.

    Raises:
        ContractError: no tar, cut short, over a bound, or a member that is a link, special, absolute, or holds ``..``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            left_bytes, left_members = max_unpacked_bytes, max_member_count
            for member in tar:
                left_bytes, left_members = left_bytes - member.size, left_members - 1
                if left_bytes < 0 or left_members < 0:
                    raise ContractError(
                        "archive-too-large",
                        "the archive unpacks to more than is allowed",
                        where=str(archive),
                        expected=f"at most {max_unpacked_bytes:,} bytes in {max_member_count:,} members",
                        fix="pack only what the model needs",
                    )
                _unpack_member(tar, member, archive, directory)
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
            fix="make it with 'tar -czhf model.tar.gz -C DIRECTORY .'",
        ) from error


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Path, directory: Path) -> None:
    if member.size < 0:
        raise tarfile.ReadError(f"'{member.name}' has a negative size")
    relative = _safe_path(member, archive)
    if relative is None:
        return
    target = directory / relative
    try:
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise ContractError(
            "archive-member-clash",
            f"'{relative}' needs a file and a directory of one name",
            where=str(archive),
            found=error.strerror,
            fix="rename one of them",
        ) from error
    source = tar.extractfile(member)
    assert source is not None  # noqa: S101 (a regular file, checked in _safe_path)
    with source, target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    target.chmod((member.mode & 0o755) | 0o644)


def _safe_path(member: tarfile.TarInfo, archive: Path) -> PurePosixPath | None:
    """The member's path below the target directory; ``None`` for the directory itself."""
    name = PurePosixPath(member.name)
    if member.issym() or member.islnk():
        found = f"'{member.name}', a link to '{member.linkname}'"
    elif not (member.isreg() or member.isdir()):
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
        "the archive holds a member that SageMaker refuses",
        where=str(archive),
        found=found,
        expected="files and directories with relative paths",
        fix="make it with 'tar -czhf model.tar.gz -C DIRECTORY .', which follows links",
    )

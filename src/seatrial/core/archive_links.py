"""Links of an archive that may hold some: made last, and only where all of them stay inside and lead somewhere.

Nothing is ever written through a link of the archive, for there is none until all files are in place.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from seatrial.core.errors import ContractError


def make_links(links: Mapping[PurePosixPath, tarfile.TarInfo], directory: Path, archive: Path, *, fix: str) -> None:
    """Make the links of an unpacked archive; where one is refused, none is left.

    A hard link becomes a symbolic one: the file is there once, and a program sees no difference.

    Args:
        links: The members by their paths below ``directory``.
        directory: Where the archive was unpacked.
        archive: Named by errors.
        fix: What errors say to do.

    Raises:
        ContractError: a link is absolute, leads outside or nowhere, or needs the place of a directory or file.
    """
    top = directory.resolve()
    made: list[Path] = []
    try:
        for relative, member in links.items():
            place = directory / relative
            if PurePosixPath(member.linkname).is_absolute() or not _is_inside(place.parent, top):
                raise _unsafe(member, archive, "", fix)
            _make_room(place, relative, archive)
            target = member.linkname if member.issym() else os.path.relpath(member.linkname, relative.parent)
            place.symlink_to(target)
            made.append(place)
        for place, member in zip(made, links.values(), strict=True):
            try:
                place.resolve(strict=True)
            except (OSError, RuntimeError):  # RuntimeError: a circle, until Python 3.12
                raise _unsafe(member, archive, ", which leads nowhere", fix) from None
            if not _is_inside(place, top):
                raise _unsafe(member, archive, ", which is outside", fix)
    except BaseException:
        for place in made:
            place.unlink(missing_ok=True)
        raise


def _is_inside(path: Path, top: Path) -> bool:
    try:
        return path.resolve().is_relative_to(top)
    except (OSError, RuntimeError):  # a circle
        return False


def _make_room(place: Path, relative: PurePosixPath, archive: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise member_clash(relative, archive, error) from error


def member_clash(relative: PurePosixPath, archive: Path, error: OSError) -> ContractError:
    """The error for two members of one name that cannot both be there."""
    return ContractError(
        "archive-member-clash",
        f"'{relative}' needs a file and a directory of one name",
        where=str(archive),
        found=error.strerror,
        fix="rename one of them",
    )


def _unsafe(member: tarfile.TarInfo, archive: Path, why: str, fix: str) -> ContractError:
    return ContractError(
        "archive-member-unsafe",
        "the archive holds a link that does not stay inside",
        where=str(archive),
        found=f"'{member.name}', a link to '{member.linkname}'{why}",
        expected="links to files and directories of the archive, relative to where they are",
        fix=fix,
    )

"""Which file of a channel's directory an S3 object becomes. Source: contract.md §1.5, the key → path table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from seatrial.core.errors import ContractError


def channel_path(key: str, prefix: str) -> str:
    """Where the object ``key`` lies below the channel's directory, for a channel of ``S3Prefix`` ``prefix``.

    The service cuts a key at the prefix where the prefix names a folder, and at the last slash before its end where it
    cuts a name in the middle or is the whole key: ``data/train`` gives ``train-data.csv`` of ``data/train-data.csv``.

    Args:
        key: An object's key that begins with ``prefix``.
        prefix: The part of ``S3Uri``, or of a manifest's prefix, after the bucket; with or without a slash at its end.

    Returns:
        A relative path with ``/`` between its parts; one that ends in ``/`` is a directory ("folder" objects).
    """
    if prefix and not prefix.endswith("/") and key.startswith(f"{prefix}/"):
        return key[len(prefix) + 1 :]
    return key[prefix.rfind("/") + 1 :]


def channel_files(keys: Iterable[str], prefix: str) -> dict[str, str]:
    """The files of a channel.

    Args:
        keys: The objects' keys.
        prefix: As for ``channel_path``.

    Returns:
        Relative path → key. "Folder" objects, whose keys end in ``/``, are left out: they make no file.

    Raises:
        ContractError: a key would lie outside of the channel's directory or at no file name, or two keys need one path
            or a file and a directory of one name.
    """
    files: dict[str, str] = {}
    for key in keys:
        path = channel_path(key, prefix)
        if not path or path.endswith("/"):
            continue
        if not _is_inside(path):
            raise ContractError(
                "channel-object-unusable",
                f"the object '{key}' has no place in a channel's directory",
                found=f"the path '{path}'",
                expected="a relative path without '..', '.' and empty parts",
                fix="rename the object",
            )
        files[path] = key
    directories = {str(parent): path for path in files for parent in PurePosixPath(path).parents}
    for path, key in files.items():
        if path in directories:
            raise ContractError(
                "channel-objects-clash",
                f"the objects '{key}' and '{files[directories[path]]}' need a file and a directory of one name",
                found=f"the path '{path}'",
                fix="rename one of them",
            )
    return files


def check_whole_prefix(keys: Iterable[str], prefix: str) -> None:
    """Refuse a prefix that ends within a name, as FastFile mode does.

    Args:
        keys: All that begin with the prefix.
        prefix: As for ``channel_path``.

    Raises:
        ContractError: the key of an object goes on after the prefix without a slash. The text is the service's (§1.5).
    """
    if not prefix or prefix.endswith("/"):
        return
    for key in keys:
        if key != prefix and not key.startswith(f"{prefix}/"):
            raise ContractError(
                "channel-prefix-partial",
                "For FastFile mode, partial S3 prefix is not supported. S3 prefix has to end with a full file or "
                f"folder. Add a trailing '/' for a folder. Current S3 prefix: [{prefix}], found [{key}]",
            )


def _is_inside(path: str) -> bool:
    return "\0" not in path and all(part not in {"", ".", ".."} for part in path.split("/"))

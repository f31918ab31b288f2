"""Checkpoints of a training job: where they lie, which files are synced, what has to be. Source: contract.md §1.8.

S3 holds what the directory holds: a new or changed file is uploaded, a deleted one is deleted there too. What a file of
the service's is called is known from AWS's XGBoost container, which waits for it before it deletes an old checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from seatrial.contract.layout import OPT_ML, OptMl
from seatrial.core.errors import ContractError

UPLOADING_SUFFIX = ".sagemaker-uploading"
"""Of the empty file that stands beside a checkpoint while it is uploaded."""

UPLOADED_SUFFIX = ".sagemaker-uploaded"
"""Of the empty file that stands beside a checkpoint once all of it was uploaded."""

IGNORED_SUFFIX = ".sagemaker-ignore"
"""Of a file of the program's that is no checkpoint yet."""

DEFAULT_LOCAL_PATH = str(OptMl().checkpoint_dir)

_RESERVED_PATHS = tuple(OPT_ML / name for name in ("input", "model", "output"))


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells one state of a file from another without reading it."""

    size_bytes: int
    modified_ns: int
    inode: int


Known = Mapping[str, "FileStamp | None"]
"""Files of ours in S3 by their names: the state that was uploaded last, ``None`` for one that may not be whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What makes S3 hold what the directory holds."""

    uploads: tuple[str, ...]
    deletes: tuple[str, ...]


def is_marker(name: str) -> bool:
    """Whether a file is one that the service makes itself."""
    return name.endswith((UPLOADING_SUFFIX, UPLOADED_SUFFIX))


def is_synced(name: str) -> bool:
    """Whether a file of this name is a checkpoint."""
    return not is_marker(name) and not name.endswith(IGNORED_SUFFIX)


def plan_sync(found: Mapping[str, FileStamp], known: Known, unread: Collection[str] = ()) -> SyncPlan:
    """Compare the directory with what is in S3.

    Args:
        found: The directory's checkpoints by their names, ``/`` between the parts.
        known: What has been restored or uploaded, or was about to be.
        unread: Names that could not be looked at, and directories: nothing is known to be missing there.
    """

    def is_gone(name: str) -> bool:
        path = PurePosixPath(name)
        return name not in found and not any(str(one) in unread for one in (path, *path.parents))

    return SyncPlan(
        uploads=tuple(name for name, stamp in found.items() if known.get(name) != stamp),
        deletes=tuple(name for name in known if is_gone(name)),
    )


def checkpoint_prefix(key: str) -> str:
    """The prefix below which the checkpoints of an ``S3Uri`` with this key lie: a folder, also without its slash."""
    return f"{key.rstrip('/')}/" if key.rstrip("/") else ""


def checkpoint_names(keys: Iterable[str], prefix: str) -> dict[str, str]:
    """Which file of the directory each object becomes.

    Args:
        keys: Of the objects below the prefix.
        prefix: See ``checkpoint_prefix``.

    Returns:
        Name → key. Keys that end in a slash make no file; nor do those that are no checkpoints.

    Raises:
        ContractError: a key would lie outside of the directory, or two need a file and a directory of one name.
    """
    names = {key[len(prefix) :]: key for key in keys}
    names = {name: key for name, key in names.items() if name and not name.endswith("/") and is_synced(name)}
    directories = {str(parent): name for name in names for parent in PurePosixPath(name).parents}
    for name, key in names.items():
        if "\0" in name or any(part in {"", ".", ".."} for part in name.split("/")):
            raise ContractError(
                "checkpoint-object-unusable",
                f"the object '{key}' has no place in the directory of the checkpoints",
                found=f"the path '{name}'",
                expected="a relative path without '..', '.' and empty parts",
                fix="rename or remove the object",
            )
        if name in directories:
            raise ContractError(
                "checkpoint-objects-clash",
                f"the objects '{key}' and '{names[directories[name]]}' need a file and a directory of one name",
                found=f"the path '{name}'",
                fix="rename or remove one of them",
            )
    return names


def check_local_path(text: str) -> PurePosixPath:
    """Where the checkpoints are mounted.

    Args:
        text: ``CheckpointConfig.LocalPath``.

    Raises:
        ContractError: it is not absolute, or another directory of the job's holds it, is held by it, or is it. The
            wording of the second is the service's, known of another member (UNVERIFIED for this one).
    """
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or "\0" in text:
        raise ContractError(
            "checkpoint-path-invalid",
            f'"LocalPath" of "CheckpointConfig" must be an absolute path without "..", found [{text}]',
        )
    path = PurePosixPath("/", *path.parts[1:])  # two slashes at the beginning are a root of their own
    for reserved in _RESERVED_PATHS:
        if path == reserved or reserved in path.parents or path in reserved.parents:
            raise ContractError(
                "checkpoint-path-reserved",
                '"LocalPath" of "CheckpointConfig" cannot start with the following reserved path: '
                f"[{', '.join(map(str, _RESERVED_PATHS))}], nor hold one of them",
            )
    return path

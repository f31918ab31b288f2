"""The directory with a running job's checkpoints, as a stranger's: looked at, read and marked without following links.

A link that leads to a file of the same directory stands for that file; every other link, FIFO, socket and device is
passed over, and said so.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from seatrial.contract.checkpoints import UPLOADED_SUFFIX, UPLOADING_SUFFIX, FileStamp, is_marker, is_synced
from seatrial.core.beneath import open_directory
from seatrial.core.trees import MountView, OutsideError

_MARKER_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class Scan:
    """What one look has found."""

    files: dict[str, FileStamp] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    """Files and directories that could not be looked at, or are none: name → why."""
    markers: set[str] = field(default_factory=set)


class CheckpointDirectory:
    """One host's checkpoints.

    Args:
        path: On this machine.
        local_path: Where the container has it.
    """

    def __init__(self, path: Path, local_path: PurePosixPath) -> None:
        self.path = path
        self._view = MountView({local_path: path})

    def scan(self) -> Scan:
        """Look at everything.

        Raises:
            OSError: the directory itself cannot be read.
        """
        found = Scan()
        pending = [PurePosixPath()]
        while pending:
            name = pending.pop()
            try:
                with open_directory(self.path, name) as directory:
                    for child in sorted(os.listdir(directory)):
                        self._look_at(found, name / child, directory, pending)
            except FileNotFoundError:
                if not name.parts:
                    raise
            except OSError as error:
                if not name.parts:
                    raise
                found.unread[str(name)] = (error.strerror or str(error)).lower()
        return found

    def open(self, name: str) -> BinaryIO:
        """Open a checkpoint to read it.

        Raises:
            OSError: it is gone, no regular file any more, or not for us to read.
        """
        real = self._real_name(PurePosixPath(name))
        with open_directory(self.path, real.parent) as directory:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(real.name, flags, dir_fd=directory)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(name)
        return open(descriptor, "rb")

    def mark_uploading(self, name: str) -> None:
        """Say beside a checkpoint that it is being uploaded; a directory that is not ours to write gets no marks."""
        with contextlib.suppress(OSError):
            self._make(name + UPLOADING_SUFFIX)
            self._remove(name + UPLOADED_SUFFIX)

    def mark_uploaded(self, name: str) -> None:
        """Say beside a checkpoint that all of it was uploaded; the first mark goes last, as programs expect it."""
        with contextlib.suppress(OSError):
            self._make(name + UPLOADED_SUFFIX)
            self._remove(name + UPLOADING_SUFFIX)

    def remove_marker(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._remove(name)

    def _look_at(self, found: Scan, path: PurePosixPath, directory: int, pending: list[PurePosixPath]) -> None:
        name = str(path)
        try:
            name.encode()
            real, status = self._status(path, directory)
        except UnicodeEncodeError:
            found.unread[name.encode(errors="surrogateescape").decode(errors="replace")] = "its name is no UTF-8"
            return
        except FileNotFoundError:
            if os.path.lexists(self.path / path):  # otherwise it was deleted meanwhile
                found.unread[name] = "a link that leads nowhere"
            return
        except OutsideError:
            found.unread[name] = "a link that leads out of the directory"
            return
        except OSError as error:
            found.unread[name] = (error.strerror or str(error)).lower()
            return
        is_file = stat.S_ISREG(status.st_mode)
        if stat.S_ISDIR(status.st_mode) and real is path:
            pending.append(path)
        elif is_file and is_marker(name):
            found.markers.add(name)
        elif is_file and is_synced(name):
            found.files[name] = FileStamp(status.st_size, status.st_mtime_ns, status.st_ino)
        elif is_synced(name):
            found.unread[name] = "neither a file nor a directory, or a link to a directory"

    def _status(self, path: PurePosixPath, directory: int) -> tuple[PurePosixPath, os.stat_result]:
        """What stands at a path of an open directory, and where that is: links of checkpoints are followed."""
        status = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
        if not (stat.S_ISLNK(status.st_mode) and is_synced(str(path))):
            return path, status
        real = self._real_name(path)
        with open_directory(self.path, real.parent) as parent:
            return real, os.stat(real.name, dir_fd=parent, follow_symlinks=False)

    def _real_name(self, name: PurePosixPath) -> PurePosixPath:
        """Where the container finds a file of this name, its links followed.

        Raises:
            OutsideError: elsewhere.
        """
        return PurePosixPath(self._view.resolve(self.path / name).relative_to(self.path))

    def _make(self, name: str) -> None:
        path = PurePosixPath(name)
        with open_directory(self.path, path.parent) as directory:
            os.close(os.open(path.name, _MARKER_FLAGS, 0o644, dir_fd=directory))

    def _remove(self, name: str) -> None:
        path = PurePosixPath(name)
        with open_directory(self.path, path.parent) as directory, contextlib.suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=directory)

"""The system calls that Python 3.10 has no function for. Linux only; importing works everywhere."""

from __future__ import annotations

import ctypes
import os

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_RELATIME = 1 << 21

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36

_SYS_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1

_ST_FLAGS_KEPT = MS_NOSUID | MS_NODEV | MS_NOEXEC | 1024 | 2048  # the last two: noatime, nodiratime
_ST_RELATIME = 4096

_libc = ctypes.CDLL(None, use_errno=True)


class SetUpError(Exception):
    """A step of making the container failed; ``step`` says which, in words for a person."""

    def __init__(self, step: str, errno: int, detail: str = "") -> None:
        super().__init__(f"{step}: {os.strerror(errno)}")
        self.step = step
        self.errno = errno
        self.detail = detail


def _check(result: int, step: str) -> None:
    if result != 0:
        raise SetUpError(step, ctypes.get_errno())


def _encode(path: str | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str = "") -> None:
    result = _libc.mount(
        _encode(source), _encode(target), _encode(kind), ctypes.c_ulong(flags), _encode(data) if data else None
    )
    _check(result, f"mount {kind or source} on {target}")


def bind(source: str, target: str) -> None:
    """Show ``source`` and every mount below it at ``target``."""
    mount(source, target, None, MS_BIND | MS_REC)


def make_read_only(target: str) -> None:
    """Refuse writes to a bind mount, and to those below it where the kernel can (5.12)."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_AT_RECURSIVE),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    if result == 0:
        return
    # A user namespace may not drop the flags a mount came with, so they are named again.
    present = os.statvfs(target).f_flag
    kept = (present & _ST_FLAGS_KEPT) | (MS_RELATIME if present & _ST_RELATIME else 0)
    mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def unshare(flags: int, step: str) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), step)


def enter_namespace(descriptor: int, kind: int, step: str) -> None:
    """Enter the namespace of that kind (``CLONE_NEW…``) that an open ``/proc/PID/ns`` file stands for."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), step)


def change_root(new_root: str) -> None:
    """Make ``new_root`` the root directory and let go of the old one."""
    os.chdir(new_root)
    _check(_libc.pivot_root(b".", b"."), f"pivot_root to {new_root}")
    _check(_libc.umount2(b".", ctypes.c_int(MNT_DETACH)), "detach the host's root")
    os.chdir("/")


def _prctl(option: int, value: int) -> int:
    return int(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), 0, 0, 0))


def die_with_parent(signal_number: int) -> None:
    """Ask for a signal when the parent, which must be a single thread, ends."""
    _check(_prctl(PR_SET_PDEATHSIG, signal_number), "prctl PR_SET_PDEATHSIG")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _check(_prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl PR_SET_CHILD_SUBREAPER")


def drop_capabilities_but(kept: frozenset[int]) -> None:
    """Take every other capability from the programs this process will execute."""
    capability = 0
    while capability < 64:
        if capability not in kept and _prctl(PR_CAPBSET_DROP, capability) != 0:
            break  # past the last one the kernel knows
        capability += 1

"""Leave the host's users, processes and network."""

from __future__ import annotations

import fcntl
import os
import struct

from seatrial.engines.launcher import syscalls
from seatrial.engines.launcher.syscalls import SetUpError

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_INTERFACE_REQUEST = "16sh22x"


def enter_user_namespace() -> None:
    """Gain the rights over our own namespaces that a plain user lacks; the user keeps the own number inside."""
    user, group = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER, "make a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        try:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        except OSError as error:
            raise SetUpError(f"write /proc/self/{name}", error.errno or 0) from error


def enter_process_namespace() -> None:
    """The next child is process 1; its end ends every process it has brought about."""
    syscalls.unshare(syscalls.CLONE_NEWPID, "make a process namespace")


def enter_network_namespace() -> None:
    """A network with nothing but loopback, brought up."""
    syscalls.unshare(syscalls.CLONE_NEWNET, "make a network namespace")
    import _socket  # noqa: PLC0415 (the socket module costs 10 ms more)

    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        _, flags = struct.unpack(
            _INTERFACE_REQUEST, fcntl.ioctl(probe.fileno(), _SIOCGIFFLAGS, struct.pack(_INTERFACE_REQUEST, b"lo", 0))
        )
        fcntl.ioctl(probe.fileno(), _SIOCSIFFLAGS, struct.pack(_INTERFACE_REQUEST, b"lo", flags | _IFF_UP))
    except OSError as error:
        raise SetUpError("bring up the loopback interface", error.errno or 0) from error
    finally:
        probe.close()

"""Leave the host's users, processes and network."""

from __future__ import annotations

import fcntl
import os
import struct

from seatrial.engines.launcher import links, syscalls
from seatrial.engines.launcher.helpers import INTERFACE, MTU_BYTES
from seatrial.engines.launcher.syscalls import SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from seatrial.engines.launcher.instructions import Peers

BRIDGE = "br0"
PORT_PREFIX = "host"
"""Begins the name of each link from the bridge to a container."""

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


def join_network(peers: Peers) -> None:
    """A network of our own, connected to the bridge of the job's; the connection ends with our network."""
    if peers["user_fd"] is not None:
        syscalls.enter_namespace(peers["user_fd"], syscalls.CLONE_NEWUSER, "enter the user namespace of the job")
        os.close(peers["user_fd"])
    syscalls.enter_namespace(peers["network_fd"], syscalls.CLONE_NEWNET, "enter the network of the job")
    os.close(peers["network_fd"])
    bridge, at_bridge = links.link_index(BRIDGE), links.Links()
    enter_network_namespace()
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    at_bridge.add_pair(f"{PORT_PREFIX}{os.getpid()}", bridge, INTERFACE, own, MTU_BYTES)
    os.close(own)
    at_bridge.close()
    here = links.Links()
    here.configure(INTERFACE, peers["address"], peers["prefix_bits"], peers["gateway"])
    here.close()

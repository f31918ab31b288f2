"""Network links by rtnetlink: a bridge, pairs of virtual Ethernet devices, addresses, the default route.

``ip`` would do the same, but is not in every image that Seatrial itself runs in. A ``Links`` acts on the network
namespace in which it was made, whatever namespace the process is in later.
"""

from __future__ import annotations

import errno
import os
import struct

from seatrial.engines.launcher.syscalls import SetUpError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Callable

_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 20, 24
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_ERROR = 2
_LINK_EVENTS = 0x1

_NAME, _MTU, _MASTER, _INFO, _NAMESPACE_FD = 3, 4, 10, 18, 28
_INFO_KIND, _INFO_DATA, _PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_GATEWAY, _OUT_INTERFACE = 5, 4

_UP = 0x1
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")
_ADDRESS_MESSAGE = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_MAIN_TABLE, _STATIC, _UNICAST = 254, 4, 1
_RECEIVE_BYTES = 1 << 16


class Links:
    """The links of the network namespace that the process is in now."""

    def __init__(self) -> None:
        import _socket  # noqa: PLC0415 (the socket module costs 10 ms more)

        self._family = _socket.AF_INET
        self._index_of: Callable[[str], int] = _socket.if_nametoindex
        self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))

    def close(self) -> None:
        self._socket.close()

    def add_bridge(self, name: str) -> None:
        """Make a bridge, and bring it up."""
        body = _link(up=True) + _attribute(_NAME, _text(name)) + _kind("bridge")
        self._ask(_NEW_LINK, _CREATE | _EXCLUSIVE, body, "make a bridge")

    def add_to_bridge(self, name: str, bridge: int, mtu_bytes: int) -> None:
        """Plug an existing link into the bridge of that index, and bring it up."""
        body = _link(up=True) + _attribute(_NAME, _text(name)) + _number(_MTU, mtu_bytes) + _number(_MASTER, bridge)
        self._ask(_NEW_LINK, 0, body, f"plug {name} into the bridge")

    def add_pair(self, name: str, bridge: int, peer: str, peer_namespace_fd: int, mtu_bytes: int) -> None:
        """Make two connected links: ``name`` here, plugged into the bridge, and ``peer`` in another namespace."""
        other = _link(up=False) + _attribute(_NAME, _text(peer)) + _number(_MTU, mtu_bytes)
        other += _number(_NAMESPACE_FD, peer_namespace_fd)
        body = _link(up=True) + _attribute(_NAME, _text(name)) + _number(_MTU, mtu_bytes) + _number(_MASTER, bridge)
        body += _kind("veth", _attribute(_PEER, other))
        self._ask(_NEW_LINK, _CREATE | _EXCLUSIVE, body, "make a pair of links")

    def configure(self, name: str, address: str, prefix_bits: int, gateway: str | None) -> None:
        """Bring a link of the process's own namespace up, with its address and, with a gateway, the default route."""
        index = self._index_of(name)
        self._ask(_NEW_LINK, 0, _link(up=True, index=index), f"bring up {name}")
        packed = _pack_address(address)
        body = _ADDRESS_MESSAGE.pack(self._family, prefix_bits, 0, 0, index)
        body += _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed)
        self._ask(_NEW_ADDRESS, _CREATE | _EXCLUSIVE, body, f"give {name} its address")
        if gateway is not None:
            body = _ROUTE.pack(self._family, 0, 0, 0, _MAIN_TABLE, _STATIC, 0, _UNICAST, 0)
            body += _attribute(_GATEWAY, _pack_address(gateway)) + _number(_OUT_INTERFACE, index)
            self._ask(_NEW_ROUTE, _CREATE | _EXCLUSIVE, body, "set the default route")

    def _ask(self, kind: int, flags: int, body: bytes, step: str) -> None:
        length = _HEADER.size + len(body)
        try:
            self._socket.send(_HEADER.pack(length, kind, _REQUEST | _ACK | flags, 1, 0) + body)
            answer = self._socket.recv(_RECEIVE_BYTES)
        except OSError as error:
            raise SetUpError(step, error.errno or 0) from error
        if _HEADER.unpack_from(answer)[1] == _ERROR:
            (code,) = struct.unpack_from("=i", answer, _HEADER.size)
            if code:
                raise SetUpError(step, -code)


def open_link_events() -> int:
    """A descriptor that becomes readable when a link of this network namespace comes, changes or goes."""
    import _socket  # noqa: PLC0415

    events = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0)
    events.bind((0, _LINK_EVENTS))
    events.setblocking(False)
    return events.detach()


def drain(events: int) -> None:
    """Forget what has happened; a full queue (ENOBUFS) has been told by then."""
    while True:
        try:
            os.read(events, _RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise


def link_names() -> list[str]:
    """The links of the process's network namespace."""
    import _socket  # noqa: PLC0415

    return [name for _, name in _socket.if_nameindex()]


def link_index(name: str) -> int:
    """The number of a link of the process's network namespace.

    Raises:
        SetUpError: there is no such link.
    """
    import _socket  # noqa: PLC0415

    try:
        return _socket.if_nametoindex(name)
    except OSError as error:
        raise SetUpError(f"find the link {name}", error.errno or 0) from error


def _link(*, up: bool, index: int = 0) -> bytes:
    return _LINK.pack(0, 0, index, _UP if up else 0, _UP if up else 0)


def _kind(name: str, data: bytes = b"") -> bytes:
    kind = _attribute(_INFO_KIND, _text(name))
    return _attribute(_INFO, kind + _attribute(_INFO_DATA, data) if data else kind)


def _text(value: str) -> bytes:
    return value.encode("ascii") + b"\0"


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _attribute(kind: int, data: bytes) -> bytes:
    padding = b"\0" * (-len(data) % 4)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data + padding


def _pack_address(address: str) -> bytes:
    return bytes(map(int, address.split(".")))

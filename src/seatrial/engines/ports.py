"""Listening sockets on the host for the published ports of containers."""

from __future__ import annotations

import errno
import socket

from seatrial.core.errors import EngineError
from seatrial.engines.base import PublishedPort

_BACKLOG = 4096


def listen(port: PublishedPort) -> socket.socket:
    """A listening socket at the host's side of a published port. Errors as ``listen_at``."""
    return listen_at(port.host_address, port.host_port)


def listen_at(address: str, port: int) -> socket.socket:
    """A listening socket of the host.

    Raises:
        EngineError: the port is taken, or the address is not the host's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:  # the latter for what can be no host's name
        listener.close()
        raise _cannot_listen(address, port, error) from error
    return listener


def find_free(port: PublishedPort) -> int:
    """A port number that was free a moment ago: for programs that listen on the host themselves.

    Raises:
        EngineError: the wanted port is taken, or the address is not the host's.
    """
    with listen(port) as listener:
        number: int = listener.getsockname()[1]
        return number


def resolve(host_address: str) -> str:
    """The IP address that a host's name stands for, version 4 where it has both; an IP address stands for itself.

    Raises:
        EngineError: it stands for none.
    """
    try:
        found = socket.getaddrinfo(host_address, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no such address"
        raise _port_refused(host_address, reason.lower()) from error
    address = str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])
    if "%" in address:
        raise _port_refused(host_address, "an address of one link only")
    return address


def _cannot_listen(address: str, port: int, error: OSError | UnicodeError) -> EngineError:
    where = f"{address}:{port}"
    if isinstance(error, UnicodeError):
        return _port_refused(where, "no such address")
    if error.errno == errno.EADDRINUSE:
        return EngineError(
            "port-taken",
            f"port {port} is taken by another program",
            where=where,
            fix="choose another port, or 0 for any free one",
        )
    return _port_refused(where, (error.strerror or str(error)).lower(), may_not=error.errno == errno.EACCES)


def _port_refused(where: str, reason: str, *, may_not: bool = False) -> EngineError:
    return EngineError(
        "port-refused",
        f"cannot listen: {reason}",
        where=where,
        fix="choose a port from 1024 upwards, or run as root"
        if may_not
        else "name an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them",
    )

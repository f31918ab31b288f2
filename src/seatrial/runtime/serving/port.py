"""The port of ``serve``: taken by the first process, listened on by the workers."""

from __future__ import annotations

import errno
import socket

from seatrial.core.errors import ConfigError
from seatrial.runtime.serving.settings import Settings


def bind(settings: Settings) -> socket.socket:
    """Take the port without listening: until a worker is ready, connections are refused.

    Raises:
        ConfigError: another process listens there, or this one may not use the port.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.bind_address, settings.port))
    except OSError as error:
        sock.close()
        raise port_unusable(settings.port, error) from error
    return sock


def port_unusable(port: int, error: OSError) -> ConfigError:
    """The error for a port that cannot be bound to or listened on."""
    taken = error.errno == errno.EADDRINUSE
    return ConfigError(
        "port-unusable",
        f"port {port} {'is taken by another process' if taken else 'cannot be used'}",
        found=None if taken else str(error),
        fix="stop that process, or set SAGEMAKER_BIND_TO_PORT to a free port",
    )

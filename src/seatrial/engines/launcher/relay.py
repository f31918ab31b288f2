"""Carry TCP connections between the host's network and the container's: a listening socket is in one, we in the other.

Rules:

- Into the container (published ports): the sockets were made in the host's network and inherited; this process lives
  in the container's. A connection goes to 127.0.0.2, an address of the loopback interface that a server on all
  interfaces answers and a server on 127.0.0.1 alone does not: as on SageMaker, that server cannot be reached. It is
  told so once.
- Out of the container (host ports): the sockets were made in the container's network and handed over; this process
  lives in the host's. A connection goes to the host's 127.0.0.1, to the one port that the socket stands for.
- What one side cannot take yet waits in one buffer a direction, and the other side is not read meanwhile.
- The end of one direction is passed on, the other direction goes on.
- A connection nobody accepts is reset, as a closed port would.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import socket
import struct
import time

CONTAINER_ADDRESS = "127.0.0.2"
HOST_ADDRESS = "127.0.0.1"

_BUFFER_BYTES = 262_144
_ACCEPTS_A_TURN = 64

_RESET = struct.pack("ii", 1, 0)


class _End:
    """One socket of a connection and what still has to be written to it."""

    __slots__ = ("fd", "has_ended", "interest", "is_connecting", "peer", "socket", "target", "unsent")

    def __init__(self, connection: socket.socket, target: tuple[str, int]) -> None:
        self.socket = connection
        self.fd = connection.fileno()
        self.target = target
        self.peer: _End = self
        self.unsent: memoryview | bytes = b""
        self.has_ended = False
        """Nothing more will be read from it."""
        self.is_connecting = False
        self.interest = 0


def run(targets: dict[int, tuple[str, int]], stop_fd: int, drain_seconds: float) -> None:
    """Relay until ``stop_fd`` ends, then at most ``drain_seconds`` more for connections still open.

    Args:
        targets: Listening socket's descriptor to the address and port where its connections go.
        stop_fd: A pipe or a socket; its end says that the container has ended.
        drain_seconds: Time for the last bytes.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _Relay(targets, stop_fd).run(drain_seconds)


class _Relay:
    def __init__(self, targets: dict[int, tuple[str, int]], stop_fd: int) -> None:
        self._epoll = select.epoll()
        self._stop_fd = stop_fd
        self._listeners = {fd: (socket.socket(fileno=fd), target) for fd, target in targets.items()}
        self._ends: dict[int, _End] = {}
        self._is_accepting = False
        self._is_draining = False
        self._has_told_of_loopback = False
        for listener, _ in self._listeners.values():
            listener.setblocking(False)
        self._epoll.register(stop_fd, select.EPOLLIN)
        self._accept_more(True)

    def run(self, drain_seconds: float) -> None:
        deadline: float | None = None
        while deadline is None or (self._ends and time.monotonic() < deadline):
            for fd, events in self._epoll.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
                end = self._ends.get(fd)
                if end is not None:
                    self._handle(end, events)
                elif fd in self._listeners:
                    self._accept(fd)
                elif fd == self._stop_fd and deadline is None:
                    deadline = time.monotonic() + drain_seconds
                    self._epoll.unregister(fd)
                    self._drain()

    def _drain(self) -> None:
        self._accept_more(False)
        for listener, _ in self._listeners.values():
            listener.close()
        self._listeners.clear()
        self._is_draining = True
        for end in list(self._ends.values()):
            if end.has_ended and not end.peer.unsent:
                self._close(end)

    def _accept_more(self, yes: bool) -> None:
        if yes == self._is_accepting:
            return
        self._is_accepting = yes
        for fd in self._listeners:
            if yes:
                self._epoll.register(fd, select.EPOLLIN)
            else:
                self._epoll.unregister(fd)

    def _accept(self, fd: int) -> None:
        listener, target = self._listeners[fd]
        for _ in range(_ACCEPTS_A_TURN):
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._accept_more(False)  # until a connection ends; the others wait in the backlog
                return
            self._connect(connection, target)

    def _connect(self, connection: socket.socket, target: tuple[str, int]) -> None:
        client = _End(connection, target)
        try:
            server = _End(socket.socket(socket.AF_INET, socket.SOCK_STREAM), target)
        except OSError:
            _reset(connection)
            return
        client.peer, server.peer = server, client
        for end in (client, server):
            end.socket.setblocking(False)
            end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ends[client.fd] = client
        self._ends[server.fd] = server
        server.is_connecting = True
        code = server.socket.connect_ex(target)
        if code not in (0, errno.EINPROGRESS):
            self._refuse(server)
            return
        self._watch(server)

    def _handle(self, end: _End, events: int) -> None:
        if end.is_connecting:
            self._finish_connect(end)
            return
        try:
            if end.unsent and events & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP):
                self._send_rest(end)
            if end.interest & select.EPOLLIN and events & ~select.EPOLLOUT:
                self._carry(end)
        except OSError:
            self._close(end, is_reset=True)

    def _finish_connect(self, server: _End) -> None:
        if server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._refuse(server)
            return
        server.is_connecting = False
        self._watch(server)
        self._watch(server.peer)

    def _refuse(self, server: _End) -> None:
        address, port = server.target
        self._close(server, is_reset=True)
        if self._has_told_of_loopback or address != CONTAINER_ADDRESS:
            return
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            self._has_told_of_loopback = True
            line = (
                f"seatrial: the program listens on 127.0.0.1:{port} only; SageMaker connects from outside the "
                f"container: listen on 0.0.0.0:{port}\n"
            )
            os.write(1, line.encode())

    def _carry(self, end: _End) -> None:
        """Read what ``end`` has and write it to its peer."""
        peer = end.peer
        try:
            data = end.socket.recv(_BUFFER_BYTES)
        except BlockingIOError:
            return
        if not data:
            end.has_ended = True
            peer.socket.shutdown(socket.SHUT_WR)
            if peer.has_ended or self._is_draining:
                self._close(end)
            else:
                self._watch(end)
            return
        try:
            sent = peer.socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            peer.unsent = memoryview(data)[sent:]
            self._watch(end)
            self._watch(peer)

    def _send_rest(self, end: _End) -> None:
        try:
            sent = end.socket.send(end.unsent)
        except BlockingIOError:
            return
        end.unsent = end.unsent[sent:]
        if not end.unsent:
            self._watch(end)
            self._watch(end.peer)

    def _watch(self, end: _End) -> None:
        """Ask for exactly the events that ``end`` can use now; none at all also hides its errors."""
        if end.is_connecting:
            interest = select.EPOLLOUT
        else:
            is_readable = not end.has_ended and not end.peer.unsent
            interest = (select.EPOLLIN if is_readable else 0) | (select.EPOLLOUT if end.unsent else 0)
        if interest == end.interest:
            return
        if not end.interest:
            self._epoll.register(end.fd, interest)
        elif interest:
            self._epoll.modify(end.fd, interest)
        else:
            self._epoll.unregister(end.fd)
        end.interest = interest

    def _close(self, end: _End, *, is_reset: bool = False) -> None:
        for one in (end, end.peer):
            if self._ends.pop(one.fd, None) is not None:
                if is_reset:
                    _reset(one.socket)
                else:
                    one.socket.close()  # leaves the epoll set with it
        self._accept_more(bool(self._listeners))


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()

"""What the hosts of a job tell each other: that they are ready, and how their part ended.

One TCP connection from each worker host to the leader, open as long as the job runs. Lines of UTF-8 text:

    worker → leader   ready HOST         once; the leader starts the user's program when all have said it
    worker → leader   failed SENTENCE    this host's part has failed
    leader → worker   done               the program has ended well: the worker ends well too
    leader → worker   failed SENTENCE    it has not, and the leader tells why: the worker has nothing to add

A connection that ends without a word is a host that died: the other side fails, and so no host waits for ever. The
kernel probes an idle connection (keep-alive), so that a host that vanished is missed within half a minute.
"""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import time
from dataclasses import dataclass
from types import TracebackType

from seatrial.core.errors import ContractError, SeatrialError, UserCodeError
from seatrial.runtime.training.hosts import Cluster
from seatrial.runtime.training.log_lines import announce
from seatrial.runtime.training.stopping import POLL_SECONDS, JobStopping, Stopping

LINK_PORT = 7778
"""Beside the 7777 that AWS's launchers use."""

PEER_WAIT_SECONDS = 3600.0
"""How long the hosts wait for each other, as the toolkit's leader does: some may install much."""

_LINE_MAX_BYTES = 4096
_RECONNECT_STEP_SECONDS = (0.1, 2.0)
"""First and longest pause between two attempts to reach the leader."""
_CONNECT_TIMEOUT_SECONDS = 5.0
_SEND_TIMEOUT_SECONDS = 5.0
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}


class Ending(enum.Enum):
    """How a peer's part ended."""

    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    """Without a word."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A peer's last word."""

    ending: Ending
    reason: str = ""


class Peer:
    """One connection: lines in, lines out."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(_SEND_TIMEOUT_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):  # macOS lacks one of them
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._received = b""

    def send(self, line: str) -> None:
        """Write one line; a peer that is gone is told by ``receive``."""
        with contextlib.suppress(OSError):
            self.connection.sendall(f"{' '.join(line.split())}\n".encode()[-_LINE_MAX_BYTES:])

    def receive(self) -> str | None:
        """The next line that is there by now; ``None`` when there is none yet.

        Raises:
            ConnectionError: the connection has ended, or the peer sends what no peer does.
        """
        while b"\n" not in self._received:
            if len(self._received) > _LINE_MAX_BYTES:
                raise ConnectionAbortedError("the line is too long")
            if not select.select([self.connection], [], [], 0)[0]:
                return None
            try:
                chunk = self.connection.recv(_LINE_MAX_BYTES)
            except TimeoutError:
                return None
            except OSError as error:  # such as the kernel's "no route to host" of a keep-alive
                raise ConnectionResetError(error.strerror) from None
            if not chunk:
                raise ConnectionResetError("closed")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line.decode(errors="replace")

    def ended(self) -> Ended | None:
        """The peer's last word, when there is one by now."""
        try:
            line = self.receive()
        except ConnectionError:
            return Ended(Ending.LOST)
        if line is None:
            return None
        word, _, reason = line.partition(" ")
        return Ended(Ending(word), reason) if word in (Ending.DONE.value, Ending.FAILED.value) else None

    def close(self) -> None:
        self.connection.close()


class LeaderLink:
    """The leader's side; leaving the ``with`` tells the workers how it ended."""

    def __init__(self, cluster: Cluster, *, port: int = LINK_PORT) -> None:
        """Listen, on the address that the other hosts know this one by.

        Raises:
            ContractError: the port is taken, or this host's name has no address here.
        """
        self._cluster = cluster
        self._workers: dict[str, Peer] = {}
        self._strangers: list[Peer] = []
        try:
            self._listener = socket.create_server((cluster.current_host, port), backlog=128)
        except OSError as error:
            raise ContractError(
                "leader-port-taken",
                f"the leader cannot listen on port {port} of '{cluster.current_host}'",
                found=error.strerror or str(error),
                fix=f"leave port {port} to the launcher",
            ) from None

    def __enter__(self) -> LeaderLink:
        return self

    def wait_for_workers(self, stopping: Stopping, *, seconds: float = PEER_WAIT_SECONDS) -> None:
        """Wait until every worker host is ready.

        Raises:
            ContractError: not all are in time.
            UserCodeError: one that was ready has failed or is gone.
            JobStopping: the job is being stopped meanwhile.
        """
        deadline = time.monotonic() + seconds
        while missing := [host for host in self._cluster.workers if host not in self._workers]:
            self.check()
            self._take(missing)
            if time.monotonic() > deadline:
                raise ContractError(
                    "hosts-not-ready",
                    "the leader has waited in vain for other hosts of the job",
                    found=f"nothing from {', '.join(map(repr, missing))} within {seconds:g} s",
                    fix="look at the logs of these hosts",
                )
            stopping.raise_if_set()
        self._listener.close()

    def check(self) -> None:
        """Raises ``UserCodeError`` when a worker host has failed or is gone."""
        for host, peer in self._workers.items():
            if (ended := peer.ended()) is not None:
                raise host_failure(host, ended)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, trace
        self._listener.close()
        for peer in [*self._workers.values(), *self._strangers]:
            peer.send(_last_word(error))
            peer.close()

    def _take(self, missing: list[str]) -> None:
        """Accept who is there, and hear who they are; who is no missing host is turned away."""
        waiting = [self._listener, *(peer.connection for peer in self._strangers)]
        readable = select.select(waiting, [], [], POLL_SECONDS)[0]
        if self._listener in readable:
            with contextlib.suppress(OSError):
                self._strangers.append(Peer(self._listener.accept()[0]))
        for peer in [peer for peer in self._strangers if peer.connection in readable]:
            try:
                line = peer.receive()
            except ConnectionError:
                line = ""
            if line is None:
                continue
            self._strangers.remove(peer)
            word, _, host = line.partition(" ")
            if word == "ready" and host in missing:
                missing.remove(host)
                self._workers[host] = peer
                announce(f"the host {host} is ready")
            else:
                peer.close()


class WorkerLink:
    """A worker's side; leaving the ``with`` by an error tells it to the leader."""

    def __init__(
        self, cluster: Cluster, stopping: Stopping, *, port: int = LINK_PORT, seconds: float = PEER_WAIT_SECONDS
    ) -> None:
        """Connect to the leader as soon as it listens.

        Raises:
            ContractError: it does not in time.
            JobStopping: the job is being stopped meanwhile.
        """
        self._cluster = cluster
        deadline = time.monotonic() + seconds
        pause, longest = _RECONNECT_STEP_SECONDS
        while True:
            try:
                address = (cluster.leader, port)
                self._leader = Peer(socket.create_connection(address, timeout=_CONNECT_TIMEOUT_SECONDS))
                return
            except (OSError, UnicodeError) as error:
                if time.monotonic() > deadline:
                    raise ContractError(
                        "leader-not-reached",
                        f"the host '{cluster.leader}', which leads the job, cannot be reached",
                        where=f"port {port}",
                        found=f"{error} for {seconds:g} s",
                        fix="look at that host's log, and at the network of the job's containers",
                    ) from None
            if stopping.wait(pause):
                stopping.raise_if_set()
            pause = min(pause * 2, longest)

    def __enter__(self) -> WorkerLink:
        return self

    def ready(self) -> None:
        """Tell the leader that this host has all that the program needs."""
        self._leader.send(f"ready {self._cluster.current_host}")

    def ended(self) -> Ended | None:
        """How the leader ended, when it has."""
        return self._leader.ended()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, trace
        if error is not None:
            self._leader.send(_last_word(error))
        self._leader.close()


def host_failure(host: str, ended: Ended) -> UserCodeError:
    """The error of a host whose peer has ended badly."""
    if ended.ending is Ending.FAILED:
        return UserCodeError(
            "host-failed", f"the host '{host}' has failed", found=ended.reason or None, fix="look at that host's log"
        )
    return UserCodeError(
        "host-lost",
        f"the host '{host}' has ended without a word",
        found="a connection that was cut",
        fix="look at that host's log; often it was killed for memory",
    )


def _last_word(error: BaseException | None) -> str:
    if error is None or isinstance(error, JobStopping):
        return Ending.DONE.value
    reason = error.sentence() if isinstance(error, SeatrialError) else f"{type(error).__name__}: {error}"
    return f"{Ending.FAILED.value} {' '.join(reason.split())[: _LINE_MAX_BYTES // 8]}"

"""Where the platform listens, and who is asked for a key there.

=====================================  ==========================================================================
127.0.0.1                              always; asks for no key
the address of ``--bind``              asks for a key, unless it is a loopback address
the gateway of Docker's bridge         from the first job in Docker on; asks for a key, as containers of others
                                       reach it too
=====================================  ==========================================================================

All of them lead to one door. A connection of which both ends are loopback addresses is never asked for a key: so
``--bind 0.0.0.0``, which is one socket, is as good as the table.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.core.errors import EngineError
from seatrial.engines import ports
from seatrial.engines.base import HostAccess
from seatrial.platform.app import Door, Receive, Scope, Send, is_loopback
from seatrial.platform.keys import Keyring

if TYPE_CHECKING:
    import uvicorn

LOOPBACK = "127.0.0.1"
_START_POLL_SECONDS = 0.01
_KEEP_ALIVE_SECONDS = 75
_LAST_ANSWERS_SECONDS = 5.0
"""What is under way when the jobs have ended may take as long; then its connections are cut."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One socket that listens."""

    address: str
    port: int
    keyring: Keyring | None
    """What it asks for; ``None`` lets everybody in."""
    socket: socket.socket

    def covers(self, address: str) -> bool:
        """Whether connections to an address of this host arrive here."""
        return self.address == address or ipaddress.ip_address(self.address).is_unspecified


class Listeners:
    """The sockets of one platform; they take connections from the beginning, and answer while ``serve`` runs.

    Args:
        port: Of all of them; 0 takes a free one.
        bind: An address or a host's name beside 127.0.0.1.
        keyring: What is asked for elsewhere.

    Raises:
        EngineError: an address or the port cannot be had.
    """

    def __init__(self, *, port: int, bind: str | None, keyring: Keyring) -> None:
        self._keyring = keyring
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._servers: dict[uvicorn.Server, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._door: Door | None = None
        self._ended = asyncio.Event()
        self._forced = asyncio.Event()
        try:
            for address in addresses_of(None if bind is None else ports.resolve(bind)):
                port = self._open(address, port).port
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        """At 127.0.0.1, and at the address of ``--bind``."""
        return self._listeners[0].port

    def port_for(self, access: HostAccess) -> int:
        """The port that containers find at ``access.listen_address``; opened when nobody listens there yet.

        May be called from any thread.

        Raises:
            EngineError: the address cannot be had.
        """
        with self._lock:
            for listener in self._listeners:
                if listener.covers(access.listen_address):
                    return listener.port
            try:
                listener = self._open(access.listen_address, self.port)
            except EngineError:  # the port is taken there; any other is as good for containers
                listener = self._open(access.listen_address, 0)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._start, listener)
            return listener.port

    async def serve(
        self, door: Door, on_ready: Callable[[int], None], wind_down: Callable[[], Awaitable[None]]
    ) -> None:
        """Answer until SIGTERM or SIGINT, and until ``wind_down`` has returned; the second signal cuts connections.

        Args:
            door: What answers.
            on_ready: Called with the port once requests are answered.
            wind_down: Called at the first signal.
        """
        self._ended, self._forced = asyncio.Event(), asyncio.Event()
        with _on_signals(self._end):
            with self._lock:
                self._door, self._loop = door, asyncio.get_running_loop()
                for listener in self._listeners:
                    self._start(listener)
            while not all(server.started for server in self._servers):
                await asyncio.sleep(_START_POLL_SECONDS)
            on_ready(self.port)
            await self._ended.wait()
            winding_down = asyncio.ensure_future(wind_down())
            await _first_of(winding_down, self._forced.wait())
            await self._stop_servers()
            await winding_down
        with self._lock:
            self._loop = None

    async def _stop_servers(self) -> None:
        for server in self._servers:
            server.should_exit = True
        ended = asyncio.gather(*self._servers.values())
        await _first_of(ended, self._forced.wait(), timeout_seconds=_LAST_ANSWERS_SECONDS)
        for server in self._servers:
            for connection in list(server.server_state.connections):
                connection.transport.abort()  # as if the client had gone: its request ends by itself
        await ended

    def stop(self) -> None:
        """Let ``serve`` end as SIGTERM does; may be called from any thread."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end)

    def close(self) -> None:
        """Listen no more."""
        for listener in self._listeners:
            listener.socket.close()

    def _open(self, address: str, port: int) -> Listener:
        opened = ports.listen_at(address, port)
        keyring = None if is_loopback(address) else self._keyring
        listener = Listener(address, opened.getsockname()[1], keyring, opened)
        self._listeners.append(listener)
        return listener

    def _start(self, listener: Listener) -> None:
        if self._door is None:
            return
        server = _server(self._door, listener)
        self._servers[server] = asyncio.get_running_loop().create_task(server.serve(sockets=[listener.socket]))

    def _end(self) -> None:
        (self._forced if self._ended.is_set() else self._ended).set()


async def _first_of(
    work: asyncio.Future[Any], signal_: Coroutine[Any, Any, object], *, timeout_seconds: float | None = None
) -> None:
    """Return when one of the two is done, or the time is up; the work goes on."""
    waiting = asyncio.ensure_future(signal_)
    await asyncio.wait({work, waiting}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def addresses_of(bind: str | None) -> tuple[str, ...]:
    """The IP addresses to listen at, for one that is asked for beside 127.0.0.1."""
    address = bind or LOOPBACK
    if address == LOOPBACK or ipaddress.ip_address(address).is_unspecified:
        return (address,)
    return (LOOPBACK, address)


def is_local(scope: Scope) -> bool:
    """Whether both ends of a request's connection are loopback addresses, which no other machine can make up."""
    return all(is_loopback((scope.get(end) or ("",))[0]) for end in ("client", "server"))


def _server(door: Door, listener: Listener) -> uvicorn.Server:
    import uvicorn  # noqa: PLC0415 (what it brings is needed by 'seatrial up' only)

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """``Listeners.serve`` does, for all servers at once."""
            yield

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await door.answer(scope, receive, send, keyring=None if is_local(scope) else listener.keyring)

    return Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            server_header=False,
            proxy_headers=False,  # a header must not make a connection look like one from here
        )
    )


@contextlib.contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

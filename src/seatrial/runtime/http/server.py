"""The only file that knows the HTTP server: uvicorn on uvloop and httptools, serving an ASGI callable on a socket.

To take another server, write this file anew: ``HttpServer(app, sock)``, ``start``, ``drain``.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Coroutine
from typing import Any

import httptools  # noqa: F401 (uvicorn imports it when it starts; where it is missing that shall be told before)
import uvicorn
import uvloop

from seatrial.runtime.http.asgi import Application

KEEP_ALIVE_SECONDS = 75
"""An idle connection stays open so long (nginx's figure): clients that reuse connections should close them first."""

BACKLOG = 2048


def run_in_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in an event loop of the kind the server wants."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main)


class HttpServer:
    """Serves one application on one bound socket; lives in a running event loop."""

    def __init__(self, app: Application, sock: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            backlog=BACKLOG,
        )
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # starts and stops are told by the supervisor
        self._server = uvicorn.Server(config)
        self._sock = sock
        self._ticks: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen and serve.

        Raises:
            OSError: the socket cannot listen, such as when another one took the port since it was bound.
        """
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.on_tick(0)
        await self._server.startup(sockets=[self._sock])
        self._ticks = asyncio.get_running_loop().create_task(self._tick())

    async def _tick(self) -> None:
        """Uvicorn's once-a-second work: the ``Date`` header."""
        while True:
            await asyncio.sleep(1)
            await self._server.on_tick(0)

    async def drain(self, seconds: float) -> bool:
        """Close idle connections, let the others finish their request; true when all did in time."""
        self._server.config.timeout_graceful_shutdown = max(1, int(seconds))
        await self._server.shutdown(sockets=[self._sock])
        if self._ticks is not None:
            self._ticks.cancel()
        return not self._server.server_state.tasks

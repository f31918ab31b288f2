"""A server of the S3 service on a loopback port, in a thread, and boto3 clients for it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from seatrial.objects.files import FileStore
from seatrial.platform.services.s3 import S3Service
from seatrial.runtime.http.server import HttpServer, run_in_loop

REGION = "us-east-1"


@contextmanager
def serving_app(app: Any) -> Iterator[str]:
    """Serve an ASGI application; gives the server's URL."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    started = threading.Event()
    ended: list[asyncio.Event] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        server = HttpServer(app, sock)
        await server.start()
        ended.append(asyncio.Event())
        loops.append(asyncio.get_running_loop())
        started.set()
        await ended[0].wait()
        await server.drain(1)

    thread = threading.Thread(target=lambda: run_in_loop(serve()))
    thread.start()
    assert started.wait(10)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        loops[0].call_soon_threadsafe(ended[0].set)
        thread.join(10)
        sock.close()


@contextmanager
def serving(store: FileStore, **options: Any) -> Iterator[str]:
    """Serve a store; gives the server's URL."""
    service = S3Service(store, **options)
    with serving_app(service) as url:
        yield url
    service.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FileStore:
    return FileStore(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="module")
def url(store: FileStore) -> Iterator[str]:
    with serving(store) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with _client(url) as made:
        yield made


@contextmanager
def _client(url: str, **config: Any) -> Iterator[Any]:
    """A boto3 client, its connections closed at the end."""
    boto3 = pytest.importorskip("boto3")
    from botocore.config import Config

    made = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
        config=Config(retries={"max_attempts": 1}, **config),
    )
    yield made
    made.close()


@pytest.fixture(scope="session")
def make_client() -> Any:
    """A context manager: a boto3 client for a URL, further arguments go to its ``Config``."""
    return _client


@pytest.fixture(scope="session")
def serve() -> Any:
    """A context manager: serve a store, further arguments go to the service."""
    return serving


@pytest.fixture(scope="session")
def serve_app() -> Any:
    """A context manager: serve an application."""
    return serving_app


_COUNT = iter(range(1_000_000))


@pytest.fixture
def bucket(client: Any) -> str:
    """An empty bucket of the test's own."""
    name = f"bucket-{next(_COUNT)}"
    client.create_bucket(Bucket=name)
    return name

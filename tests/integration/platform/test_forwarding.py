"""What ``--upstream`` sends on and back, against servers that behave and servers that do not."""

from __future__ import annotations

import http.client
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=k/20261123/us-east-1/lambda/aws4_request, SignedHeaders=host,"
    " Signature=0"
}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behaviour = Callable[["Connection"], None]


class Connection:
    """One connection of the upstream: the head that came, and the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file: io.BufferedReader = sock.makefile("rb")
        self.lines: list[str] = []
        while (line := self.file.readline().decode("latin-1").rstrip("\r\n")) != "":
            self.lines.append(line)

    def header(self, name: str) -> list[str]:
        pairs = (line.partition(": ") for line in self.lines[1:])
        return [value for key, _, value in pairs if key.lower() == name]


class Upstream:
    """A server on loopback that does to every connection what a test says."""

    def __init__(self) -> None:
        self.behave: Behaviour = lambda connection: connection.sock.sendall(OK)
        self.seen: list[Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            connection = Connection(sock)
            try:
                if connection.lines:
                    self.seen.append(connection)
                    self.behave(connection)
            except OSError:
                pass
            finally:
                connection.file.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._acceptor, *self._threads]:
            thread.join(10)


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture(scope="module")
def platform(server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    home = tmp_path_factory.mktemp("home")
    seatrial = [sys.executable, "-m", "seatrial"]
    argv = [*seatrial, "up", "-d", "--port=0", f"--home={home}", f"--upstream=http://127.0.0.1:{server.port}"]
    subprocess.run(argv, check=True, capture_output=True, timeout=50)
    yield json.loads((home / "platform.json").read_text())
    subprocess.run([*seatrial, "down", f"--home={home}"], check=True, capture_output=True, timeout=50)
    log = Path(home, "platform.log").read_text()
    assert "Traceback" not in log


@pytest.fixture
def upstream(server: Upstream, platform: dict[str, int]) -> Upstream:
    server.seen.clear()
    server.behave = lambda connection: connection.sock.sendall(OK)
    return server


@pytest.fixture
def client(platform: dict[str, int], upstream: Upstream) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", platform["port"], timeout=30)
    yield client
    client.close()


def answering(raw: bytes) -> Behaviour:
    return lambda connection: connection.sock.sendall(raw)


def error_of(response: http.client.HTTPResponse) -> str:
    return response.read().decode()


# --- what goes through ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["/a//b/../%2e%2E/c%20d%2Fe?x=%2F&y=+&z", "//evil.example/x", "/http://evil.example/", "/a;b=c:@!$&'()*,?q=?/"],
)
def test_request_arrives_as_it_was_sent(client: http.client.HTTPConnection, upstream: Upstream, target: str) -> None:
    client.request("PATCH", target, headers={**SIGNED, "X-Amz-Meta": "a  b", "Connection": "X-Drop", "X-Drop": "1"})

    assert client.getresponse().status == 200
    (seen,) = upstream.seen
    assert seen.lines[0] == f"PATCH {target} HTTP/1.1"
    assert seen.header("host") == [f"127.0.0.1:{client.port}"]
    assert seen.header("authorization") == [SIGNED["Authorization"]]
    assert seen.header("x-amz-meta") == ["a  b"]
    names = {line.partition(":")[0].lower() for line in seen.lines[1:]}
    assert names <= {"host", "authorization", "x-amz-meta", "accept-encoding", "content-length", "via"}


def test_answer_comes_back_as_it_was_given(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    upstream.behave = answering(
        b"HTTP/1.1 302 Elsewhere\r\nLocation: http://evil.example/\r\nContent-Encoding: gzip\r\nSet-Cookie: a=1\r\n"
        b"Set-Cookie: b=2\r\nX-Amz-Crc32: 7\r\nKeep-Alive: timeout=1\r\nContent-Length: 3\r\n\r\n\x1f\x8b\0"
    )
    client.request("POST", "/", body=b"{}", headers=SIGNED)
    response = client.getresponse()

    assert (response.status, response.read()) == (302, b"\x1f\x8b\0")
    assert response.headers["location"] == "http://evil.example/"
    assert response.headers["x-amz-crc32"] == "7"
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert response.headers["keep-alive"] is None
    assert len(response.headers.get_all("date") or ()) == 1
    assert len(upstream.seen) == 1


def test_answer_to_head_has_a_length_and_no_body(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    upstream.behave = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
    client.request("HEAD", "/function", headers=SIGNED)
    response = client.getresponse()

    assert (response.headers["content-length"], response.read()) == ("1234", b"")


def test_bodies_stream_both_ways(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    def echo(connection: Connection) -> None:
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size := int(connection.file.readline(), 16):
            chunk = connection.file.read(size + 2)
            connection.sock.sendall(b"%x\r\n%s" % (size, chunk))
        connection.sock.sendall(b"0\r\n\r\n")

    upstream.behave = echo
    client.putrequest("POST", "/")
    for name, value in {**SIGNED, "Transfer-Encoding": "chunked"}.items():
        client.putheader(name, value)
    client.endheaders()
    client.send(b"3\r\none\r\n")
    response = client.getresponse()
    assert response.read(3) == b"one"  # while the request goes on
    client.send(b"3\r\ntwo\r\n0\r\n\r\n")
    assert response.read() == b"two"


def test_memory_stays_flat_for_a_large_answer_and_a_slow_reader(
    client: http.client.HTTPConnection, upstream: Upstream, platform: dict[str, int]
) -> None:
    def pour(connection: Connection) -> None:
        connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (400 << 20))
        for _ in range(400):
            connection.sock.sendall(bytes(1 << 20))

    upstream.behave = pour
    process = psutil.Process(platform["pid"])
    before = process.memory_info().rss
    client.request("GET", "/", headers=SIGNED)
    response = client.getresponse()
    read = 0
    while chunk := response.read(4 << 20):
        read += len(chunk)
        assert process.memory_info().rss - before < 64 << 20
    assert read == 400 << 20


# --- servers that do not behave -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\nff\r\nonly",
    ],
)
def test_answer_that_breaks_off_is_seen_to_break_off(
    client: http.client.HTTPConnection, upstream: Upstream, raw: bytes
) -> None:
    upstream.behave = answering(raw)
    client.request("GET", "/", headers=SIGNED)
    response = client.getresponse()

    assert response.status == 200
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()


def test_answer_that_loses_its_chunks_is_no_whole_answer(
    client: http.client.HTTPConnection, upstream: Upstream
) -> None:
    upstream.behave = answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\nno size\r\n")
    client.request("GET", "/", headers=SIGNED)
    response = client.getresponse()

    if response.status != 502:  # the head came alone
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\1\2\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 5_000 + b"\r\n",
    ],
)
def test_answer_that_is_no_http_becomes_a_bad_gateway(
    client: http.client.HTTPConnection, upstream: Upstream, raw: bytes
) -> None:
    upstream.behave = answering(raw)
    client.request("POST", "/", body=b"{}", headers={**SIGNED, "X-Amz-Target": "AWSLambda.Invoke"})
    response = client.getresponse()

    assert response.status == 502
    said = error_of(response)
    assert "BadGateway" in said
    assert f"http://127.0.0.1:{upstream.port}, which --upstream names, did not answer" in said


def test_answer_with_a_length_and_chunks_is_read_as_chunks(
    client: http.client.HTTPConnection, upstream: Upstream
) -> None:
    upstream.behave = answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n"
    )
    client.request("GET", "/", headers=SIGNED)
    response = client.getresponse()

    assert response.status == 502 or (response.headers["content-length"], response.read()) == (None, b"first")


def test_server_that_answers_early_ends_an_endless_upload(
    client: http.client.HTTPConnection, upstream: Upstream
) -> None:
    received: list[int] = []
    ended = threading.Event()

    def refuse(connection: Connection) -> None:
        connection.sock.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        try:
            while chunk := connection.file.read1(1 << 16):
                received.append(len(chunk))
        finally:
            ended.set()

    upstream.behave = refuse
    client.putrequest("POST", "/")
    client.putheader("Content-Length", str(1 << 40))
    client.putheader("Authorization", SIGNED["Authorization"])
    client.endheaders()
    client.send(bytes(1 << 20))
    response = client.getresponse()

    assert (response.status, response.read()) == (413, b"no")
    assert ended.wait(20)
    assert sum(received) <= 1 << 20


def test_endless_answer_ends_when_the_client_leaves(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    ended = threading.Event()

    def pour(connection: Connection) -> None:
        try:
            connection.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sock.sendall(bytes(1 << 16))
        finally:
            ended.set()

    upstream.behave = pour
    client.request("GET", "/", headers=SIGNED)
    response = client.getresponse()
    assert len(response.read(1 << 20)) == 1 << 20
    response.close()
    client.close()

    assert ended.wait(20)


def test_silent_server_is_left_when_the_client_leaves(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    ended = threading.Event()

    def wait(connection: Connection) -> None:
        connection.file.read()
        ended.set()

    upstream.behave = wait
    client.request("GET", "/", headers=SIGNED)
    deadline = time.monotonic() + 20
    while not upstream.seen and time.monotonic() < deadline:
        time.sleep(0.01)
    client.close()

    assert ended.wait(20)


def test_upload_that_breaks_off_is_not_completed(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    bodies: list[bytes] = []
    ended = threading.Event()

    def keep(connection: Connection) -> None:
        try:
            bodies.append(connection.file.read())
        finally:
            ended.set()

    upstream.behave = keep
    client.putrequest("POST", "/")
    client.putheader("Transfer-Encoding", "chunked")
    client.putheader("Authorization", SIGNED["Authorization"])
    client.endheaders()
    client.send(b"5\r\nfirst\r\n")
    deadline = time.monotonic() + 20
    while not upstream.seen and time.monotonic() < deadline:
        time.sleep(0.01)
    client.close()

    assert ended.wait(20)
    assert all(not body.endswith(b"0\r\n\r\n") for body in bodies)


# --- clients that do not behave -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 50\r\n\r\nabcde",
        "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Host: localhost\r\n\r\n",
        "X-Amz-Meta: \xff\r\n\r\n",
    ],
)
def test_request_that_could_be_read_in_two_ways_is_not_sent_on(
    platform: dict[str, int], upstream: Upstream, head: str
) -> None:
    with socket.create_connection(("127.0.0.1", platform["port"]), timeout=20) as sock:
        host = f"Host: 127.0.0.1:{platform['port']}"
        key = f"Authorization: {SIGNED['Authorization']}"
        sock.sendall(f"POST / HTTP/1.1\r\n{host}\r\n{key}\r\nConnection: close\r\n{head}".encode("latin-1"))
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk

    assert answer.startswith(b"HTTP/1.1 400")
    assert not any("smuggled" in seen.lines[0] for seen in upstream.seen)
    assert upstream.seen == []


def test_chunk_extensions_and_trailers_do_not_pass(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    def keep(connection: Connection) -> None:
        lines = []
        while (line := connection.file.readline()) not in (b"0\r\n", b""):
            lines.append(line)
        lines.append(connection.file.readline())
        bodies.append(b"".join(lines))
        connection.sock.sendall(OK)

    bodies: list[bytes] = []
    upstream.behave = keep
    client.putrequest("POST", "/")
    client.putheader("Transfer-Encoding", "chunked")
    client.putheader("Authorization", SIGNED["Authorization"])
    client.endheaders()
    client.send(b"5;name=x\r\nfirst\r\n0\r\nX-Trailer: 1\r\n\r\n")

    assert client.getresponse().status == 200
    assert bodies == [b"5\r\nfirst\r\n\r\n"]


def test_upstream_that_leads_back_to_us_is_told(
    client: http.client.HTTPConnection, upstream: Upstream, platform: dict[str, int]
) -> None:
    def send_back(connection: Connection) -> None:
        with socket.create_connection(("127.0.0.1", platform["port"]), timeout=20) as sock:
            lines = [line for line in connection.lines if not line.lower().startswith("connection")]
            sock.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
            while chunk := sock.recv(65536):
                connection.sock.sendall(chunk)

    upstream.behave = send_back
    client.request("GET", "/", headers=SIGNED)
    response = client.getresponse()

    assert response.status == 508
    assert "leads back to this platform" in error_of(response)
    assert len(upstream.seen) == 1


def test_unreachable_upstream_is_named(tmp_path: Path, free_port: int) -> None:
    seatrial = [sys.executable, "-m", "seatrial"]
    argv = [*seatrial, "up", "-d", "--port=0", f"--home={tmp_path}", f"--upstream=http://localhost:{free_port}"]
    subprocess.run(argv, check=True, capture_output=True, timeout=50)
    try:
        port = json.loads((tmp_path / "platform.json").read_text())["port"]
        assert urlsplit(f"http://localhost:{free_port}").port != port
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        client.request("POST", "/", body=b"{}", headers={**SIGNED, "X-Amz-Target": "AWSLambda.Invoke"})
        response = client.getresponse()
        said = json.loads(response.read())
        client.close()
    finally:
        subprocess.run([*seatrial, "down", f"--home={tmp_path}"], check=True, capture_output=True, timeout=50)

    assert response.status == 503
    assert "ServiceUnavailable" in said["__type"]
    assert f"cannot reach http://localhost:{free_port}, which --upstream names" in (
        said.get("message") or said.get("Message")
    )

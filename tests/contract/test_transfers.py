"""The contract of ``objects.transfer`` over every transfer, and what a server far away adds to it."""

from __future__ import annotations

import gc
import http.server
import io
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from seatrial.core.errors import ConfigError
from seatrial.objects.errors import NoSuchKeyError, ObjectStoreError
from seatrial.objects.files import FileStore
from seatrial.objects.remote import RemoteTransfer
from seatrial.objects.transfer import ObjectTransfer, StoreTransfer
from seatrial.testing.transfer_suite import TransferSuite, never_stop

# boto3 leaves the connection of a download that was ended to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield
    gc.collect()


def new_bucket(url: str) -> str:
    name = f"bucket-{secrets.token_hex(6)}"
    client = boto3.client("s3", endpoint_url=url, region_name=REGION)
    client.create_bucket(Bucket=name)
    client.close()
    return name


@contextmanager
def remote(url: str) -> Iterator[RemoteTransfer]:
    transfer = RemoteTransfer(url, region=REGION)
    yield transfer
    transfer.close()


class TestStoreTransfer(TransferSuite):
    @pytest.fixture
    def bucket(self) -> str:
        return "bucket"

    @pytest.fixture
    def transfer(self, tmp_path_factory: pytest.TempPathFactory, bucket: str) -> ObjectTransfer:
        store = FileStore(tmp_path_factory.mktemp("objects"))
        store.create_bucket(bucket, region=REGION)
        return StoreTransfer(store)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL and home of a whole platform, whose S3 another one could use."""
    home = tmp_path_factory.mktemp("home")
    seatrial = [sys.executable, "-m", "seatrial"]
    subprocess.run([*seatrial, "up", "-d", "--port=0", f"--home={home}"], check=True, capture_output=True, timeout=50)
    yield f"http://127.0.0.1:{json.loads((home / 'platform.json').read_text())['port']}", home
    subprocess.run([*seatrial, "down", f"--home={home}"], check=True, capture_output=True, timeout=50)


@pytest.mark.slow
class TestRemoteTransferOfSeatrial(TransferSuite):
    @pytest.fixture
    def bucket(self, platform: tuple[str, Path]) -> str:
        return new_bucket(platform[0])

    @pytest.fixture
    def transfer(self, platform: tuple[str, Path]) -> Iterator[ObjectTransfer]:
        with remote(platform[0]) as transfer:
            yield transfer

    def test_listing_has_more_than_one_page(
        self, transfer: ObjectTransfer, bucket: str, platform: tuple[str, Path]
    ) -> None:
        names = [f"{number:04}" for number in range(1005)]
        for name in names:
            (platform[1] / "objects" / bucket / name).touch()

        assert list(transfer.list_keys(bucket, "")) == names


@pytest.mark.slow
class TestRemoteTransferOfMoto(TransferSuite):
    @pytest.fixture
    def bucket(self, moto_url: str) -> str:
        return new_bucket(moto_url)

    @pytest.fixture
    def transfer(self, moto_url: str) -> Iterator[ObjectTransfer]:
        with remote(moto_url) as transfer:
            yield transfer


# --- servers that fail ----------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What ``FailingServer`` answers to everything."""

    status: int = 200
    body: bytes = b""
    breaks: int = 0
    """How often a GET breaks off in the middle."""


class _Handler(http.server.BaseHTTPRequestHandler):
    answer: Answer

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        self._head()
        if self.answer.breaks:
            self.answer.breaks -= 1
            self.wfile.write(self.answer.body[: len(self.answer.body) // 2])
            self.close_connection = True
            return
        self.wfile.write(self.answer.body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def _head(self) -> None:
        self.send_response(self.answer.status)
        self.send_header("Content-Length", str(len(self.answer.body)))
        self.send_header("ETag", '"1"')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def failing() -> Iterator[tuple[RemoteTransfer, Answer]]:
    answer = Answer()
    handler = type("Handler", (_Handler,), {"answer": answer})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with remote(f"http://127.0.0.1:{server.server_address[1]}") as transfer:
                yield transfer, answer
        finally:
            server.shutdown()
            thread.join(10)


DENIED = b"<Error><Code>AccessDenied</Code><Message>not you</Message></Error>"
ODD = b"<Error><Code>NoSuchUpload</Code><Message>odd</Message></Error>"


def test_refusal_names_place_reason_and_remedy(failing: tuple[RemoteTransfer, Answer], tmp_path: Path) -> None:
    transfer, answer = failing
    answer.status, answer.body = 403, DENIED
    for attempt in (
        lambda: transfer.check_bucket("bucket"),
        lambda: transfer.has_objects("bucket", "x"),
        lambda: list(transfer.list_keys("bucket", "x")),
        lambda: transfer.download("bucket", "key", tmp_path / "file", never_stop),
        lambda: transfer.upload(io.BytesIO(b"x"), "bucket", "key", content_type="text/csv"),
    ):
        with pytest.raises(ObjectStoreError) as caught:
            attempt()
        assert caught.value.code == "store-access-denied"
        assert "s3://bucket/" in caught.value.sentence()
        assert "credentials" in caught.value.sentence()


def test_refusal_of_another_kind_says_what_the_server_said(failing: tuple[RemoteTransfer, Answer]) -> None:
    transfer, answer = failing
    answer.status, answer.body = 400, ODD
    with pytest.raises(ObjectStoreError, match="cannot do what was asked") as caught:
        transfer.upload(io.BytesIO(b"x"), "bucket", "key", content_type="text/csv")
    assert "odd" in caught.value.sentence()


@pytest.mark.parametrize("body", [b"", b"garbage", b"<html>", b"\xff\xfe"])
def test_garbage_is_an_error_of_the_store(failing: tuple[RemoteTransfer, Answer], body: bytes) -> None:
    transfer, answer = failing
    answer.status, answer.body = 404, body
    with pytest.raises(ObjectStoreError):
        transfer.has_objects("bucket", "x")


def test_object_that_breaks_off_is_fetched_again(failing: tuple[RemoteTransfer, Answer], tmp_path: Path) -> None:
    transfer, answer = failing
    answer.body, answer.breaks = bytes(range(256)) * 400, 2
    transfer.download("bucket", "key", tmp_path / "file", never_stop)

    assert (tmp_path / "file").read_bytes() == answer.body


@pytest.mark.slow
def test_object_that_always_breaks_off_is_an_error_and_no_file(
    failing: tuple[RemoteTransfer, Answer], tmp_path: Path
) -> None:
    transfer, answer = failing
    answer.body, answer.breaks = b"x" * 1000, 1000
    with pytest.raises(ObjectStoreError):
        transfer.download("bucket", "key", tmp_path / "file", never_stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_server_that_is_not_there_is_named(free_port: int, tmp_path: Path) -> None:
    with remote(f"http://127.0.0.1:{free_port}") as transfer, pytest.raises(ObjectStoreError) as caught:
        transfer.check_bucket("bucket")
    assert caught.value.code == "store-unreachable"
    assert f"http://127.0.0.1:{free_port}" in caught.value.sentence()


def test_server_without_credentials_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigError) as caught:
        RemoteTransfer("http://127.0.0.1:1", region=REGION)
    assert caught.value.code == "s3-endpoint-without-credentials"


def test_profile_that_is_not_there_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(ConfigError) as caught:
        RemoteTransfer("http://127.0.0.1:1", region=REGION)
    assert caught.value.code == "s3-endpoint-not-usable"


def test_key_that_vanishes_is_told_as_absent(failing: tuple[RemoteTransfer, Answer], tmp_path: Path) -> None:
    transfer, answer = failing
    answer.status = 404
    with pytest.raises(NoSuchKeyError):
        transfer.download("bucket", "key", tmp_path / "file", never_stop)

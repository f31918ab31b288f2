"""A client that waits for gigabytes to be joined hears something meanwhile."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.objects.base import ObjectInfo
from seatrial.objects.errors import PreconditionFailedError
from seatrial.objects.files import FileStore


class SlowStore(FileStore):
    """Joins parts and copies when it is allowed to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.may_go_on = threading.Event()
        self.fails = False

    def complete_upload(self, *arguments: Any, **options: Any) -> ObjectInfo:
        assert self.may_go_on.wait(20)
        if self.fails:
            raise PreconditionFailedError("If-None-Match")
        return super().complete_upload(*arguments, **options)


@pytest.fixture
def store(tmp_path: Path) -> SlowStore:
    return SlowStore(tmp_path)


@pytest.fixture
def url(store: SlowStore, serve: Any) -> Iterator[str]:
    with serve(store, first_space_seconds=0.02) as address:
        yield address


@contextmanager
def completing(url: str, client: Any) -> Iterator[http.client.HTTPResponse]:
    """The answer to CompleteMultipartUpload, its body unread."""
    client.create_bucket(Bucket="bucket")
    upload = client.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
    etag = client.upload_part(Bucket="bucket", Key="k", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request("POST", f"/bucket/k?uploadId={upload}", f"{body}</CompleteMultipartUpload>")
    yield connection.getresponse()
    connection.close()


def test_answer_begins_before_the_parts_are_joined(url: str, store: SlowStore, make_client: Any) -> None:
    with make_client(url) as client, completing(url, client) as answer:
        assert (answer.status, answer.getheader("content-type")) == (200, "application/xml")
        assert answer.read(41).endswith(b"?>\n  ")
        store.may_go_on.set()
        assert b"<CompleteMultipartUploadResult" in answer.read()
        assert client.get_object(Bucket="bucket", Key="k")["Body"].read() == b"part"


def test_error_after_the_beginning_is_in_the_body(url: str, store: SlowStore, make_client: Any) -> None:
    store.fails = True
    with make_client(url) as client, completing(url, client) as answer:
        store.may_go_on.set()
        text = answer.read()
        assert (answer.status, text.lstrip(b" ").count(b"<?xml")) == (200, 1)
        assert b"<Error><Code>PreconditionFailed</Code>" in text


def test_answer_that_is_quick_has_its_own_status(make_client: Any, serve: Any, tmp_path: Path) -> None:
    store = SlowStore(tmp_path / "quick")
    store.may_go_on.set()
    store.fails = True
    with serve(store) as quick, make_client(quick) as client, completing(quick, client) as answer:
        assert (answer.status, b"PreconditionFailed" in answer.read()) == (412, True)

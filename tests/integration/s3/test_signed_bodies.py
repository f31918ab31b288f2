"""Behind a door that verifies signatures, the bytes of a body have to be those that were signed."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from seatrial.objects.files import FileStore
from seatrial.platform.app import Door, Services
from seatrial.platform.keys import Keyring
from seatrial.platform.services.s3 import S3Service
from seatrial.platform.services.sessions import Sessions
from seatrial.platform.wire.chunk_signatures import SIGNED
from seatrial.platform.wire.signing import EMPTY_SHA256, SecretKey, derive_key, sign

REGION, KEY_ID, SECRET = "us-east-1", "AKIAIOSFODNN7EXAMPLE", "secret"


class _Auth(S3SigV4Auth):
    """Signs whatever it is told to say of the body."""

    said = ""

    def payload(self, request: AWSRequest) -> str:
        return self.said


@pytest.fixture
def signed_url(store: FileStore, serve_app: Any) -> Iterator[str]:
    door = Door(Services(s3=S3Service(store), handlers={}, declarations={}))
    keyring = Keyring(sessions=Sessions(b"secret"), configured={KEY_ID: SecretKey(secret_access_key=SECRET)})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await door.answer(scope, receive, send, keyring=keyring)

    with serve_app(app) as address:
        yield address
    door.close()


def put(url: str, path: str, said: str, body_of: Callable[[str, str], bytes], **headers: str) -> tuple[int, str]:
    """Put a body, made from the request's signature and its time; gives status and code."""
    request = AWSRequest("PUT", url + path, headers=headers)
    auth = _Auth(Credentials(KEY_ID, SECRET), "s3", REGION)
    auth.said = said
    auth.add_auth(request)
    body = body_of(request.headers["Authorization"].rpartition("=")[2], request.context["timestamp"])
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("PUT", path, body, dict(request.headers.items()))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text.partition("<Code>")[2].partition("</Code>")[0]


def chunk(content: bytes, previous: str, signed_at: str) -> tuple[bytes, str]:
    """A chunk and its signature."""
    scope = f"{signed_at[:8]}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(content).hexdigest()
    text = f"AWS4-HMAC-SHA256-PAYLOAD\n{signed_at}\n{scope}\n{previous}\n{EMPTY_SHA256}\n{digest}"
    signature = sign(derive_key(SECRET, signed_at[:8], REGION, "s3"), text)
    return b"%x;chunk-signature=%s\r\n%s\r\n" % (len(content), signature.encode(), content), signature


def chunked(content: bytes, sent: bytes) -> Callable[[str, str], bytes]:
    def body(seed: str, signed_at: str) -> bytes:
        first, signature = chunk(content, seed, signed_at)
        return first.replace(content, sent) + chunk(b"", signature, signed_at)[0]

    return body


@pytest.mark.parametrize(("sent", "status", "code"), [(b"abc", 200, ""), (b"abx", 400, "XAmzContentSHA256Mismatch")])
def test_body_is_compared_with_the_hash_that_was_signed(
    signed_url: str, bucket: str, sent: bytes, status: int, code: str
) -> None:
    digest = hashlib.sha256(b"abc").hexdigest()
    assert put(signed_url, f"/{bucket}/k", digest, lambda *_: sent) == (status, code)


@pytest.mark.parametrize(("sent", "status", "code"), [(b"abc", 200, ""), (b"abx", 403, "SignatureDoesNotMatch")])
def test_chunk_is_compared_with_its_signature(
    signed_url: str, bucket: str, sent: bytes, status: int, code: str
) -> None:
    headers = {"X-Amz-Decoded-Content-Length": "3", "Content-Encoding": "aws-chunked"}
    assert put(signed_url, f"/{bucket}/k", SIGNED, chunked(b"abc", sent), **headers) == (status, code)

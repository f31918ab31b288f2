"""``seatrial up --bind``: whoever comes from elsewhere needs a key, and what is signed cannot be changed on the way."""

import contextlib
import hashlib
import hmac
import io
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import pytest
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.integration.platform.site import Site

from seatrial.platform.keys import read_keys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PAYLOAD = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


def own_address() -> str:
    """An address of this machine that is no loopback address; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


class BoundSite(Site):
    """A platform that is reached at an address of this machine too."""

    def up(self, *options: str) -> None:
        super().up(*options)
        document = json.loads((self.home / "platform.json").read_text())
        self.outer_url = f"http://{own_address()}:{document['port']}"
        (self.access_key_id, key), *_ = read_keys(Path(document["keys"])).items()
        self.secret = key.secret_access_key

    def outer(self, service: str, *, config: Config | None = None, **keys: str | None) -> Any:
        """A client at the other address, with the right key unless it is told another."""
        return boto3.client(
            service,
            endpoint_url=self.outer_url,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}).merge(config or Config()),
            **{"aws_access_key_id": self.access_key_id, "aws_secret_access_key": self.secret, **keys},
        )


@pytest.fixture(scope="module", params=["address", "any"])
def bound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoundSite]:
    site = BoundSite(tmp_path_factory.mktemp("bound") / "home")
    site.up(f"--bind={own_address() if request.param == 'address' else '0.0.0.0'}")
    try:
        site.client("s3").create_bucket(Bucket="bucket")
        yield site
    finally:
        site.command("down")


@pytest.fixture
def open_url() -> Iterator[Callable[..., urllib3.BaseHTTPResponse]]:
    with urllib3.PoolManager(retries=False) as pool:
        yield pool.request


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


CALLS = {
    "s3": lambda client: client.list_buckets(),
    "sagemaker": lambda client: client.list_training_jobs(),
    "sts": lambda client: client.get_caller_identity(),
    "iam": lambda client: client.get_role(RoleName="SageMakerRole"),
    "logs": lambda client: client.describe_log_groups(),
}


@pytest.mark.parametrize("service", CALLS)
def test_right_key_is_let_in(bound: BoundSite, service: str) -> None:
    assert CALLS[service](bound.outer(service))["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("service", CALLS)
def test_loopback_address_asks_for_no_key(bound: BoundSite, service: str) -> None:
    assert CALLS[service](bound.client(service))["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    ("service", "wrong_secret", "unknown_key"),
    [
        ("s3", "SignatureDoesNotMatch", "InvalidAccessKeyId"),
        ("sagemaker", "InvalidSignatureException", "UnrecognizedClientException"),
        ("sts", "SignatureDoesNotMatch", "InvalidClientTokenId"),
        ("iam", "SignatureDoesNotMatch", "InvalidClientTokenId"),
        ("logs", "InvalidSignatureException", "UnrecognizedClientException"),
    ],
)
def test_wrong_keys_are_refused_as_by_aws(bound: BoundSite, service: str, wrong_secret: str, unknown_key: str) -> None:
    call = CALLS[service]

    assert code_of(lambda: call(bound.outer(service, **{"aws_secret_access_key": "another"}))) == wrong_secret
    assert code_of(lambda: call(bound.outer(service, aws_access_key_id="AKIAANOTHER"))) == unknown_key


def test_unsigned_request_is_refused(bound: BoundSite, open_url: Callable[..., urllib3.BaseHTTPResponse]) -> None:
    unsigned = bound.outer("s3", config=Config(signature_version=UNSIGNED))
    assert code_of(lambda: unsigned.put_object(Bucket="bucket", Key="unsigned", Body=b"x" * 100_000)) == "AccessDenied"

    target = {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Type": "application/x-amz-json-1.1"}
    for headers in (target, {**target, "Host": "localhost", "X-Forwarded-For": "127.0.0.1"}):
        answer = open_url("POST", bound.outer_url, headers=headers, body=b"{}")
        assert (answer.status, answer.json()["__type"]) == (400, "MissingAuthenticationTokenException")


def test_presigned_address_is_let_in_until_it_expires(
    bound: BoundSite, open_url: Callable[..., urllib3.BaseHTTPResponse]
) -> None:
    bound.outer("s3").put_object(Bucket="bucket", Key="presigned", Body=b"content")

    def presign(version: str, expires_seconds: int = 60) -> str:
        client = bound.outer("s3", config=Config(signature_version=version))
        params = {"Bucket": "bucket", "Key": "presigned"}
        url: str = client.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_seconds)
        return url

    for version in ("s3v4", "s3"):
        assert open_url("GET", presign(version)).data == b"content"
        changed = presign(version).replace("/presigned?", "/another?")
        answer = open_url("GET", changed)
        assert (answer.status, b"<Code>SignatureDoesNotMatch</Code>" in answer.data) == (403, True)
    url, deadline = presign("s3v4", expires_seconds=1), time.monotonic() + 30
    while (expired := open_url("GET", url)).status == 200:
        assert time.monotonic() < deadline
    assert expired.status == 403
    assert b"<Message>Request has expired</Message>" in expired.data


def test_body_changed_on_the_way_is_refused_and_stores_nothing(bound: BoundSite) -> None:
    s3, sagemaker = bound.outer("s3"), bound.outer("sagemaker")

    def change(request: Any, **_: Any) -> None:
        request.body = b"y" * 10 if request.url.endswith("changed") else b'{"MaxResults": 2}'

    s3.meta.events.register("before-send.s3.PutObject", change)
    sagemaker.meta.events.register("before-send.sagemaker.ListTrainingJobs", change)

    assert code_of(
        lambda: s3.put_object(Bucket="bucket", Key="changed", Body=b"x" * 10, ChecksumAlgorithm="CRC32")
    ) in {"XAmzContentSHA256Mismatch"}
    assert code_of(lambda: s3.head_object(Bucket="bucket", Key="changed")) == "404"
    assert code_of(lambda: sagemaker.list_training_jobs(MaxResults=1)) == "InvalidSignatureException"


def test_large_body_and_multipart_upload_are_let_in(bound: BoundSite) -> None:
    s3 = bound.outer("s3")
    content = os.urandom(6 << 20) * 3
    with contextlib.closing(s3):
        s3.upload_fileobj(io.BytesIO(content), "bucket", "large", Config=TransferConfig(multipart_threshold=8 << 20))
        assert s3.get_object(Bucket="bucket", Key="large")["Body"].read() == content


# --- chunks -----------------------------------------------------------------------------------------------------------


class _StreamingAuth(botocore.auth.S3SigV4Auth):
    def payload(self, request: AWSRequest) -> str:
        return PAYLOAD


def put_chunks(
    site: BoundSite, key: str, chunks: list[bytes], change: Callable[[bytes], bytes], send: Callable[..., Any]
) -> tuple[int, bytes]:
    """Put an object as clients do that sign each chunk; ``change`` meddles with the body on its way."""
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(sum(map(len, chunks))),
    }
    request = AWSRequest("PUT", f"{site.outer_url}/bucket/{key}", headers=headers)
    auth = _StreamingAuth(Credentials(site.access_key_id, site.secret), "s3", "us-east-1")
    auth.add_auth(request)
    signature = request.headers["Authorization"].rpartition("Signature=")[2]
    signed_at = request.headers["X-Amz-Date"]
    scope = f"{signed_at[:8]}/us-east-1/s3/aws4_request"
    signing_key = f"AWS4{site.secret}".encode()
    for part in scope.split("/"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    body = b""
    for chunk in [*chunks, b""]:
        digests = f"{hashlib.sha256(b'').hexdigest()}\n{hashlib.sha256(chunk).hexdigest()}"
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{signed_at}\n{scope}\n{signature}\n{digests}"
        signature = hmac.digest(signing_key, text.encode(), "sha256").hex()
        body += b"%x;chunk-signature=%s\r\n%b\r\n" % (len(chunk), signature.encode(), chunk)
    answer = send("PUT", request.url, headers=dict(request.headers.items()), body=change(body))
    return answer.status, answer.data


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_signed_chunks_are_verified(
    bound: BoundSite, size: int, open_url: Callable[..., urllib3.BaseHTTPResponse]
) -> None:
    chunks = [b"a" * size, b"b" * 10]
    assert put_chunks(bound, f"chunks-{size}", chunks, lambda body: body, open_url) == (200, b"")
    stored = bound.client("s3").get_object(Bucket="bucket", Key=f"chunks-{size}")["Body"].read()
    assert stored == b"".join(chunks)

    status, answer = put_chunks(bound, f"bad-{size}", chunks, lambda body: body.replace(b"b" * 10, b"c" * 10), open_url)
    assert (status, b"<Code>SignatureDoesNotMatch</Code>" in answer) == (403, True)
    assert code_of(lambda: bound.client("s3").head_object(Bucket="bucket", Key=f"bad-{size}")) == "404"


# --- sessions and files of keys ---------------------------------------------------------------------------------------


def test_keys_of_assume_role_are_let_in_and_tell_who_calls(bound: BoundSite) -> None:
    role = "arn:aws:iam::000000000000:role/Reader"
    given = bound.outer("sts").assume_role(RoleArn=role, RoleSessionName="reading")["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }

    assert bound.outer("sts", **keys).get_caller_identity()["Arn"].endswith(":assumed-role/Reader/reading")
    assert bound.outer("s3", **keys).list_buckets()["Buckets"]
    assert code_of(lambda: bound.outer("s3", **{**keys, "aws_session_token": None}).list_buckets()) == (
        "InvalidAccessKeyId"
    )
    forged = {**keys, "aws_session_token": keys["aws_session_token"][:-4] + "AAA="}
    assert code_of(lambda: bound.outer("sagemaker", **forged).list_training_jobs()) == "UnrecognizedClientException"


def test_keys_are_made_once_for_their_owner_and_shown_by_env(bound: BoundSite) -> None:
    keys = bound.home / "keys"
    variables = json.loads(bound.command("env", "--json").stdout)

    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert (variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]) == (bound.access_key_id, bound.secret)
    assert variables["AWS_ENDPOINT_URL"].startswith("http://")
    assert bound.secret not in (bound.home / "platform.log").read_text()


def test_keys_of_a_file_are_taken_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("[a]\naws_access_key_id = one\naws_secret_access_key = first\n")
    site = BoundSite(tmp_path / "home")
    site.up(f"--bind={own_address()}", f"--keys={file}")
    try:
        assert site.access_key_id == "one"
        assert site.outer("s3").list_buckets()["Buckets"] == []
        assert not (site.home / "keys").exists()
    finally:
        site.command("down")


def test_bind_to_a_loopback_address_asks_for_no_key(tmp_path: Path) -> None:
    site = Site(tmp_path / "home")
    site.up("--bind=127.0.0.2")
    try:
        site.url = site.url.replace("127.0.0.1", "127.0.0.2")
        assert site.client("s3").list_buckets()["Buckets"] == []
        assert not (site.home / "keys").exists()
    finally:
        site.command("down")


@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (["--bind=192.0.2.99"], 125, "error[port-refused]"),
        (["--bind=no-such-host.invalid"], 125, "error[port-refused]"),
        (["--keys=/dev/null"], 2, "--keys needs --bind"),
        (["--bind=0.0.0.0", "--keys=/dev/null"], 2, "error[keys-unusable]"),
        (["--bind=0.0.0.0", "--keys=/no/such/file"], 2, "error[keys-unusable]"),
    ],
)
def test_up_with_what_cannot_be_says_why(tmp_path: Path, options: list[str], exit_code: int, said: str) -> None:
    refused = Site(tmp_path / "home").command("up", "--port=0", *options)

    assert refused.returncode == exit_code
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("detach", [[], ["-d"]])
def test_up_at_a_port_that_is_taken_leaves_no_home_behind(tmp_path: Path, detach: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = Site(tmp_path / "home").command("up", f"--port={taken.getsockname()[1]}", *detach)

    assert refused.returncode == 125
    assert "error[port-" in refused.stderr
    assert not (tmp_path / "home").exists()

"""Training code calls the platform from inside its container, as its job's role."""

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from tests.integration.platform.site import Site, create, wait

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

DEVELOPERS = "of-the-developer"
IDENTITY = "arn:aws:sts::000000000000:assumed-role/SageMakerRole/SageMaker"

WITH_BOTO3 = """#!/usr/bin/env python3
import json, os
import boto3
found = {
    "identity": boto3.client("sts").get_caller_identity()["Arn"],
    "region": boto3.session.Session().region_name,
    "environment": dict(os.environ),
}
boto3.client("s3").put_object(Bucket="bucket", Key="from-inside", Body=json.dumps(found).encode())
"""


WITH_THE_STANDARD_LIBRARY = r"""
import datetime, hashlib, hmac, http.client, json, os, urllib.parse

URL = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])

def send(service, method, path, body=b"", secret=os.environ["AWS_SECRET_ACCESS_KEY"], content_type="text/plain"):
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"content-type": content_type, "host": URL.netloc, "x-amz-content-sha256": digest, "x-amz-date": now}
    headers["x-amz-security-token"] = os.environ["AWS_SESSION_TOKEN"]
    names = ";".join(headers)
    canonical = "\n".join([method, path, "", *(f"{k}:{v}" for k, v in headers.items()), "", names, digest])
    scope = f"{now[:8]}/us-east-1/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return answer(method, path, body, headers if secret else {})

def answer(method, path, body, headers):
    connection = http.client.HTTPConnection(URL.hostname, URL.port, timeout=20)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.read().decode()

form = "application/x-www-form-urlencoded"
found = {
    "identity": send("sts", "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", content_type=form),
    "wrong": send("s3", "PUT", "/bucket/wrong", b"x", secret="another"),
    "unsigned": answer("PUT", "/bucket/unsigned", b"x", {}),
    "loopback": answer("PUT", "/bucket/loopback", b"x", {"host": f"127.0.0.1:{URL.port}"}),
}
assert send("s3", "PUT", "/bucket/from-inside", json.dumps(found).encode())[0] == 200
"""


def from_inside(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        site.client("s3").get_object(Bucket="bucket", Key="from-inside")["Body"].read().decode()
    )
    return found


@pytest.fixture
def developers_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A platform whose owner has keys of AWS, in variables and in the usual file."""
    home = tmp_path / "developer"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text(
        f"[default]\naws_access_key_id = {DEVELOPERS}\naws_secret_access_key = {DEVELOPERS}\n"
    )
    monkeypatch.setenv("HOME", str(home))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE_NAME"):
        monkeypatch.setenv(name, DEVELOPERS)
    site = Site(tmp_path / "home")
    site.up()
    try:
        yield site
    finally:
        site.command("down")


def test_program_calls_the_platform_as_its_jobs_role_and_knows_no_key_of_the_developer(
    developers_site: Site, program: Callable[[str], str]
) -> None:
    create(developers_site, "caller", program(WITH_BOTO3))
    job = wait(developers_site, "caller")

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    found = from_inside(developers_site)
    assert found["identity"] == IDENTITY
    assert found["region"] == "us-east-1"
    assert found["environment"]["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert DEVELOPERS not in json.dumps(found)


def test_isolated_program_gets_neither_address_nor_credentials(site: Site, program: Callable[[str], str]) -> None:
    only_region = "#!/bin/sh\nenv | grep '^AWS_' | grep -v '^AWS_REGION=' && exit 1; exit 0\n"
    create(site, "isolated", program(only_region), EnableNetworkIsolation=True)
    job = wait(site, "isolated")

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]


@pytest.fixture
def calling_image(tmp_path: Path) -> Iterator[str]:
    """An image with Python, whose program is ``WITH_THE_STANDARD_LIBRARY``."""
    tag = f"seatrial-access:{secrets.token_hex(4)}"
    context = tmp_path / "context"
    context.mkdir()
    (context / "train").write_text(f"#!/usr/bin/env python3\n{WITH_THE_STANDARD_LIBRARY}")
    (context / "train").chmod(0o755)
    (context / "Dockerfile").write_text(
        f"FROM debian:bookworm-slim\nLABEL run={tag}\n"
        "RUN command -v python3 || { apt-get update && apt-get install -y --no-install-recommends python3; }\n"
        "COPY train /usr/local/bin/train\n"
    )
    with contextlib.closing(docker.from_env()) as client:
        client.images.build(path=str(context), tag=tag, rm=True)
        yield tag
        client.images.remove(tag, force=True)


@pytest.mark.docker
def test_container_in_docker_calls_the_platform_and_is_refused_without_its_key(site: Site, calling_image: str) -> None:
    create(site, "in-docker", calling_image)
    job = wait(site, "in-docker")

    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    found = from_inside(site)
    assert found["identity"][0] == 200
    assert f"<Arn>{IDENTITY}</Arn>" in found["identity"][1]
    for name, code in (("wrong", "SignatureDoesNotMatch"), ("unsigned", "AccessDenied"), ("loopback", "AccessDenied")):
        status, body = found[name]
        assert (status, f"<Code>{code}</Code>" in body) == (403, True), (name, body)
    keys = [one["Key"] for one in site.client("s3").list_objects_v2(Bucket="bucket")["Contents"]]
    assert not {"wrong", "unsigned", "loopback"} & set(keys)

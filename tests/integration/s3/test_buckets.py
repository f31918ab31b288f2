"""Buckets, their sub-resources, tags, and the edges of the protocol."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.objects.files import FileStore

pytest.importorskip("boto3")
from botocore.exceptions import ClientError


def refusal(operation: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def raw(url: str, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    try:
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_bucket_from_creation_to_deletion(client: Any, store: FileStore) -> None:
    client.create_bucket(Bucket="new-one", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    assert "new-one" in [one["Name"] for one in client.list_buckets()["Buckets"]]
    assert client.get_bucket_location(Bucket="new-one")["LocationConstraint"] == "eu-central-1"
    assert client.head_bucket(Bucket="new-one")["BucketRegion"] == "eu-central-1"
    again = {"Bucket": "new-one", "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    assert refusal(client.create_bucket, **again) == ("BucketAlreadyOwnedByYou", 409)
    client.put_object(Bucket="new-one", Key="a/b", Body=b"")
    assert refusal(client.delete_bucket, Bucket="new-one") == ("BucketNotEmpty", 409)
    client.delete_object(Bucket="new-one", Key="a/b")
    client.delete_bucket(Bucket="new-one")
    assert not (store.root / "new-one").exists()
    assert refusal(client.list_objects_v2, Bucket="new-one") == ("NoSuchBucket", 404)


def test_bucket_in_us_east_1_may_be_created_again(client: Any, bucket: str) -> None:
    client.create_bucket(Bucket=bucket)
    assert client.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


@pytest.mark.parametrize("name", ["ab", "Upper", "a..b", "1.2.3.4", "-a-b", "xn--abc", "abc-s3alias", "a_b_c"])
def test_bucket_with_a_wrong_name_is_refused(url: str, name: str) -> None:
    status, body, _ = raw(url, "PUT", f"/{name}")
    assert (status, b"<Code>InvalidBucketName</Code>" in body) == (400, True)


def test_folder_of_the_user_is_a_bucket(client: Any, store: FileStore) -> None:
    (store.root / "made-by-hand").mkdir()
    assert "made-by-hand" in [one["Name"] for one in client.list_buckets()["Buckets"]]
    client.delete_bucket(Bucket="made-by-hand")


@pytest.mark.parametrize("name", ["..", ".seatrial", "%2e%2e", ".", "%2e%73eatrial"])
def test_bookkeeping_is_no_bucket(url: str, name: str) -> None:
    status, body, _ = raw(url, "GET", f"/{name}?list-type=2")
    assert (status, b"<Code>NoSuchBucket</Code>" in body) == (404, True)


def test_bucket_in_the_host_name(url: str, bucket: str, client: Any) -> None:
    port = urlsplit(url).port
    for host in (f"{bucket}.localhost:{port}", f"{bucket}.s3.localhost:{port}", f"{bucket}.127.0.0.1:{port}"):
        assert raw(url, "PUT", "/a/b", b"hello", Host=host)[0] == 200
        assert raw(url, "GET", "/a/b", Host=host)[1] == b"hello"
    assert client.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"hello"
    assert b"ListAllMyBucketsResult" in raw(url, "GET", "/", Host=f"s3.localhost:{port}")[1]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_tagging", "NoSuchTagSet"),
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_website", "NoSuchWebsiteConfiguration"),
        ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
        ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
        ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
        ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ],
)
def test_sub_resource_that_is_not_configured_is_missing(client: Any, bucket: str, operation: str, code: str) -> None:
    assert refusal(getattr(client, operation), Bucket=bucket) == (code, 404)
    assert refusal(getattr(client, operation), Bucket="none-such") == ("NoSuchBucket", 404)


def test_sub_resource_that_is_not_configured_is_empty(client: Any, bucket: str) -> None:
    assert "Status" not in client.get_bucket_versioning(Bucket=bucket)
    assert "LoggingEnabled" not in client.get_bucket_logging(Bucket=bucket)
    assert "Status" not in client.get_bucket_accelerate_configuration(Bucket=bucket)
    assert client.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert client.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert set(client.get_bucket_notification_configuration(Bucket=bucket)) == {"ResponseMetadata"}
    client.delete_bucket_policy(Bucket=bucket)


def test_sub_resource_that_is_unknown_is_refused(url: str, bucket: str, client: Any) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    for method, target in (
        ("GET", f"/{bucket}?no-such"),
        ("DELETE", f"/{bucket}/k?retention"),
        ("PUT", f"/{bucket}/k?legal-hold"),
        ("PUT", f"/{bucket}?versioning"),
        ("POST", f"/{bucket}"),
    ):
        status, body, _ = raw(url, method, target, b"")
        assert (status, b"<Code>NotImplemented</Code>" in body) == (501, True)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_tags_of_buckets_and_objects(client: Any, bucket: str) -> None:
    tags = [{"Key": "a", "Value": "1"}, {"Key": "ä", "Value": "&"}]
    client.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"m": "1"})
    before = client.head_object(Bucket=bucket, Key="k")
    client.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})

    after = client.get_object(Bucket=bucket, Key="k")
    assert client.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    assert client.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    assert (after["ETag"], after["Metadata"], after["TagCount"]) == (before["ETag"], {"m": "1"}, 2)
    twice = {"TagSet": [tags[0], tags[0]]}
    assert refusal(client.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice) == ("InvalidTag", 400)
    client.delete_object_tagging(Bucket=bucket, Key="k")
    client.delete_bucket_tagging(Bucket=bucket)
    assert client.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete>",
        b"<Delete></Delete>",
        b"<Other><Object><Key>a</Key></Object></Other>",
        b'<!DOCTYPE x [<!ENTITY e "k">]><Delete><Object><Key>&e;</Key></Object></Delete>',
        b"<a>" * 100_000,
    ],
)
def test_malformed_xml_is_refused(url: str, bucket: str, client: Any, body: bytes) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    status, answer, _ = raw(url, "POST", f"/{bucket}?delete", body)

    assert (status, b"<Code>MalformedXML</Code>" in answer) == (400, True)
    client.head_object(Bucket=bucket, Key="k")


def test_error_names_its_request(url: str, bucket: str) -> None:
    status, body, headers = raw(url, "GET", f"/{bucket}/none")

    assert (status, headers["content-type"]) == (404, "application/xml")
    assert f"<RequestId>{headers['x-amz-request-id']}</RequestId>".encode() in body
    assert b"<Key>none</Key>" in body


def test_header_that_asks_for_more_than_there_is_is_refused(client: Any, bucket: str) -> None:
    arguments = {"Bucket": bucket, "Key": "k", "ObjectLockLegalHoldStatus": "ON"}
    assert refusal(client.put_object, **arguments, Body=b"") == ("NotImplemented", 501)


def test_object_versions_are_the_objects(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    listed = client.list_object_versions(Bucket=bucket)["Versions"]

    assert [(one["Key"], one["VersionId"], one["IsLatest"]) for one in listed] == [("k", "null", True)]
    client.delete_object(Bucket=bucket, Key="k", VersionId="null")


def test_object_attributes(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"hello")
    got = client.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag", "ObjectSize", "Checksum"])

    assert (got["ETag"], got["ObjectSize"]) == ("5d41402abc4b2a76b9719d911017c592", 5)
    assert got["Checksum"]["ChecksumCRC32"] == "NhCmhg=="

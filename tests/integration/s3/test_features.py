"""What a request asks for besides bytes is kept and told, or refused as S3 does; nothing is accepted silently."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def refusal(operation: Any, **arguments: Any) -> tuple[str, int]:
    """S3's code and the status of a request that is refused."""
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("acl", ["private", "bucket-owner-full-control"])
def test_acl_of_the_owner_is_accepted(client: Any, bucket: str, acl: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x", ACL=acl)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("given", [{"ACL": "public-read"}, {"GrantRead": "id=0"}, {"ACL": "bucket-owner-read"}])
def test_other_acl_is_refused_and_nothing_is_stored(client: Any, bucket: str, given: dict[str, str]) -> None:
    refused = "AccessControlListNotSupported", 400
    assert refusal(client.put_object, Bucket=bucket, Key="k", Body=b"x", **given) == refused
    assert refusal(client.create_multipart_upload, Bucket=bucket, Key="k", **given) == refused
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_acl_cannot_be_set_later(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused = "AccessControlListNotSupported", 400
    assert refusal(client.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == refused
    assert refusal(client.put_bucket_acl, Bucket=bucket, ACL="public-read") == refused
    assert refusal(client.put_object_acl, Bucket=bucket, Key="none", ACL="private") == ("NoSuchKey", 404)


def test_bucket_is_its_owners(client: Any, bucket: str) -> None:
    rules = client.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    with_acl = refusal(client.create_bucket, Bucket=f"{bucket}-2", ACL="public-read")
    assert with_acl == ("InvalidBucketAclWithObjectOwnership", 400)
    other = refusal(client.create_bucket, Bucket=f"{bucket}-2", ObjectOwnership="ObjectWriter")
    assert other == ("NotImplemented", 501)
    client.create_bucket(Bucket=f"{bucket}-2", ACL="private", ObjectOwnership="BucketOwnerEnforced")


def test_what_changes_no_outcome_is_kept_and_told(client: Any, bucket: str) -> None:
    put = client.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"x",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="key",
        StorageClass="STANDARD_IA",
        WebsiteRedirectLocation="/other",
        Tagging="a=b",
    )
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", "key")
    head = client.head_object(Bucket=bucket, Key="k")
    told = head["ServerSideEncryption"], head["StorageClass"], head["WebsiteRedirectLocation"], head["TagCount"]
    assert told == ("aws:kms", "STANDARD_IA", "/other", 1)
    assert client.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize(
    ("given", "code", "status"),
    [
        ({"StorageClass": "DEEP_ARCHIVE"}, "NotImplemented", 501),
        ({"StorageClass": "FAST"}, "InvalidStorageClass", 400),
        ({"ServerSideEncryption": "ROT13"}, "InvalidArgument", 400),
        ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": "key"}, "InvalidArgument", 400),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": "e30="}, "NotImplemented", 501),
        ({"WebsiteRedirectLocation": "other"}, "InvalidRedirectLocation", 400),
        ({"ObjectLockLegalHoldStatus": "ON"}, "NotImplemented", 501),
        ({"ACL": "whoever"}, "InvalidArgument", 400),
    ],
)
def test_what_is_not_done_or_wrong_is_refused(
    client: Any, bucket: str, given: dict[str, str], code: str, status: int
) -> None:
    client.put_object(Bucket=bucket, Key="source", Body=b"x")
    assert refusal(client.put_object, Bucket=bucket, Key="k", Body=b"x", **given) == (code, status)
    assert refusal(client.create_multipart_upload, Bucket=bucket, Key="k", **given) == (code, status)
    assert refusal(client.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/source", **given) == (code, status)
    assert [one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["source"]


def test_condition_of_a_delete_that_is_not_looked_at_is_refused(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refusal(client.delete_object, Bucket=bucket, Key="k", IfMatchSize=2) == ("NotImplemented", 501)
    client.head_object(Bucket=bucket, Key="k")

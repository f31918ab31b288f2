"""Objects through boto3: the checks that other servers failed (field.md §5), and what S3 promises of each."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import threading
import urllib.error
import urllib.request
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from seatrial.objects.files import FileStore

pytest.importorskip("boto3")
from botocore.exceptions import ClientError

MIB = 1 << 20
md5 = partial(hashlib.md5, usedforsecurity=False)


def put(client: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())


def keys_of(page: dict[str, Any]) -> list[str]:
    return [one["Key"] for one in page.get("Contents", [])]


def refusal(operation: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


# --- the list of field.md §5 ----------------------------------------------------------------------------------------


def test_key_beside_its_own_prefix_both_are_kept(client: Any, bucket: str) -> None:
    put(client, bucket, "a", "a/b", "x/y", "x")

    assert keys_of(client.list_objects_v2(Bucket=bucket)) == ["a", "a/b", "x", "x/y"]
    for key in ("a", "a/b", "x", "x/y"):
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()


def test_directory_marker_is_an_object_of_its_own(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="dir/", Body=b"")
    put(client, bucket, "dir/file", "/lead", "a//b")

    assert keys_of(client.list_objects_v2(Bucket=bucket)) == ["/lead", "a//b", "dir/", "dir/file"]
    assert client.head_object(Bucket=bucket, Key="dir/")["ContentLength"] == 0
    page = client.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="dir/")
    assert keys_of(page) == ["dir/", "dir/file"]


def test_metadata_and_headers_come_back(client: Any, bucket: str) -> None:
    client.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"x",
        ContentType="text/csv",
        CacheControl="no-cache",
        ContentEncoding="gzip",
        ContentDisposition="attachment",
        Metadata={"colour": "blue"},
    )

    got = client.head_object(Bucket=bucket, Key="k")
    assert got["Metadata"] == {"colour": "blue"}
    assert (got["ContentType"], got["CacheControl"]) == ("text/csv", "no-cache")
    assert (got["ContentEncoding"], got["ContentDisposition"]) == ("gzip", "attachment")


def test_list_v2_pages_with_tokens_start_after_and_encoding(client: Any, bucket: str) -> None:
    names = [f"k {index:02} é+%" for index in range(25)]
    put(client, bucket, *names)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})

    collected = list(pages)
    assert [key for page in collected for key in keys_of(page)] == names
    assert [page["KeyCount"] for page in collected] == [7, 7, 7, 4]
    assert keys_of(client.list_objects_v2(Bucket=bucket, StartAfter=names[22])) == names[23:]


def test_list_v1_pages_with_delimiter_give_each_prefix_once(client: Any, bucket: str) -> None:
    put(client, bucket, *[f"d{index}/{part}" for index in range(5) for part in "ab"], "z")
    pages = client.get_paginator("list_objects").paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}
    )

    prefixes = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
    assert prefixes == [f"d{index}/" for index in range(5)]


def test_list_with_any_delimiter(client: Any, bucket: str) -> None:
    put(client, bucket, "a-b-c", "a-d", "e")

    page = client.list_objects_v2(Bucket=bucket, Delimiter="-")
    assert ([one["Prefix"] for one in page["CommonPrefixes"]], keys_of(page)) == (["a-"], ["e"])


def test_expected_bucket_owner_other_than_ours_is_denied(client: Any, bucket: str) -> None:
    client.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")

    answer = refusal(client.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="111111111111")
    assert answer == ("AccessDenied", 403)


def test_head_of_a_missing_object_is_a_bare_404(client: Any, bucket: str) -> None:
    assert refusal(client.head_object, Bucket=bucket, Key="none") == ("404", 404)
    assert refusal(client.head_bucket, Bucket="none-such") == ("404", 404)
    assert refusal(client.get_object, Bucket=bucket, Key="none") == ("NoSuchKey", 404)
    assert refusal(client.get_object, Bucket="none-such", Key="none") == ("NoSuchBucket", 404)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksum_is_verified_kept_and_given_back(client: Any, bucket: str, algorithm: str) -> None:
    if algorithm in ("CRC32C", "CRC64NVME"):
        pytest.importorskip("awscrt")
    body = os.urandom(100_000)
    put_answer = client.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
    got = client.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")

    assert got["Body"].read() == body
    assert got[f"Checksum{algorithm}"] == put_answer[f"Checksum{algorithm}"]
    assert got["ChecksumType"] == "FULL_OBJECT"


def test_put_with_a_wrong_checksum_stores_nothing(client: Any, bucket: str) -> None:
    wrong = base64.b64encode(b"\0\0\0\1").decode()

    assert refusal(client.put_object, Bucket=bucket, Key="k", Body=b"x", ChecksumCRC32=wrong) == ("BadDigest", 400)
    other = base64.b64encode(md5(b"y").digest()).decode()
    assert refusal(client.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5=other) == ("BadDigest", 400)
    assert keys_of(client.list_objects_v2(Bucket=bucket)) == []


@pytest.mark.parametrize(
    ("asked", "found", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_range(client: Any, bucket: str, asked: str, found: bytes, content_range: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = client.get_object(Bucket=bucket, Key="k", Range=asked)

    assert (got["Body"].read(), got["ContentRange"]) == (found, content_range)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_range_behind_the_end_is_refused(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"0123456789")

    assert refusal(client.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == ("InvalidRange", 416)


def test_copy_keeps_or_replaces_metadata(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="ä b", Body=b"x", Metadata={"a": "1"}, ContentType="text/plain", Tagging="t=1")
    source = {"Bucket": bucket, "Key": "ä b"}
    client.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    client.copy_object(
        Bucket=bucket, Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="a/b"
    )

    kept, new = (client.head_object(Bucket=bucket, Key=key) for key in ("kept", "new"))
    assert (kept["Metadata"], kept["ContentType"]) == ({"a": "1"}, "text/plain")
    assert (new["Metadata"], new["ContentType"]) == ({"b": "2"}, "a/b")
    assert client.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_copy_to_itself_needs_a_change(client: Any, bucket: str) -> None:
    put(client, bucket, "k")
    arguments = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"}

    assert refusal(client.copy_object, **arguments) == ("InvalidRequest", 400)
    client.copy_object(**arguments, MetadataDirective="REPLACE", Metadata={"n": "1"})
    assert client.head_object(Bucket=bucket, Key="k")["Metadata"] == {"n": "1"}
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"k"


def test_copy_with_a_failed_condition(client: Any, bucket: str) -> None:
    put(client, bucket, "k")
    arguments = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/k"}

    assert refusal(client.copy_object, **arguments, CopySourceIfMatch="other") == ("PreconditionFailed", 412)
    etag = client.head_object(Bucket=bucket, Key="k")["ETag"]
    assert refusal(client.copy_object, **arguments, CopySourceIfNoneMatch=etag) == ("PreconditionFailed", 412)
    assert refusal(client.copy_object, **{**arguments, "CopySource": f"{bucket}/no"}) == ("NoSuchKey", 404)


def test_delete_objects_many_at_once(client: Any, bucket: str) -> None:
    put(client, bucket, "a", "b/c", "d & <e>")
    wanted = [{"Key": key} for key in ("a", "b/c", "d & <e>", "never")]

    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert [one["Key"] for one in answer["Deleted"]] == ["a", "b/c", "d & <e>", "never"]
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_put_if_none_match_and_if_match(client: Any, bucket: str) -> None:
    etag = client.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]

    assert refusal(client.put_object, Bucket=bucket, Key="k", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert refusal(client.put_object, Bucket=bucket, Key="k", IfMatch='"0"') == ("PreconditionFailed", 412)
    assert refusal(client.put_object, Bucket=bucket, Key="none", IfMatch=etag) == ("NoSuchKey", 404)
    client.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_put_if_none_match_of_many_only_one_wins(client: Any, bucket: str) -> None:
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        try:
            client.put_object(Bucket=bucket, Key="k", Body=str(number).encode(), IfNoneMatch="*")
            outcomes.append(str(number))
        except ClientError:
            pass

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [client.get_object(Bucket=bucket, Key="k")["Body"].read().decode()]


def test_conditional_reads(client: Any, bucket: str) -> None:
    put(client, bucket, "k")
    head = client.head_object(Bucket=bucket, Key="k")
    arguments = {"Bucket": bucket, "Key": "k"}

    assert refusal(client.get_object, **arguments, IfNoneMatch=head["ETag"]) == ("304", 304)
    assert refusal(client.get_object, **arguments, IfModifiedSince=head["LastModified"]) == ("304", 304)
    assert refusal(client.get_object, **arguments, IfMatch='"0"') == ("PreconditionFailed", 412)
    client.get_object(**arguments, IfMatch=head["ETag"], IfUnmodifiedSince=head["LastModified"])


def fetch(target: str, **options: Any) -> Any:
    assert target.startswith("http://127.0.0.1:")
    return urllib.request.urlopen(urllib.request.Request(target, **options))  # noqa: S310


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_put_and_get(url: str, bucket: str, version: str, make_client: Any) -> None:
    with make_client(url, signature_version=version) as client:
        arguments = {"Bucket": bucket, "Key": "pre signed/ä"}
        target = client.generate_presigned_url("put_object", Params=arguments)
        with fetch(target, data=b"hello", method="PUT") as answer:
            assert answer.status == 200
        overrides = {"ResponseContentType": "text/x", "ResponseContentDisposition": "inline"}
        source = client.generate_presigned_url("get_object", Params={**arguments, **overrides})
        with fetch(source) as answer:
            assert answer.read() == b"hello"
            assert answer.headers["Content-Type"] == "text/x"
            assert answer.headers["Content-Disposition"] == "inline"


# --- hostile keys ---------------------------------------------------------------------------------------------------

HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../b",
    "..",
    ".",
    "./.",
    "nul\0byte",
    "%~f",
    "%2e%2e/x",
    "new\nline\r",
    "tab\tand \x01 control",
    "é" * 512,
    "/" * 1024,
    "ünï/日本語/🙂",
    "&<>\"'+ %",
    "~user/$HOME/*?[a]",
    "a\\b",
]


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_key_round_trips_inside_the_bucket(client: Any, bucket: str, store: FileStore, key: str) -> None:
    http_get_object(client, bucket, key)
    outside = {path.name for path in store.root.iterdir()} - {one.name for one in store.list_buckets()}
    assert outside == {".seatrial"}
    assert store.path_of(bucket, key).resolve().is_relative_to(store.root / bucket)
    assert keys_of(client.list_objects_v2(Bucket=bucket)) == [key]
    client.delete_object(Bucket=bucket, Key=key)
    assert list((store.root / bucket).iterdir()) == []


def http_get_object(client: Any, bucket: str, key: str) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=b"content")
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"content"


def test_key_over_1024_bytes_is_refused(client: Any, bucket: str) -> None:
    assert refusal(client.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == ("KeyTooLongError", 400)


def raw(url: str, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, target, body=body, headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_path_that_is_no_utf8_is_refused(url: str, bucket: str) -> None:
    status, body = raw(url, "PUT", f"/{bucket}/%ff%fe", b"x")
    assert (status, b"<Code>InvalidURI</Code>" in body) == (400, True)


def test_dots_in_a_raw_path_are_a_key(url: str, bucket: str, client: Any) -> None:
    assert raw(url, "PUT", f"/{bucket}/../../x", b"x")[0] == 200
    assert keys_of(client.list_objects_v2(Bucket=bucket)) == ["../../x"]


# --- aws-chunked ----------------------------------------------------------------------------------------------------


def chunked_put(url: str, bucket: str, body: bytes, *, kind: str, length: int, trailer: str = "") -> tuple[int, bytes]:
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Content-Sha256": kind,
        "X-Amz-Decoded-Content-Length": str(length),
    }
    if trailer:
        headers["X-Amz-Trailer"] = trailer
    return raw(url, "PUT", f"/{bucket}/k", body, **headers)


def test_signed_chunks_are_decoded(url: str, bucket: str, client: Any) -> None:
    signature = b";chunk-signature=" + b"0" * 64
    body = b"5" + signature + b"\r\nhello\r\n0" + signature + b"\r\n\r\n"

    assert chunked_put(url, bucket, body, kind="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", length=5)[0] == 200
    got = client.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"hello"
    assert "ContentEncoding" not in got


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [("crc32", "NhCmhg=="), ("crc32c", "mnG7TA=="), ("sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00=")],
)
def test_trailing_checksum_is_verified(url: str, bucket: str, client: Any, algorithm: str, value: str) -> None:
    if algorithm == "crc32c":
        pytest.importorskip("awscrt")
    name = f"x-amz-checksum-{algorithm}"
    good, bad = (f"5\r\nhello\r\n0\r\n{name}:{text}\r\n\r\n".encode() for text in (value, "AAAA" + value[4:]))
    options: Any = {"kind": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "length": 5, "trailer": name}

    status, answer = chunked_put(url, bucket, bad, **options)
    assert (status, b"<Code>BadDigest</Code>" in answer) == (400, True)
    assert keys_of(client.list_objects_v2(Bucket=bucket)) == []
    assert chunked_put(url, bucket, good, **options)[0] == 200
    got = client.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[f"Checksum{algorithm.upper()}"] == value


@pytest.mark.parametrize("body", [b"5\r\nhe", b"zz\r\nhello\r\n", b"5\r\nhello\r\n", b"3\r\nhello\r\n0\r\n\r\n"])
def test_broken_chunks_store_nothing(url: str, bucket: str, client: Any, body: bytes) -> None:
    status, _ = chunked_put(url, bucket, body, kind="STREAMING-UNSIGNED-PAYLOAD-TRAILER", length=5)
    assert status == 400
    assert keys_of(client.list_objects_v2(Bucket=bucket)) == []


def test_upload_that_breaks_off_stores_nothing(url: str, bucket: str, client: Any, store: FileStore) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.putrequest("PUT", f"/{bucket}/k")
    connection.putheader("Content-Length", str(10 * MIB))
    connection.endheaders()
    connection.send(bytes(5 * MIB))
    connection.close()

    for _ in range(3):
        assert keys_of(client.list_objects_v2(Bucket=bucket)) == []


# --- dropped files --------------------------------------------------------------------------------------------------


def test_dropped_file_is_an_object(client: Any, bucket: str, store: FileStore) -> None:
    (store.root / bucket / "data").mkdir()
    (store.root / bucket / "data" / "dropped.csv").write_text("1,2\n")

    listed = client.list_objects_v2(Bucket=bucket)["Contents"][0]
    got = client.get_object(Bucket=bucket, Key="data/dropped.csv")
    assert (listed["Key"], listed["Size"], listed["ETag"]) == ("data/dropped.csv", 4, got["ETag"])
    assert got["ETag"].endswith('-1"')
    assert got["ContentType"] == "binary/octet-stream"
    assert got["Body"].read() == b"1,2\n"


def test_edited_file_loses_what_was_said_of_the_old_content(client: Any, bucket: str, store: FileStore) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"old", Metadata={"of": "old"})
    store.path_of(bucket, "k").write_bytes(b"edited")

    got = client.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["Metadata"], got["ContentLength"]) == (b"edited", {}, 6)


def test_put_object_is_a_plain_file(client: Any, bucket: str, store: FileStore) -> None:
    put(client, bucket, "a/b.txt")
    assert (store.root / bucket / "a" / "b.txt").read_bytes() == b"a/b.txt"


def test_large_body_streams_up_and_down(client: Any, bucket: str) -> None:
    body = os.urandom(9 * MIB + 17)
    answer = client.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(body))

    assert answer["ETag"] == f'"{md5(body).hexdigest()}"'
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    got = client.get_object(Bucket=bucket, Key="k", Range="bytes=1-5000000")
    assert got["Body"].read() == body[1:5_000_001]


def test_refusal_before_the_body_leaves_the_connection_usable(client: Any, bucket: str) -> None:
    """A client that waits for 100 Continue sends no body after a refusal; the next request is not taken for it."""
    for _ in range(3):
        assert refusal(client.put_object, Bucket=bucket, Key="k", Body=bytes(MIB), IfNoneMatch='"x"')[1] == 501
        assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_refusal_before_a_body_that_is_already_on_its_way_is_read(url: str, bucket: str) -> None:
    status, body = raw(url, "PUT", f"/{bucket}/k", bytes(2 * MIB), **{"If-None-Match": '"x"'})
    assert (status, b"NotImplemented" in body) == (501, True)

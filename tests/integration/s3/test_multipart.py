"""Multipart uploads through boto3, by hand and by its threaded transfer manager."""

from __future__ import annotations

import base64
import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from seatrial.objects.files import FileStore

pytest.importorskip("boto3")
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

MIB = 1 << 20
md5 = partial(hashlib.md5, usedforsecurity=False)
A, B = os.urandom(5 * MIB), os.urandom(1000)


def begin(client: Any, bucket: str, **arguments: Any) -> dict[str, Any]:
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="k", **arguments)["UploadId"]
    return {"Bucket": bucket, "Key": "k", "UploadId": upload_id}


def complete(client: Any, upload: dict[str, Any], *parts: tuple[int, str], **arguments: Any) -> dict[str, Any]:
    listed = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
    answer: dict[str, Any] = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed}, **arguments)
    return answer


def refusal(operation: Any, *positional: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        operation(*positional, **arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_parts_out_of_order_are_joined_by_number(client: Any, bucket: str, store: FileStore) -> None:
    upload = begin(client, bucket, ContentType="text/x", Metadata={"m": "1"})
    second = client.upload_part(**upload, PartNumber=7, Body=B)["ETag"]
    client.upload_part(**upload, PartNumber=2, Body=b"replaced")
    first = client.upload_part(**upload, PartNumber=2, Body=A)["ETag"]
    listed = client.list_parts(**upload)
    answer = complete(client, upload, (2, first), (7, second))

    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(2, len(A)), (7, len(B))]
    joined = md5(md5(A).digest() + md5(B).digest()).hexdigest()
    assert answer["ETag"] == f'"{joined}-2"'
    got = client.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == A + B
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (f'"{joined}-2"', "text/x", {"m": "1"})
    assert client.get_object(Bucket=bucket, Key="k", PartNumber=2)["Body"].read() == B
    assert client.head_object(Bucket=bucket, Key="k", PartNumber=1)["PartsCount"] == 2
    assert list((store.root / ".seatrial" / "uploads").iterdir()) == []


def test_part_too_small_wrong_or_out_of_order_is_refused(client: Any, bucket: str) -> None:
    upload = begin(client, bucket)
    etag = client.upload_part(**upload, PartNumber=1, Body=B)["ETag"]
    client.upload_part(**upload, PartNumber=2, Body=B)

    assert refusal(complete, client, upload, (1, etag), (2, etag)) == ("EntityTooSmall", 400)
    assert refusal(complete, client, upload, (2, etag), (1, etag)) == ("InvalidPartOrder", 400)
    assert refusal(complete, client, upload, (1, '"0"')) == ("InvalidPart", 400)
    assert refusal(complete, client, upload, (3, etag)) == ("InvalidPart", 400)
    assert refusal(client.upload_part, **upload, PartNumber=10_001, Body=B) == ("InvalidArgument", 400)
    complete(client, upload, (1, etag))


def test_abort_forgets_the_parts(client: Any, bucket: str, store: FileStore) -> None:
    upload = begin(client, bucket)
    client.upload_part(**upload, PartNumber=1, Body=B)
    assert [one["Key"] for one in client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]
    client.abort_multipart_upload(**upload)

    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    assert refusal(client.upload_part, **upload, PartNumber=1, Body=B) == ("NoSuchUpload", 404)
    assert refusal(client.list_parts, **upload) == ("NoSuchUpload", 404)
    assert list((store.root / ".seatrial" / "uploads").iterdir()) == []


@pytest.mark.parametrize("upload_id", ["none", "../../x", "0" * 32])
def test_unknown_upload_is_refused(client: Any, bucket: str, upload_id: str) -> None:
    assert refusal(client.list_parts, Bucket=bucket, Key="k", UploadId=upload_id) == ("NoSuchUpload", 404)


def test_complete_if_none_match_keeps_the_object_and_the_upload(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"first")
    upload = begin(client, bucket)
    etag = client.upload_part(**upload, PartNumber=1, Body=B)["ETag"]

    assert refusal(complete, client, upload, (1, etag), IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"
    complete(client, upload, (1, etag))
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == B


def test_part_copied_from_a_range(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="source", Body=A)
    upload = begin(client, bucket)
    arguments = {**upload, "PartNumber": 1, "CopySource": f"{bucket}/source"}
    part = client.upload_part_copy(**arguments, CopySourceRange="bytes=1-10")["CopyPartResult"]
    complete(client, upload, (1, part["ETag"]))

    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == A[1:11]
    arguments = {**begin(client, bucket), "PartNumber": 1, "CopySource": f"{bucket}/source"}
    assert refusal(client.upload_part_copy, **arguments, CopySourceRange=f"bytes=0-{len(A)}")[0] == "InvalidArgument"


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_checksum_of_a_multipart_object(client: Any, bucket: str, kind: str) -> None:
    import zlib

    upload = begin(client, bucket, ChecksumAlgorithm="CRC32", ChecksumType=kind)
    parts = [
        client.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        for number, body in ((1, A), (2, B))
    ]
    listed = [
        {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}
        for number, part in enumerate(parts, start=1)
    ]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})
    got = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")

    whole = base64.b64encode(zlib.crc32(A + B).to_bytes(4, "big")).decode()
    joined = b"".join(zlib.crc32(body).to_bytes(4, "big") for body in (A, B))
    composite = base64.b64encode(zlib.crc32(joined).to_bytes(4, "big")).decode() + "-2"
    assert got["ChecksumCRC32"] == (whole if kind == "FULL_OBJECT" else composite)
    assert got["ChecksumType"] == kind


def test_transfer_manager_uploads_and_downloads_in_threads(client: Any, bucket: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(33 * MIB + 5))
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8)
    client.upload_file(str(source), bucket, "dir/k", Config=config, ExtraArgs={"ContentType": "text/x"})
    client.download_file(bucket, "dir/k", str(target), Config=config)

    assert target.read_bytes() == source.read_bytes()
    assert client.head_object(Bucket=bucket, Key="dir/k")["ETag"].endswith('-7"')


def test_managed_copy_of_a_large_object(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=A + A + B)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    client.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", Config=config)

    assert client.get_object(Bucket=bucket, Key="copy")["Body"].read() == A + A + B

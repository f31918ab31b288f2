"""Transfers of any S3 server, by its address. boto3 does the work: retries, ranges in parallel, multipart uploads.

The credentials are those that botocore finds for this process. They are not handed on to anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from urllib3.exceptions import HTTPError

from seatrial.core.errors import ConfigError
from seatrial.core.trees import Checkpoint
from seatrial.objects.errors import NoSuchBucketError, NoSuchKeyError, ObjectStoreError
from seatrial.objects.transfer import ObjectTransfer

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS_MAX_COUNT = 4

_CONNECTIONS_MAX_COUNT = 32
_TRANSFER = TransferConfig(max_concurrency=4)
"""Threads of one upload or download; several jobs may have one each."""
_DENIED = frozenset(
    ("403", "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch")
)


class RemoteTransfer(ObjectTransfer):
    """Transfers of an S3 server.

    Args:
        endpoint_url: ``http://host:port``.
        region: For the signatures, where AWS's configuration names none.

    Raises:
        ConfigError: there are no credentials, or AWS's configuration cannot be read.
    """

    def __init__(self, endpoint_url: str, *, region: str) -> None:
        self.endpoint_url = endpoint_url
        self.region = region
        try:
            session = boto3.session.Session()
            if session.get_credentials() is None:
                raise ConfigError(
                    "s3-endpoint-without-credentials",
                    "there are no credentials for --s3-endpoint",
                    where=endpoint_url,
                    expected="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of AWS's configuration",
                    fix="set what the server expects, for a server that checks nothing to any text",
                )
            self._client = _connect(session, endpoint_url, region)
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(
                "s3-endpoint-not-usable",
                "AWS's configuration of this process does not give a client for --s3-endpoint",
                where=endpoint_url,
                found=str(error),
                fix="mend the configuration",
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check_bucket(self, bucket: str) -> None:
        with self._explained(bucket):
            self._client.head_bucket(Bucket=bucket)

    def has_objects(self, bucket: str, prefix: str) -> bool:
        with self._explained(bucket):
            return bool(self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents"))

    def list_keys(self, bucket: str, prefix: str) -> Iterator[str]:
        with self._explained(bucket):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield found["Key"]

    def download(self, bucket: str, key: str, target: Path, checkpoint: Checkpoint) -> None:
        with self._explained(bucket, key):
            self._client.download_file(bucket, key, str(target), Callback=lambda _size: checkpoint(), Config=_TRANSFER)

    def open(self, bucket: str, key: str) -> RemoteObject:
        """Open an object to be read from its beginning to its end.

        Raises:
            NoSuchKeyError: there is no such object.
        """
        return RemoteObject(self, bucket, key)

    def get(self, bucket: str, key: str, **options: str) -> Any:  # noqa: ANN401 (made at run time)
        """GetObject's answer; its body is read by the caller."""
        with self._explained(bucket, key):
            return self._client.get_object(Bucket=bucket, Key=key, **options)

    def upload(self, source: BinaryIO, bucket: str, key: str, *, content_type: str) -> None:
        with self._explained(bucket, key):
            headers = {"ContentType": content_type}
            self._client.upload_fileobj(source, bucket, key, ExtraArgs=headers, Config=_TRANSFER)

    def delete(self, bucket: str, key: str) -> None:
        with self._explained(bucket, key):
            self._client.delete_object(Bucket=bucket, Key=key)

    @contextmanager
    def _explained(self, bucket: str, key: str | None = None) -> Iterator[None]:
        """What the client says becomes an error of an object store."""
        try:
            yield
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise _explain(_cause(error), self.endpoint_url, bucket, key) from error


class RemoteObject:
    """One object of a server, read as a stream. A connection that breaks, which one does that waits for a slow reader
    for minutes, is made again where it broke, as long as the object is the same.

    Raises:
        ObjectStoreError: when made and by ``read``; the object is gone or another one, or the server does not answer.
    """

    descriptor = None

    def __init__(self, transfer: RemoteTransfer, bucket: str, key: str) -> None:
        self._transfer = transfer
        self._place = (bucket, key)
        found = transfer.get(bucket, key)
        self.size_bytes: int = found["ContentLength"]
        self._etag: str = found["ETag"]
        self._body = found["Body"]
        self._read_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, all of the rest when it is negative; empty at the end."""
        left = self.size_bytes - self._read_bytes
        wanted = left if size < 0 else min(size, left)
        pieces = []
        while wanted > 0:
            pieces.append(self._read_some(wanted))
            wanted = 0 if size >= 0 else wanted - len(pieces[-1])
        return b"".join(pieces)

    def _read_some(self, wanted: int) -> bytes:
        lost: Exception = EOFError("the server closed the connection")
        for attempt in range(ATTEMPTS_MAX_COUNT):
            if attempt:
                self._reopen()
            try:
                piece: bytes = self._body.read(wanted)
            except (BotoCoreError, HTTPError, OSError) as error:
                lost = error
                continue
            if piece:
                self._read_bytes += len(piece)
                return piece
        bucket, key = self._place
        raise _explain(_as_lost(lost), self._transfer.endpoint_url, bucket, key) from lost

    def _reopen(self) -> None:
        self._body.close()
        found = self._transfer.get(*self._place, Range=f"bytes={self._read_bytes}-", IfMatch=self._etag)
        self._body = found["Body"]

    def __enter__(self) -> RemoteObject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._body.close()


def _as_lost(error: Exception) -> Exception:
    return error if isinstance(error, BotoCoreError) else NoConnectionError(error=error)


def _connect(session: Any, endpoint_url: str, region: str) -> Any:  # noqa: ANN401 (made at run time)
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX_COUNT},
        max_pool_connections=_CONNECTIONS_MAX_COUNT,
        proxies={},  # as the requests that the platform sends on
        s3={"addressing_style": "path"},  # every S3 server has it, and it needs no names
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client("s3", endpoint_url=endpoint_url, region_name=session.region_name or region, config=config)


def _cause(error: Exception) -> Exception:
    """boto3's own errors of a transfer hold the client's as a text; the error itself stands behind."""
    last = getattr(error, "last_exception", None)
    behind = last if isinstance(last, Exception) else error.__context__
    return behind if isinstance(error, Boto3Error) and isinstance(behind, Exception) else error


def _explain(error: Exception, endpoint_url: str, bucket: str, key: str | None) -> ObjectStoreError:
    where = f"s3://{bucket}/{key or ''} at {endpoint_url}"
    if isinstance(error, ClientError):
        return _explain_refusal(error, where, bucket, key)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)):
        return _denied(str(error), where)
    if isinstance(error, (NoConnectionError, HTTPClientError)):
        return ObjectStoreError(
            "store-unreachable",
            "the S3 server does not answer",
            where=where,
            found=str(error),
            fix="start it, or name another one with --s3-endpoint",
        )
    return _refused(str(error), where)


def _explain_refusal(error: ClientError, where: str, bucket: str, key: str | None) -> ObjectStoreError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code == "NoSuchBucket" or (code == "404" and key is None):
        return NoSuchBucketError(bucket)
    if key is not None and code in ("NoSuchKey", "404"):
        return NoSuchKeyError(bucket, key)
    return _denied(str(error), where) if code in _DENIED else _refused(str(error), where)


def _denied(found: str, where: str) -> ObjectStoreError:
    return ObjectStoreError(
        "store-access-denied",
        "the S3 server does not let this platform",
        where=where,
        found=found,
        fix="start 'seatrial up' with credentials that may, in the environment or in AWS's configuration",
    )


def _refused(found: str, where: str) -> ObjectStoreError:
    return ObjectStoreError(
        "store-refused",
        "the S3 server cannot do what was asked for",
        where=where,
        found=found,
        fix="see what it said; its log may say more",
    )

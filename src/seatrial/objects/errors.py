"""What a store refuses. Kinds of ``RequestError``; a server maps the slug to its own code and status."""

from __future__ import annotations

from seatrial.core.errors import RequestError


class ObjectStoreError(RequestError):
    """An object store cannot do what was asked for."""


class NoSuchBucketError(ObjectStoreError):
    """There is no bucket of this name."""

    def __init__(self, bucket: str) -> None:
        super().__init__("no-such-bucket", f"there is no bucket '{bucket}'", fix="create it first")
        self.bucket = bucket


class NoSuchKeyError(ObjectStoreError):
    """The bucket has no object of this key."""

    def __init__(self, bucket: str, key: str) -> None:
        super().__init__("no-such-key", f"there is no object '{key}'", where=f"bucket {bucket}")
        self.bucket = bucket
        self.key = key


class NoSuchUploadError(ObjectStoreError):
    """The multipart upload was completed, aborted or never begun."""

    def __init__(self, upload_id: str) -> None:
        super().__init__("no-such-upload", f"there is no multipart upload '{upload_id}'", fix="begin another")
        self.upload_id = upload_id


class PreconditionFailedError(ObjectStoreError):
    """A conditional write met an object that its condition excludes.

    Args:
        condition: The condition, as the name of its HTTP header.
    """

    def __init__(self, condition: str) -> None:
        super().__init__(
            "precondition-failed",
            "the object is not in the state that the request makes a condition",
            where=condition,
            fix="read the object again and decide anew",
        )
        self.condition = condition


class KeyTooLongError(ObjectStoreError):
    """A key is over the limit.

    Args:
        size_bytes: Its length in UTF-8.
        max_bytes: The limit.
    """

    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(
            "key-too-long",
            "the key is too long",
            found=f"{size_bytes} bytes",
            expected=f"at most {max_bytes} bytes of UTF-8",
        )
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes

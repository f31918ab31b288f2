"""``s3://bucket/key`` as SageMaker's requests hold it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_URI = re.compile(r"(?:https|s3)://([^/]+)/?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class S3Uri:
    """A bucket, and a key or a prefix of keys."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def below(self, *parts: str) -> S3Uri:
        """The key with more parts, slashes between them."""
        return S3Uri(self.bucket, "/".join([*filter(None, [self.key.rstrip("/")]), *parts]))


def parse_s3_uri(text: str) -> S3Uri:
    """Read what has passed the pattern of the model (contract.md §6.2).

    Raises:
        ValueError: it is no such URI.
    """
    found = _URI.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return S3Uri(found[1], found[2])

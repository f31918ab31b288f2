"""The signatures inside an ``aws-chunked`` body: each covers the one before it, from the request's own on.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from seatrial.platform.wire.signing import EMPTY_SHA256, Signature, sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_WITH_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class ChunkSignatures:
    """Follows one body; the bytes of a chunk go out before its signature is known, so keep nothing until the end.

    Args:
        signature: The request's.
    """

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._previous = signature.seed
        self._hash = hashlib.sha256()

    def update(self, piece: bytes | memoryview) -> None:
        """More bytes of the current chunk."""
        self._hash.update(piece)

    def is_chunk(self, claimed: str) -> bool:
        """Whether the chunk that ends here has this signature; the next one begins."""
        digest, self._hash = self._hash.hexdigest(), hashlib.sha256()
        return self._is_next("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{digest}", claimed)

    def is_trailer(self, trailers: Mapping[str, str], claimed: str) -> bool:
        """Whether the trailing headers, in the order they came, have this signature."""
        text = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        return self._is_next("AWS4-HMAC-SHA256-TRAILER", digest, claimed)

    def _is_next(self, kind: str, digests: str, claimed: str) -> bool:
        signature = self._signature
        text = f"{kind}\n{signature.signed_at}\n{signature.scope}\n{self._previous}\n{digests}"
        self._previous = sign(signature.signing_key, text)
        return hmac.compare_digest(self._previous.encode(), claimed.encode("utf-8", "surrogatepass"))

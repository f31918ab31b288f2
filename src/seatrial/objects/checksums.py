"""The checksums that S3 keeps beside an object: CRC32, CRC32C, CRC64NVME, SHA1 and SHA256.

Source: S3 user guide, "Checking object integrity in Amazon S3".
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

Bytes = bytes | bytearray | memoryview

COMPOSITE = "COMPOSITE"
"""The checksum of a multipart object is one of its parts' checksums, followed by ``-`` and their number."""
FULL_OBJECT = "FULL_OBJECT"
"""The checksum is one of the object's bytes."""


class Checksum(Protocol):
    """A checksum in the making."""

    def update(self, data: Bytes, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """The checksum of all bytes so far, big-endian."""


class _Crc:
    def __init__(self, function: Callable[[Bytes, int], int], size_bytes: int) -> None:
        self._function = function
        self._size_bytes = size_bytes
        self._value = 0

    def update(self, data: Bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


def _crc32c() -> Checksum:
    from awscrt.checksums import crc32c  # noqa: PLC0415 (loads AWS's native library, which few requests need)

    return _Crc(crc32c, 4)


def _crc64nvme() -> Checksum:
    from awscrt.checksums import crc64nvme  # noqa: PLC0415 (see above)

    return _Crc(crc64nvme, 8)


_MAKERS: dict[str, Callable[[], Checksum]] = {
    "CRC32": lambda: _Crc(zlib.crc32, 4),
    "CRC32C": _crc32c,
    "CRC64NVME": _crc64nvme,
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}
ALGORITHMS = tuple(_MAKERS)

_POLYNOMIALS = {"CRC32": (0xEDB88320, 32), "CRC32C": (0x82F63B78, 32), "CRC64NVME": (0x9A6C9329AC4BC9B5, 64)}
"""Reflected polynomial and width in bits. Source: RFC 3385, NVM Express command set specification 5.2.1.3.4."""


def new_checksum(algorithm: str) -> Checksum:
    """A checksum of no bytes; ``algorithm`` is one of ``ALGORITHMS``."""
    return _MAKERS[algorithm]()


def render_checksum(digest: bytes) -> str:
    """A checksum as S3 writes it."""
    return base64.b64encode(digest).decode()


def composite_checksum(algorithm: str, parts: Sequence[str]) -> str:
    """The ``COMPOSITE`` checksum of an object whose parts have these rendered checksums."""
    checksum = new_checksum(algorithm)
    for part in parts:
        checksum.update(base64.b64decode(part))
    return f"{render_checksum(checksum.digest())}-{len(parts)}"


def full_object_checksum(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The CRC of an object from the rendered CRC and the size in bytes of each part, without reading them again."""
    polynomial, width = _POLYNOMIALS[algorithm]
    combined = 0
    for rendered, size_bytes in parts:
        crc = int.from_bytes(base64.b64decode(rendered), "big")
        combined = _times_x_to_the(8 * size_bytes, combined, polynomial, width) ^ crc
    return render_checksum(combined.to_bytes(width // 8, "big"))


def can_be_full_object(algorithm: str) -> bool:
    """Whether parts' checksums can be joined to one of the whole object; a SHA cannot."""
    return algorithm in _POLYNOMIALS


def _times_x_to_the(bit_count: int, crc: int, polynomial: int, width: int) -> int:
    """Multiply a reflected CRC by x to the power of ``bit_count`` modulo its polynomial: append that many zero bits."""
    power = 1 << (width - 2)  # x, in the reflected order of bits
    while bit_count:
        if bit_count & 1:
            crc = _times(crc, power, polynomial, width)
        power = _times(power, power, polynomial, width)
        bit_count >>= 1
    return crc


def _times(one: int, other: int, polynomial: int, width: int) -> int:
    product = 0
    for bit in range(width - 1, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = (other >> 1) ^ polynomial if other & 1 else other >> 1
    return product

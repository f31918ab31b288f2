"""Chunked bodies: AWS's published examples, any cut of the bytes, and every way to be broken."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.wire.aws_chunked import (
    SIGNED,
    SIGNED_WITH_TRAILER,
    UNSIGNED_WITH_TRAILER,
    ChunkDecoder,
)
from seatrial.platform.wire.errors import ServiceError
from seatrial.platform.wire.signing import Signature, derive_key

SCOPE = "20130524/us-east-1/s3/aws4_request"
SIGNING_KEY = derive_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")

# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, "Example: PUT Object"
EXAMPLE_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
EXAMPLE_CHUNKS = (
    (b"a" * 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (b"a" * 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (b"", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILER_CHUNKS = (
    (b"a" * 65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (b"a" * 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (b"", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
)
TRAILER = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def signature(seed: str) -> Signature:
    return Signature(
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        seed=seed,
        signing_key=SIGNING_KEY,
        signed_at="20130524T000000Z",
        scope=SCOPE,
    )


def body(chunks: tuple[tuple[bytes, str], ...], end: bytes) -> bytes:
    text = b""
    for content, chunk_signature in chunks:
        text += b"%x;chunk-signature=%s\r\n" % (len(content), chunk_signature.encode())
        text += content + b"\r\n" if content else b""
    return text + end


def unsigned(content: bytes, trailer: bytes = b"") -> bytes:
    first = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
    return first + b"0\r\n" + trailer + b"\r\n"


def decode(decoder: ChunkDecoder, data: bytes, cuts: list[int] | None = None) -> bytes:
    places = [0, *sorted(cuts or []), len(data)]
    content = b"".join(piece for start, end in itertools.pairwise(places) for piece in decoder.feed(data[start:end]))
    decoder.close()
    return content


def test_decode_published_example() -> None:
    decoder = ChunkDecoder(SIGNED, signature=signature(EXAMPLE_SEED), decoded_length=66560)

    assert decode(decoder, body(EXAMPLE_CHUNKS, b"\r\n")) == b"a" * 66560


def test_decode_published_example_with_trailer() -> None:
    decoder = ChunkDecoder(SIGNED_WITH_TRAILER, signature=signature(TRAILER_SEED))

    assert decode(decoder, body(TRAILER_CHUNKS, TRAILER)) == b"a" * 66560
    assert decoder.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@pytest.mark.parametrize(("old", "new"), [(b"sOO8", b"sOO9"), (b"d81f", b"d81e"), (b"aaaa", b"aaab")])
def test_decode_with_one_changed_byte_is_refused(old: bytes, new: bytes) -> None:
    decoder = ChunkDecoder(SIGNED_WITH_TRAILER, signature=signature(TRAILER_SEED))

    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        decode(decoder, body(TRAILER_CHUNKS, TRAILER).replace(old, new, 1))


def test_decode_trailer_without_its_signature_is_refused() -> None:
    decoder = ChunkDecoder(SIGNED_WITH_TRAILER, signature=signature(TRAILER_SEED))

    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        decode(decoder, body(TRAILER_CHUNKS, b"x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"))


def test_decode_signed_chunks_on_loopback_verifies_nothing() -> None:
    chunks = ((b"abc", "0" * 64), (b"", "0" * 64))

    assert decode(ChunkDecoder(SIGNED), body(chunks, b"\r\n")) == b"abc"


@given(content=st.binary(max_size=50), data=st.data())
def test_decode_does_not_depend_on_how_the_bytes_are_cut(content: bytes, data: st.DataObject) -> None:
    text = unsigned(content, b"x-amz-checksum-crc32:AAAAAA==\r\n")
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    decoder = ChunkDecoder(UNSIGNED_WITH_TRAILER, decoded_length=len(content))

    assert decode(decoder, text, cuts) == content
    assert decoder.trailers == {"x-amz-checksum-crc32": "AAAAAA=="}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "IncompleteBody"),
        (b"5\r\nab", "IncompleteBody"),
        (b"2\r\nab\r\n", "IncompleteBody"),
        (b"2\r\nab\r\n0\r\n", "IncompleteBody"),
        (b"2\r\nabc\r\n0\r\n\r\n", "InvalidRequest"),
        (b"-2\r\nab\r\n0\r\n\r\n", "InvalidRequest"),
        (b"0x2\r\nab\r\n0\r\n\r\n", "InvalidRequest"),
        (b"\r\n", "InvalidRequest"),
        (b"z\r\n", "InvalidRequest"),
        (b"f" * 9000, "InvalidRequest"),
        (b"0\r\nno-colon\r\n\r\n", "MalformedTrailerError"),
        (b"0\r\n" + b"a:b\r\n" * 1 + b":c\r\n\r\n", "MalformedTrailerError"),
        (b"0\r\n" + b"".join(b"a%d:b\r\n" % n for n in range(40)) + b"\r\n", "MalformedTrailerError"),
        (b"0\r\n\r\nmore", "InvalidRequest"),
        (unsigned(b"abcd"), "IncompleteBody"),
        (unsigned(b"ab"), "IncompleteBody"),
    ],
)
def test_decode_broken_body_is_refused(text: bytes, code: str) -> None:
    decoder = ChunkDecoder(UNSIGNED_WITH_TRAILER, decoded_length=3)

    with pytest.raises(ServiceError) as caught:
        decode(decoder, text)

    assert caught.value.code == code


@given(st.binary(max_size=80))
def test_decode_any_bytes_gives_content_or_a_service_error(text: bytes) -> None:
    try:
        decode(ChunkDecoder(UNSIGNED_WITH_TRAILER), text)
    except ServiceError:
        return


def test_decode_unknown_form_is_refused() -> None:
    with pytest.raises(ServiceError, match="STREAMING-AWS4-ECDSA"):
        ChunkDecoder("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")

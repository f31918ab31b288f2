"""Chunked bodies: AWS's published examples, any cut of the bytes, and every way to be broken."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.services.s3.chunked import ChunkedDecoder, ChunkedError, ChunkSignatureError
from seatrial.platform.wire.chunk_signatures import ChunkSignatures
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


def verifying(seed: str) -> ChunkedDecoder:
    signature = Signature(
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        seed=seed,
        signing_key=SIGNING_KEY,
        signed_at="20130524T000000Z",
        scope=SCOPE,
    )
    return ChunkedDecoder(ChunkSignatures(signature))


def body(chunks: tuple[tuple[bytes, str], ...], end: bytes) -> bytes:
    text = b""
    for content, chunk_signature in chunks:
        text += b"%x;chunk-signature=%s\r\n" % (len(content), chunk_signature.encode())
        text += content + b"\r\n" if content else b""
    return text + end


def unsigned(content: bytes, trailer: bytes = b"") -> bytes:
    first = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
    return first + b"0\r\n" + trailer + b"\r\n"


def decode(decoder: ChunkedDecoder, data: bytes, cuts: list[int] | None = None) -> bytes:
    places = [0, *sorted(cuts or []), len(data)]
    content = b"".join(
        bytes(piece) for start, end in itertools.pairwise(places) for piece in decoder.feed(data[start:end])
    )
    decoder.finish()
    return content


def test_decode_published_example() -> None:
    assert decode(verifying(EXAMPLE_SEED), body(EXAMPLE_CHUNKS, b"\r\n")) == b"a" * 66560


@given(st.lists(st.integers(0, 67_000), max_size=6))
def test_decode_published_example_with_trailer_does_not_depend_on_how_it_is_cut(cuts: list[int]) -> None:
    decoder = verifying(TRAILER_SEED)
    text = body(TRAILER_CHUNKS, TRAILER)

    assert decode(decoder, text, [min(cut, len(text)) for cut in cuts]) == b"a" * 66560
    assert decoder.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"sOO8", b"sOO9"),
        (b"d81f", b"d81e"),
        (b"aaaa", b"aaab"),
        (b";chunk-signature=b474", b";chunk-signature=b475"),
        (b";chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", b""),
        (TRAILER[TRAILER.index(b"x-amz-trailer-signature") :], b"\r\n"),
        (b"0;chunk-signature=2ca2", b"0;chunk-signature=2ca3"),
    ],
)
def test_decode_signed_body_with_a_change_is_refused(old: bytes, new: bytes) -> None:
    text = body(TRAILER_CHUNKS, TRAILER)
    assert old in text

    with pytest.raises(ChunkSignatureError):
        decode(verifying(TRAILER_SEED), text.replace(old, new, 1))


def test_decode_signed_body_with_its_chunks_exchanged_is_refused() -> None:
    first, second, last = EXAMPLE_CHUNKS

    with pytest.raises(ChunkSignatureError):
        decode(verifying(EXAMPLE_SEED), body((second, first, last), b"\r\n"))


def test_decode_signed_body_cut_off_after_a_chunk_is_refused() -> None:
    with pytest.raises(ChunkedError):
        decode(verifying(EXAMPLE_SEED), body(EXAMPLE_CHUNKS[:2], b""))


def test_decode_signed_body_with_a_trailer_after_its_signature_is_refused() -> None:
    text = body(TRAILER_CHUNKS, TRAILER.removesuffix(b"\r\n") + b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n")

    with pytest.raises(ChunkedError):
        decode(verifying(TRAILER_SEED), text)


def test_decode_signed_chunks_on_loopback_verifies_nothing() -> None:
    chunks = ((b"abc", "0" * 64), (b"", "0" * 64))

    assert decode(ChunkedDecoder(), body(chunks, b"\r\n")) == b"abc"


@given(content=st.binary(max_size=50), data=st.data())
def test_decode_does_not_depend_on_how_the_bytes_are_cut(content: bytes, data: st.DataObject) -> None:
    text = unsigned(content, b"x-amz-checksum-crc32:AAAAAA==\r\n")
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    decoder = ChunkedDecoder()

    assert decode(decoder, text, cuts) == content
    assert decoder.trailers == {"x-amz-checksum-crc32": "AAAAAA=="}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"5\r\nab",
        b"2\r\nab\r\n",
        b"2\r\nabc\r\n0\r\n\r\n",
        b"-2\r\nab\r\n0\r\n\r\n",
        b"0x2\r\nab\r\n0\r\n\r\n",
        b"\r\n",
        b"z\r\n",
        b"f" * 9000,
        b"0\r\nno-colon\r\n\r\n",
        b"0\r\n" + b"".join(b"a%d:b\r\n" % n for n in range(40)) + b"\r\n",
    ],
)
def test_decode_broken_body_is_refused(text: bytes) -> None:
    with pytest.raises(ChunkedError):
        decode(ChunkedDecoder(), text)


@given(st.binary(max_size=80))
def test_decode_any_bytes_gives_content_or_one_kind_of_error(text: bytes) -> None:
    for decoder in (ChunkedDecoder(), verifying(EXAMPLE_SEED)):
        with contextlib.suppress(ChunkedError):
            decode(decoder, text)

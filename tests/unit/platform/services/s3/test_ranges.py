"""Numbers in headers and documents: ranges, sizes and parts, however many digits they have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.services.s3.bodies import read_promises
from seatrial.platform.services.s3.errors import S3Error
from seatrial.platform.services.s3.multipart import _wanted_parts
from seatrial.platform.services.s3.ranges import parse_copy_range, parse_range

LONG = "9" * 5000
"""More digits than Python reads."""


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-", (2, 8)),
        ("bytes=-3", (7, 3)),
        ("bytes=5-99", (5, 5)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=²-3", None),
        (f"bytes=1-{LONG}", (1, 9)),
        (f"bytes=-{LONG}", (0, 10)),
        (f"bytes=00000-{'0' * 5000}3", (0, 4)),
        (f"bytes={LONG}-1", None),
    ],
)
def test_range_of_ten_bytes(header: str | None, expected: tuple[int, int] | None) -> None:
    """Issue 3: a number of thousands of digits was a fault of ours."""
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", f"bytes={LONG}-", f"bytes={LONG}-{LONG}"])
def test_range_outside_of_the_object_is_refused(header: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_range(header, 10)
    assert caught.value.code == "InvalidRange"


@given(st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True), st.integers(0, 1 << 40))
def test_range_is_inside_of_the_object_or_refused(header: str, size_bytes: int) -> None:
    try:
        stretch = parse_range(header, size_bytes)
    except S3Error:
        return
    if stretch is not None:
        assert 0 <= stretch[0] < stretch[0] + stretch[1] <= size_bytes


@pytest.mark.parametrize("header", ["bytes=1-", "bytes=-1", "bytes=3-2", "bytes=²-3", f"bytes=0-{LONG}", "x"])
def test_copy_range_has_to_be_inside_of_the_object(header: str) -> None:
    assert parse_copy_range("bytes=1-3", 10) == (1, 3)
    with pytest.raises(S3Error) as caught:
        parse_copy_range(header, 10)
    assert caught.value.code == "InvalidArgument"


@pytest.mark.parametrize(("length", "code"), [("²", "MissingContentLength"), (LONG, "EntityTooLarge")])
def test_length_that_is_no_size_is_refused(length: str, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        read_promises({"content-length": length}, verifies_payload_hash=False)
    assert caught.value.code == code


@pytest.mark.parametrize("number", ["²", "", LONG, "1.0"])
def test_part_number_that_is_none_is_malformed(number: str) -> None:
    document = (
        f"<CompleteMultipartUpload><Part><PartNumber>{number}</PartNumber><ETag>e</ETag></Part>"
        "</CompleteMultipartUpload>"
    )
    with pytest.raises(S3Error) as caught:
        _wanted_parts(document.encode())
    assert caught.value.code == "MalformedXML"

"""What the log says of headers that nothing acts on."""

from __future__ import annotations

import pytest

from seatrial.platform.services.s3.headers import ACTED_ON, REFUSED_PREFIXES, lines_of_no_effect


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("x-amz-request-payer", "x-amz-request-payer of a PUT of an S3 object has no effect here"),
        (
            "x-amz-server-side-encryption",
            "x-amz-server-side-encryption of a PUT of an S3 object is kept and given back, nothing acts on it",
        ),
    ],
)
def test_header_that_nothing_acts_on_has_a_line(header: str, line: str) -> None:
    assert list(lines_of_no_effect("PUT", "object", ["host", header])) == [line]


@pytest.mark.parametrize(
    "header",
    [*ACTED_ON, *REFUSED_PREFIXES, "x-amz-date", "x-amz-meta-color", "x-amz-checksum-crc32", "content-type"],
)
def test_header_that_is_acted_on_or_refused_has_none(header: str) -> None:
    assert list(lines_of_no_effect("PUT", "object", [header])) == []

"""pandas, through s3fs."""

from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(100)]


def test_pandas_reads_and_writes_through_s3fs(site: Any) -> None:
    assert site.run("s3fs", "s3fs_frames.py").strip() == r"b'x,y\n1,2\n3,4\n'"

"""``seatrial invoke``: what is checked before anything is sent."""

from pathlib import Path

import pytest

from seatrial.cli.invoke import _invocations_url
from seatrial.cli.main import main


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not-a-url",
        "127.0.0.1:8080",
        "localhost:8080",
        "ftp://127.0.0.1",
        "http://",
        "http:///invocations",
        "http://:8080",
        "http://host:port",
        "http://host:99999",
        "http://host:0",
        "http://[::1",
        "http://ho st",
        "http://host/\x1b[2J",
    ],
)
def test_invoke_url_that_names_no_server_is_refused_before_anything_is_read(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["invoke", str(tmp_path / "not-there.csv"), "--url", url]) == 2

    shown = capsys.readouterr().err
    assert "error[url-invalid]" in shown
    assert "http://127.0.0.1:8080" in shown
    assert "Warning" not in shown


@pytest.mark.parametrize(
    ("url", "invocations"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/invocations"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/invocations"),
        ("https://host/path", "https://host/path/invocations"),
        ("HTTP://[::1]:8080/invocations", "HTTP://[::1]:8080/invocations"),
    ],
)
def test_invocations_url_takes_the_address_with_or_without_the_path(url: str, invocations: str) -> None:
    assert _invocations_url(url) == invocations

"""``--upstream`` and ``--s3-endpoint``: an origin and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.errors import ConfigError
from seatrial.platform.endpoint_urls import parse_endpoint_url


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://localhost:5000/", "http://localhost:5000"),
        ("HTTPS://S3.Example.com", "https://s3.example.com"),
        ("http://[::1]:8333", "http://[::1]:8333"),
    ],
)
def test_origin_is_kept(text: str, origin: str) -> None:
    assert parse_endpoint_url("--upstream", text, own_port=4577) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:5000",
        "ftp://127.0.0.1",
        "http://",
        "http://:5000",
        "http://a:b",
        "http://a:0",
        "http://a:99999",
        "http://a/path",
        "http://a?x=1",
        "http://a#x",
        "http://a b",
        "http://a\r\nX: y",
        "http://[::1",
        "http://user@a",
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint_url("--upstream", text)
    assert caught.value.code == "endpoint-url-unusable"
    assert caught.value.found is not None


def test_password_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint_url("--s3-endpoint", "http://user:hunter2@s3")
    assert "hunter2" not in caught.value.sentence()


@pytest.mark.parametrize("host", ["s3.amazonaws.com", "sqs.eu-west-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"])
def test_aws_itself_is_refused(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint_url("--s3-endpoint", f"https://{host}")
    assert caught.value.code == "endpoint-url-of-aws"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_own_address_is_refused(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint_url("--upstream", f"http://{host}:4577", own_port=4577)
    assert caught.value.code == "endpoint-url-of-ourselves"
    assert parse_endpoint_url("--upstream", f"http://{host}:4577", own_port=0)


@given(st.text(max_size=30))
def test_any_text_is_an_origin_or_a_config_error(text: str) -> None:
    try:
        origin = parse_endpoint_url("--upstream", f"http://{text}")
    except ConfigError:
        return
    assert parse_endpoint_url("--upstream", origin) == origin

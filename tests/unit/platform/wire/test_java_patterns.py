"""Java's patterns in Python: every pattern of the models, what differs between the two, and long texts."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.platform.wire import java_patterns, models
from seatrial.platform.wire.identify import SERVICES
from seatrial.platform.wire.java_patterns import compile_java, translate_java


def patterns(service: str) -> set[str]:
    model = models.service_model(service)
    found = (model.shape_for(name).metadata.get("pattern") for name in model.shape_names)
    return {pattern for pattern in found if pattern}


@pytest.mark.slow
@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_compile_java_every_pattern_of_the_model(service: str) -> None:
    for pattern in patterns(service):
        compile_java(pattern)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["sagemaker", "logs", "sts", "iam", "ecr"])
def test_compile_java_refuses_long_texts_quickly(service: str) -> None:
    """A pattern that needs exponential time would let one request stop the platform."""
    texts = [
        "a" * 2000 + "\x85",
        "a " * 1000 + "\u2028",
        "a-" * 1000 + "!",
        "https://" + "a/" * 500 + "!",
        "arn:aws:" * 250,
        "a." * 500,
    ]
    for pattern in patterns(service):
        for text in texts:
            start = time.perf_counter()
            compile_java(pattern).fullmatch(text)
            assert time.perf_counter() - start < 1, pattern


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (".*", "a\nb", False),
        (".*", "a\rb", False),
        (".*", "a\x85b", False),
        ("[.]", "x", False),
        ("[.]", ".", True),
        (r"\w+", "é", False),
        (r"\d", "٣", False),
        (r"\S+", "a\u00a0b", True),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 1=é٣", True),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "a;b", False),
        (r"\p{L}+", "漢字", True),
        (r"\p{Alnum}+", "é", False),
        (r"\P{L}", "1", True),
        (r"\P{L}", "a", False),
        (r"([\p{L}]*)${1,128}", "abc", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\U0001d11eb\t", True),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\n", False),
        (r"[a-zA-Z0-9-_.]+", "a-_.", True),
        (r"[\w-_]+", "a-_", True),
        (r"[\w-_]+", "a.b", False),
        (r"\A\S[\p{Print}]*\z", "a b", True),
        (r"\A\S[\p{Print}]*\z", "a b\n", False),
        (r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "a" * 63, True),
        (r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "a" * 64, False),
        (r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "job-", False),
        (r"(?=.{1,32}$)[a-zA-Z0-9](-*[a-zA-Z0-9])*", "a" * 33, False),
        (r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", "arn:aws:iam::111122223333:role/a", True),
        (r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", "arn:aws:iam::1111:role/a", False),
        (r"(https|s3)://([^/]+)/?(.*)", "s3://bucket/prefix", True),
        (r"(https|s3)://([^/]+)/?(.*)", "bucket/prefix", False),
    ],
)
def test_compile_java_fits_what_java_fits(pattern: str, text: str, fits: bool) -> None:
    assert (compile_java(pattern).fullmatch(text) is not None) is fits


@pytest.mark.parametrize("pattern", [r"\Qa\E", "[a&&b]", "[a[b]]", r"\G", r"\p{InGreek}", r"[\P{L}]", r"(a)\1"])
def test_translate_java_what_is_not_translated_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="not translated"):
        translate_java(pattern)


@pytest.mark.slow
def test_category_ranges_have_every_character_of_their_categories() -> None:
    ranges = java_patterns.category_ranges()
    beyond = range(0x40000, 0xE0000, 97), range(0xE1000, 0x110000, 97)

    for category in "LMNPSZ":
        pattern = re.compile(f"[{ranges[category]}]")
        for code in [*range(0, 0x30000, 7), *beyond[0], *beyond[1]]:
            expected = java_patterns._category(code)[0] == category
            assert (pattern.fullmatch(chr(code)) is not None) is expected


@pytest.mark.slow
@pytest.mark.parametrize("pattern", java_patterns._EQUIVALENTS)
@given(data=st.data())
def test_replaced_pattern_fits_the_same_short_texts(pattern: str, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(["", "a", "https://", "https://abc"]))
    text = start + data.draw(st.text("a1*-/. \n\r\t\x85\u2028!", max_size=9))

    as_written = re.compile(translate_java(pattern), re.ASCII).fullmatch(text)

    assert (compile_java(pattern).fullmatch(text) is None) is (as_written is None)

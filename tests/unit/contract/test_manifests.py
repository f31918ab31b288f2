"""Manifests: what they list, and one sentence for each way to break them."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.channel_paths import channel_files, check_whole_prefix
from seatrial.contract.manifests import parse_augmented_manifest, parse_manifest
from seatrial.contract.s3_uris import S3Uri
from seatrial.core.errors import ContractError


def test_parse_manifest_appends_entries_verbatim() -> None:
    manifest = parse_manifest(b'\xef\xbb\xbf[{"prefix":"s3://b/p/x"},"a/1.csv","-2.csv"]', where="m")
    assert [manifest.key(entry) for entry in manifest.entries] == ["p/xa/1.csv", "p/x-2.csv"]
    assert channel_files(map(manifest.key, manifest.entries), manifest.prefix.key) == {
        "xa/1.csv": "p/xa/1.csv",
        "x-2.csv": "p/x-2.csv",
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"[", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"prefix":"s3://b/"}', "is no list"),
        (b"[]", "does not begin with a prefix"),
        (b'["a"]', "does not begin with a prefix"),
        (b'[{"prefix":""},"a"]', "does not begin with a prefix"),
        (b'[{"prefix":7},"a"]', "does not begin with a prefix"),
        (b'[{"prefix":"b/p"},"a"]', "is no S3 URI"),
        (b'[{"prefix":"s3:///p"},"a"]', "is no S3 URI"),
        (b'[{"prefix":"s3://b/"},""]', "is no key"),
        (b'[{"prefix":"s3://b/"},{"a":1}]', "is no key"),
        (b'[{"prefix":"s3://b/"}]', "lists no objects"),
    ],
)
def test_parse_manifest_broken_is_told_in_one_sentence(body: bytes, said: str) -> None:
    with pytest.raises(ContractError, match=said) as caught:
        parse_manifest(body, where="s3://b/m.json")
    assert "s3://b/m.json" in caught.value.sentence()
    assert "\n" not in caught.value.sentence()


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_parse_manifest_of_anything_is_a_manifest_or_a_contract_error(body: bytes) -> None:
    with contextlib.suppress(ContractError):
        parse_manifest(body, where="m")


def test_parse_augmented_manifest_takes_attributes_in_the_order_asked_for() -> None:
    body = b'{"n": 1, "t": "x \\u00e9", "i-ref": "s3://b/k 1", "o": {"a": [1.50]}}\r\n\n{"i-ref":"s3://b/2","n":null}'
    lines = parse_augmented_manifest(body, ["o", "i-ref", "t", "n"], where="m")
    assert next(lines) == (b'{"a": [1.50]}', S3Uri("b", "k 1"), b'"x \\u00e9"', b"1")
    assert list(parse_augmented_manifest(body, ["i-ref", "n"], where="m"))[1] == (S3Uri("b", "2"), b"null")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b'{"a": {}', "no JSON object"),
        (b'{"b": 1}', "'a' is missing"),
        (b'{"A": 1, "x-ref": "s3://b/k"}', "'a' is missing"),
        (b'{"a": 1, "x-ref": 7}', "'x-ref' is no S3 URI"),
        (b'{"a": 1, "x-ref": "b/k"}', "'x-ref' is no S3 URI"),
        (b'{"a": 1, "x-ref": "s3://b/"}', "'x-ref' is no S3 URI"),
    ],
)
def test_parse_augmented_manifest_broken_names_the_line(body: bytes, said: str) -> None:
    good = b'{"a": 1, "x-ref": "s3://b/k"}\n'
    with pytest.raises(ContractError, match=said) as caught:
        list(parse_augmented_manifest(good + body, ["a", "x-ref"], where="m"))
    assert caught.value.where == "m, line 2"


@given(st.binary(max_size=80), st.lists(st.sampled_from(["a", "b-ref"]), min_size=1, max_size=2))
def test_parse_augmented_manifest_of_anything_gives_lines_or_a_contract_error(body: bytes, names: list[str]) -> None:
    with contextlib.suppress(ContractError):
        assert all(len(line) == len(names) for line in parse_augmented_manifest(body, names, where="m"))


@given(st.dictionaries(st.text(min_size=1), st.none() | st.integers() | st.text() | st.lists(st.booleans())))
def test_parse_augmented_manifest_values_are_the_json_of_the_line(attributes: dict[str, object]) -> None:
    names = [name for name in attributes if not name.endswith("-ref")]
    (line,) = parse_augmented_manifest(json.dumps(attributes).encode(), names, where="m")
    assert [json.loads(value) for value in line if isinstance(value, bytes)] == [attributes[name] for name in names]


@pytest.mark.parametrize(
    ("prefix", "keys"), [("", ["a"]), ("a/", ["a/b"]), ("a", ["a/b", "a/c"]), ("a.csv", ["a.csv"]), ("a", ["a", "a/b"])]
)
def test_check_whole_prefix_of_files_and_folders_passes(prefix: str, keys: list[str]) -> None:
    check_whole_prefix(keys, prefix)


@pytest.mark.parametrize(("prefix", "keys"), [("train", ["train/1", "train-2/1"]), ("a.csv", ["a.csv", "a.csv.bak"])])
def test_check_whole_prefix_that_cuts_a_name_is_refused(prefix: str, keys: list[str]) -> None:
    with pytest.raises(ContractError, match="partial S3 prefix is not supported"):
        check_whole_prefix(keys, prefix)

"""The two kinds of files that list what a channel holds. Source: contract.md §1.5.

``ManifestFile`` is a JSON array: an object with the prefix that every key has, then what is added to it verbatim.
``AugmentedManifestFile`` is JSON Lines: each line holds attributes, of which the channel's ``AttributeNames`` are sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from seatrial.contract.json_text import shorten
from seatrial.contract.s3_uris import S3Uri, parse_s3_uri
from seatrial.core.errors import ContractError

REFERENCE_SUFFIX = "-ref"
"""Ends the name of an attribute whose value is the URI of an S3 object, which is sent in its place."""

AttributeValue = bytes | S3Uri
"""What one attribute of a line sends: its JSON text as the file has it, or an S3 object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A ``ManifestFile``."""

    prefix: S3Uri
    entries: tuple[str, ...]

    def key(self, entry: str) -> str:
        """The key of an entry's object in the bucket of ``prefix``."""
        return self.prefix.key + entry


def parse_manifest(body: bytes, *, where: str) -> Manifest:
    """Parse a ``ManifestFile``.

    Args:
        body: UTF-8, a byte order mark is allowed.
        where: The file's URI, for errors.

    Raises:
        ContractError: no JSON array of a prefix and at least one key.
    """
    content = _decode(body.removeprefix(b"\xef\xbb\xbf"), "the manifest is no JSON", where)
    if not isinstance(content, list):
        raise _broken("the manifest is no list", where, content, "a JSON array")
    head, *entries = content or [None]
    text = head.get("prefix") if isinstance(head, dict) else None
    if not isinstance(text, str) or not text:
        raise _broken("the manifest does not begin with a prefix", where, head, '{"prefix":"s3://bucket/…"} first')
    prefix = _s3_uri(text)
    if prefix is None:
        raise _broken("the prefix of the manifest is no S3 URI", where, text, "s3://bucket/prefix")
    for position, entry in enumerate(entries, 1):
        if not isinstance(entry, str) or not prefix.key + entry:
            raise _broken(
                "an entry of the manifest is no key",
                f"{where}, element {position}",
                entry,
                "text that follows the prefix",
            )
    if not entries:
        raise _broken("the manifest lists no objects", where, None, "a key for each object after the prefix")
    return Manifest(prefix=prefix, entries=tuple(entries))


def parse_augmented_manifest(
    body: bytes, attribute_names: Sequence[str], *, where: str
) -> Iterator[tuple[AttributeValue, ...]]:
    """Parse an ``AugmentedManifestFile``, line by line; empty lines are passed over.

    Args:
        body: UTF-8, a byte order mark is allowed.
        attribute_names: What is sent of each line, in this order; case counts.
        where: The file's URI, for errors.

    Raises:
        ContractError: a line is no JSON object, lacks an attribute, or has a ``-ref`` attribute that is no S3 URI.
    """
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            yield _parse_line(line, attribute_names, where=f"{where}, line {number}")


def _parse_line(line: bytes, attribute_names: Sequence[str], *, where: str) -> tuple[AttributeValue, ...]:
    try:
        attributes = _LINE_DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _broken(
            "a line of the augmented manifest is no JSON object", where, str(error), "one JSON object a line"
        ) from None
    return tuple(_value_of(attributes, name, where=where) for name in attribute_names)


def _value_of(attributes: dict[str, msgspec.Raw], name: str, *, where: str) -> AttributeValue:
    value = attributes.get(name)
    if value is None:
        known = ", ".join(f"'{key}'" for key in attributes) or "no attribute"
        raise _broken(f"the attribute '{name}' is missing", where, shorten(known), "every name of AttributeNames")
    text = bytes(value)
    if not name.endswith(REFERENCE_SUFFIX):
        return text
    target = _decode(text, f"the attribute '{name}' is no JSON", where)
    uri = _s3_uri(target) if isinstance(target, str) else None
    if uri is None or not uri.key:
        raise _broken(f"the attribute '{name}' is no S3 URI", where, target, "s3://bucket/key of an object")
    return uri


_LINE_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _decode(body: bytes, what: str, where: str) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _broken(what, where, str(error), None) from None


def _s3_uri(text: str) -> S3Uri | None:
    try:
        return parse_s3_uri(text) if text.startswith("s3://") else None
    except ValueError:
        return None


def _broken(what: str, where: str, found: object, expected: str | None) -> ContractError:
    shown = None if found is None else shorten(found if isinstance(found, str) else repr(found))
    return ContractError("channel-manifest-broken", what, where=where, found=shown, expected=expected)

"""Where groups and streams lie below one directory.

    <root>/<group>/group.json                     when it was made, and its name
    <root>/<group>/<stream>/stream.json           the same of the stream
    <root>/<group>/<stream>/0000000000000000.log  see segments and lines
    <root>/.deleted                               what is being removed

Directory names are quoted (``names``). A card tells the name where quoting has cut it, and when the directory was made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from seatrial.platform.logs.names import may_begin_with, quote_name, quote_prefix, unquote_name

_GROUP_CARD, _STREAM_CARD = "group.json", "stream.json"


class MissingGroupError(Exception):
    """There is no log group of that name."""


class MissingStreamError(Exception):
    """There is no stream of that name in the group."""


class ExistsError(Exception):
    """A group or stream of that name is there."""


class _Card(msgspec.Struct, frozen=True):
    """What ``group.json`` and ``stream.json`` hold."""

    name: str
    created_ms: int


class LogDirectories:
    """The directories of one store.

    Args:
        root: Of all groups; made when the first one is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def make_group(self, group: str, now_ms: int) -> Path:
        """Raises ExistsError."""
        return _make(self.group(group), _GROUP_CARD, _Card(group, now_ms))

    def make_stream(self, group: str, stream: str, now_ms: int) -> Path:
        """Raises MissingGroupError, ExistsError."""
        return _make(self.existing_group(group) / quote_name(stream), _STREAM_CARD, _Card(stream, now_ms))

    def group(self, group: str) -> Path:
        """Where a group lies, or would."""
        return self._root / quote_name(group)

    def stream(self, group: str, stream: str) -> Path:
        """Where a stream lies, or would."""
        return self.group(group) / quote_name(stream)

    def existing_group(self, group: str) -> Path:
        """Raises MissingGroupError."""
        directory = self.group(group)
        if not directory.is_dir():
            raise MissingGroupError(group)
        return directory

    def existing_stream(self, group: str, stream: str) -> Path:
        """Raises MissingGroupError, MissingStreamError."""
        directory = self.existing_group(group) / quote_name(stream)
        if not directory.is_dir():
            raise MissingStreamError(stream)
        return directory

    def groups(self, prefix: str = "") -> Iterator[tuple[str, Path]]:
        """Names that begin with a prefix, and directories, in no order."""
        return _named_directories(self._root, prefix, _GROUP_CARD)

    def streams(self, group: str, prefix: str = "") -> Iterator[tuple[str, Path]]:
        """As ``groups``. Raises MissingGroupError."""
        return streams_in(self.existing_group(group), prefix)


def streams_in(group: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """As ``LogDirectories.streams``, for a group's directory."""
    return _named_directories(group, prefix, _STREAM_CARD)


def group_created_ms(directory: Path) -> int:
    """When a group was made, in milliseconds since 1970."""
    return _created_ms(directory, _GROUP_CARD)


def stream_created_ms(directory: Path) -> int:
    """When a stream was made, in milliseconds since 1970."""
    return _created_ms(directory, _STREAM_CARD)


def _make(directory: Path, file_name: str, card: _Card) -> Path:
    """Make a directory and its card; returns the directory.

    Raises:
        ExistsError: both are there already; a directory without a card was being made when the process was killed.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory / file_name
    if path.exists():
        raise ExistsError(card.name)
    temporary = directory / f".{file_name}.new"
    temporary.write_bytes(msgspec.json.encode(card))
    temporary.replace(path)
    return directory


def _created_ms(directory: Path, file_name: str) -> int:
    card = _read_card(directory, file_name)
    return int(directory.stat().st_mtime * 1000) if card is None else card.created_ms


def _read_card(directory: Path, file_name: str) -> _Card | None:
    try:
        return msgspec.json.decode((directory / file_name).read_bytes(), type=_Card)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _named_directories(parent: Path, prefix: str, file_name: str) -> Iterator[tuple[str, Path]]:
    """Groups or streams whose names begin with a prefix, in no order."""
    quoted_prefix = quote_prefix(prefix)
    try:
        entries = os.scandir(parent)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if entry.name.startswith(".") or not may_begin_with(entry.name, quoted_prefix) or not entry.is_dir():
                continue
            path = parent / entry.name
            name = unquote_name(entry.name)
            if name is None:
                card = _read_card(path, file_name)
                name = None if card is None else card.name
            if name is not None and name.startswith(prefix):
                yield name, path

"""Several trees as one: where two have the same name, the later one has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from seatrial.core.trees import Entry


@dataclass(frozen=True, slots=True)
class MergedTree:
    """What several trees are together."""

    entries: tuple[Entry, ...]
    """Sorted by name, a directory before its content."""
    replaced: tuple[PurePosixPath, ...]
    """Names of files, sorted, in whose place stands what a later tree has."""


def merge_trees(trees: Iterable[Iterable[Entry]]) -> MergedTree:
    """Lay trees over each other.

    Directories of one name become one. Of two files the later stays; of a file and a directory the later, too, and
    with an earlier directory goes all it holds.

    Args:
        trees: The entries of each, a directory before its content.
    """
    kept: dict[PurePosixPath, Entry] = {}
    replaced: set[PurePosixPath] = set()
    for tree in trees:
        for entry in tree:
            earlier = kept.get(entry.name)
            if earlier is not None and not (earlier.is_directory and entry.is_directory):
                replaced |= _take_out(kept, earlier)
            kept[entry.name] = entry
    return MergedTree(
        entries=tuple(sorted(kept.values(), key=lambda one: one.name.parts)),
        replaced=tuple(sorted(replaced, key=lambda name: name.parts)),
    )


def _take_out(kept: dict[PurePosixPath, Entry], earlier: Entry) -> set[PurePosixPath]:
    """Remove an entry and what it holds; returns the names of the files among them."""
    names = [name for name in kept if earlier.name in name.parents] if earlier.is_directory else []
    return {name for name in (earlier.name, *names) if not kept.pop(name).is_directory}

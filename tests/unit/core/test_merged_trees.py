"""Several trees as one."""

from __future__ import annotations

import tarfile
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.archives import pack_entries
from seatrial.core.merged_trees import merge_trees
from seatrial.core.trees import Entry, walk

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda parts: PurePosixPath(*parts))


def tree(number: int, files: set[PurePosixPath]) -> list[Entry]:
    """A tree of these files, less those below one of the others."""
    kept = {name for name in files if not files & set(name.parents)}
    directories = {parent for name in kept for parent in name.parents if parent.name}
    entries = [Entry(name, Path(f"/{number}") / name, is_directory=name in directories) for name in kept | directories]
    return sorted(entries, key=lambda entry: entry.name.parts)


@given(st.lists(st.sets(NAMES, max_size=6).map(frozenset), max_size=4))
def test_merged_tree_is_a_tree_and_the_last_one_wins(files: list[frozenset[PurePosixPath]]) -> None:
    trees = [tree(number, set(names)) for number, names in enumerate(files)]
    merged = merge_trees(trees)
    by_name = {entry.name: entry for entry in merged.entries}

    assert len(by_name) == len(merged.entries)
    assert [entry.name.parts for entry in merged.entries] == sorted(entry.name.parts for entry in merged.entries)
    for entry in merged.entries:
        assert all(by_name[parent].is_directory for parent in entry.name.parents if parent.name)
    if trees:
        for entry in trees[-1]:
            assert by_name[entry.name].is_directory == entry.is_directory
            assert entry.is_directory or by_name[entry.name] == entry
    every_file = {entry.name for one in trees for entry in one if not entry.is_directory}
    kept_files = {entry.name for entry in merged.entries if not entry.is_directory}
    assert every_file - kept_files <= set(merged.replaced)


def test_file_over_a_directory_takes_all_of_it_away() -> None:
    merged = merge_trees([tree(0, {PurePosixPath("a/b/c"), PurePosixPath("a/d")}), tree(1, {PurePosixPath("a")})])
    assert [str(entry.path) for entry in merged.entries] == ["/1/a"]
    assert list(map(str, merged.replaced)) == ["a/b/c", "a/d"]


def test_merged_tree_is_packed_from_where_its_files_lie(tmp_path: Path) -> None:
    for host, text in (("one", "1"), ("two", "2")):
        (tmp_path / host / "deep").mkdir(parents=True)
        (tmp_path / host / "deep" / "same").write_text(text)
        (tmp_path / host / host).write_text(text)
    merged = merge_trees(walk(tmp_path / host) for host in ("one", "two"))
    assert pack_entries(merged.entries, tmp_path / "all.tar.gz", top=tmp_path) == 3
    with tarfile.open(tmp_path / "all.tar.gz") as tar:
        assert tar.getnames() == ["deep", "deep/same", "one", "two"]
        same = tar.extractfile("deep/same")
        assert same is not None
        assert same.read() == b"2"

"""The key → path table of contract.md §1.5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.channel_paths import channel_files, channel_path
from seatrial.core.errors import ContractError


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("data/train/", "data/train/a/b.csv", "a/b.csv"),
        ("jparacrawl/training", "jparacrawl/training/en-ja/train.en", "en-ja/train.en"),
        ("data/iris.csv", "data/iris.csv", "iris.csv"),
        ("data/train", "data/train-data.csv", "train-data.csv"),
        ("train", "train-2/x.csv", "train-2/x.csv"),
        ("", "a/b", "a/b"),
        ("iris.csv", "iris.csv", "iris.csv"),
    ],
)
def test_channel_path_of_the_table(prefix: str, key: str, path: str) -> None:
    assert channel_path(key, prefix) == path


def test_channel_files_leaves_folder_objects_out() -> None:
    assert channel_files(["p/", "p/a/", "p/a/b"], "p/") == {"a/b": "p/a/b"}


@pytest.mark.parametrize("key", ["p/../x", "p//x", "p/./x", "p/a/../../x", "p/\0"])
def test_channel_files_key_that_leaves_the_directory_is_refused(key: str) -> None:
    with pytest.raises(ContractError, match="has no place"):
        channel_files([key], "p/")


def test_channel_files_file_and_directory_of_one_name_are_refused() -> None:
    with pytest.raises(ContractError, match="one name"):
        channel_files(["p/a", "p/a/b"], "p/")


@given(st.lists(st.text("ab./-", min_size=1, max_size=8), max_size=6), st.text("ab./-", max_size=4))
def test_channel_files_never_leave_the_directory(keys: list[str], prefix: str) -> None:
    try:
        files = channel_files([prefix + key for key in keys], prefix)
    except ContractError:
        return
    for path in files:
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(path.split("/"))

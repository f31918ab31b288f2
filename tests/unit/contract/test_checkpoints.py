"""Checkpoints: which files are synced, what a sync does, where they may lie."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.contract.checkpoints import (
    FileStamp,
    check_local_path,
    checkpoint_names,
    checkpoint_prefix,
    is_synced,
    plan_sync,
)
from seatrial.core.errors import ContractError

NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a"])
STAMPS = st.builds(FileStamp, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))


@given(found=st.dictionaries(NAMES, STAMPS), known=st.dictionaries(NAMES, st.none() | STAMPS))
def test_plan_makes_what_is_known_what_is_found(
    found: dict[str, FileStamp], known: dict[str, FileStamp | None]
) -> None:
    plan = plan_sync(found, known)
    after = {name: stamp for name, stamp in known.items() if name not in plan.deletes}
    after.update({name: found[name] for name in plan.uploads})

    assert after == found
    assert all(known.get(name) != found[name] for name in plan.uploads)


def test_what_could_not_be_looked_at_is_not_deleted() -> None:
    known = dict.fromkeys(["kept/a", "kept/b/c", "linked", "gone"])

    assert plan_sync({}, known, unread={"kept", "linked"}).deletes == ("gone",)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("model", True),
        ("d/model.1", True),
        ("model.sagemaker-uploading", False),
        ("model.sagemaker-uploaded", False),
        ("tmpx.sagemaker-ignore", False),
    ],
)
def test_name_of_a_checkpoint(name: str, *, is_one: bool) -> None:
    assert is_synced(name) is is_one


@pytest.mark.parametrize(("key", "prefix"), [("", ""), ("/", ""), ("a", "a/"), ("a/b/", "a/b/")])
def test_prefix_is_a_folder(key: str, prefix: str) -> None:
    assert checkpoint_prefix(key) == prefix


def test_objects_become_files_without_folders_and_markers() -> None:
    keys = ["c/", "c/a", "c/d/", "c/d/b", "c/a.sagemaker-uploaded"]

    assert checkpoint_names(keys, "c/") == {"a": "c/a", "d/b": "c/d/b"}


@pytest.mark.parametrize("key", ["c/../a", "c//a", "c/./a", "c/d/..", "c/a\0"])
def test_object_that_leads_out_is_refused(key: str) -> None:
    with pytest.raises(ContractError, match="has no place"):
        checkpoint_names([key], "c/")


def test_objects_that_need_one_path_are_refused() -> None:
    with pytest.raises(ContractError, match="need a file and a directory of one name"):
        checkpoint_names(["c/a", "c/a/b"], "c/")


@pytest.mark.parametrize(
    "path", ["/opt/ml/checkpoints", "/opt/ml/checkpoints/", "/opt/ml/c/d", "/ck", "/opt/ml/models"]
)
def test_local_path_that_is_free_is_taken(path: str) -> None:
    assert check_local_path(path) == PurePosixPath(path)


@pytest.mark.parametrize(
    "path",
    ["ck", "", "/opt/ml/../x", "/", "/opt", "/opt/ml", "/opt/ml/input", "/opt/ml/model/c", "//opt/ml/output/", "/a\0"],
)
def test_local_path_that_clashes_is_refused(path: str) -> None:
    with pytest.raises(ContractError, match='"LocalPath" of "CheckpointConfig"'):
        check_local_path(path)

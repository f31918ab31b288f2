"""Trees: what a link may reach, and what is no file."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.errors import TreeError
from seatrial.core.trees import MountView, OutsideError, copy_tree, open_regular, remove_tree, walk

MODEL = PurePosixPath("/opt/ml/model")
OUTPUT = PurePosixPath("/opt/ml/output")


@pytest.fixture
def view(tmp_path: Path) -> MountView:
    (tmp_path / "ml/model/sub").mkdir(parents=True)
    (tmp_path / "ml/output").mkdir()
    (tmp_path / "ml/model/a").write_text("a of the model")
    (tmp_path / "secret").write_text("of the host")
    return MountView({MODEL: tmp_path / "ml/model", OUTPUT: tmp_path / "ml/output"})


@pytest.mark.parametrize(
    "target",
    [
        "/opt/ml/model/a",
        "../model/a",
        "../../ml/model/a",
        "../../../../../../../opt/ml/model/a",
        "/opt/./ml//output/../model/sub/../a",
        "chain",
    ],
)
def test_resolve_follows_a_link_as_the_container_sees_it(tmp_path: Path, view: MountView, target: str) -> None:
    (tmp_path / "ml/output/chain").symlink_to("/opt/ml/output/second")
    (tmp_path / "ml/output/second").symlink_to("../model/a")
    link = tmp_path / "ml/output/link"
    link.symlink_to(target)

    assert view.resolve(link) == tmp_path / "ml/model/a"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "/opt/ml/code/x", "/opt/ml", "{host}/secret"])
def test_resolve_link_out_of_the_shared_directories_is_refused(tmp_path: Path, view: MountView, target: str) -> None:
    link = tmp_path / "ml/model/link"
    link.symlink_to(target.format(host=tmp_path))

    with pytest.raises(OutsideError):
        view.resolve(link)


@pytest.mark.parametrize("target", ["nowhere", "link", "a/b", "/opt/ml/model/nowhere/.."])
def test_resolve_link_that_leads_nowhere_is_an_os_error(tmp_path: Path, view: MountView, target: str) -> None:
    link = tmp_path / "ml/model/link"
    link.symlink_to(target)

    with pytest.raises(OSError, match=r"(No such file|Too many levels|Not a directory)"):
        view.resolve(link)


def test_resolve_shared_directory_replaced_by_a_link_is_refused(tmp_path: Path, view: MountView) -> None:
    (tmp_path / "ml/output").rmdir()
    (tmp_path / "ml/output").symlink_to(tmp_path)

    with pytest.raises(OutsideError):
        view.resolve(tmp_path / "ml/output" / "secret")


@given(st.lists(st.lists(st.sampled_from(["..", "a", "l0", "l1", "l2", "/", "opt", "ml", "model"]), max_size=6)))
def test_resolve_never_leaves_the_tree(tmp_path_factory: pytest.TempPathFactory, targets: list[list[str]]) -> None:
    top = tmp_path_factory.mktemp("tree")
    model = top / "ml/model"
    model.mkdir(parents=True)
    (top / "ml/a").write_text("outside")
    (top / "a").write_text("outside")
    links = [model / f"l{number}" for number in range(min(3, len(targets)))]
    for link, parts in zip(links, targets, strict=False):
        link.symlink_to("/".join(parts) or ".")
    view = MountView({MODEL: model})

    for link in links:
        try:
            found = view.resolve(link)
        except (OSError, OutsideError):
            continue
        assert found == model
        assert not found.is_symlink()


def test_walk_gives_every_file_in_order_and_follows_links_to_directories(tmp_path: Path) -> None:
    (tmp_path / "b/deep").mkdir(parents=True)
    (tmp_path / "b/deep/x").write_text("x")
    (tmp_path / "a").symlink_to("b")

    assert [(str(entry.name), entry.is_directory) for entry in walk(tmp_path)] == [
        ("a", True), ("a/deep", True), ("a/deep/x", False), ("b", True), ("b/deep", True), ("b/deep/x", False),
    ]  # fmt: skip


def test_trees_nested_deeper_than_python_recurses_are_walked_and_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=here)
            deeper = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
    finally:
        os.close(here)

    try:
        assert sum(1 for _ in walk(top)) == 1200
    finally:
        remove_tree(top)
    assert not top.exists()


def test_remove_tree_removes_links_and_leaves_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "top/locked").mkdir(parents=True)
    (tmp_path / "top/link").symlink_to("../kept")
    (tmp_path / "top/locked/file").write_text("x")
    (tmp_path / "top/locked").chmod(0)

    remove_tree(tmp_path / "top")
    remove_tree(tmp_path / "never was")

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").exists()


def _broken(path: Path) -> None:
    path.symlink_to("gone")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _circle(path: Path) -> None:
    path.symlink_to(".")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_broken, "link-broken"),
        (_loop, "link-broken"),
        (_circle, "link-circle"),
        (_fifo, "file-special"),
        (_device, "file-special"),
    ],
)
def test_copy_tree_what_is_no_file_is_refused_by_name(tmp_path: Path, make: object, code: str) -> None:
    (tmp_path / "data/deep").mkdir(parents=True)
    make(tmp_path / "data/deep/culprit")  # type: ignore[operator]

    with pytest.raises(TreeError) as caught:
        copy_tree(tmp_path / "data", tmp_path / "copy")

    assert caught.value.code == code
    assert "deep/culprit" in caught.value.sentence()


def test_copy_tree_unreadable_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/secret").write_text("x")

    def deny(path: object, *rest: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("seatrial.core.trees.os.open", deny)
    with pytest.raises(TreeError, match="'secret' cannot be read"):
        copy_tree(tmp_path / "data", tmp_path / "copy")


def test_copy_tree_ends_where_the_checkpoint_says(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(5):
        (tmp_path / f"data/{number}").write_bytes(b"x")
    calls = []

    class Enough(Exception):
        pass

    def checkpoint() -> None:
        calls.append(1)
        if len(calls) == 4:
            raise Enough

    with pytest.raises(Enough):
        copy_tree(tmp_path / "data", tmp_path / "copy", checkpoint=checkpoint)

    assert len(list((tmp_path / "copy").iterdir())) < 5


def test_open_regular_never_waits_for_a_fifo_nor_follows_a_link(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")

    for name in ("fifo", "link"):
        with pytest.raises(TreeError):
            open_regular(tmp_path / name, top=tmp_path, name=PurePosixPath(name))


def test_copy_tree_into_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "deep").mkdir()

    with pytest.raises(TreeError) as caught:
        copy_tree(tmp_path, tmp_path / "deep/new/copy")

    assert caught.value.code == "tree-holds-its-copy"
    assert list((tmp_path / "deep").iterdir()) == []


def test_walk_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    with pytest.raises(TreeError) as caught:
        list(walk(tmp_path / "a"))

    assert caught.value.code == "tree-is-no-directory"

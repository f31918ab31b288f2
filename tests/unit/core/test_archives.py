"""Archives: what is packed comes back, what is hostile stays out."""

import contextlib
import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.core.archives import pack_directory, unpack_archive
from seatrial.core.errors import ContractError, TreeError


def make_archive(path: Path, *members: tarfile.TarInfo, body: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            if member.isreg():
                member.size = len(body)
                tar.addfile(member, io.BytesIO(body))
            else:
                tar.addfile(member)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, *, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def test_pack_equal_trees_at_different_times_gives_equal_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = []
    for number in range(2):
        monkeypatch.setattr("time.time", lambda number=number: 1_000_000.0 * number)
        directory = tmp_path / f"tree {number}"
        directory.mkdir()
        (directory / "model.pkl").write_bytes(b"tree")
        pack_directory(directory, tmp_path / f"{number}.tar.gz")
        bodies.append((tmp_path / f"{number}.tar.gz").read_bytes())

    assert bodies[0] == bodies[1]


def test_pack_and_unpack_tree_gives_the_same_files(tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "weights.bin").write_bytes(bytes(range(256)) * 100)
    (source / "empty").mkdir()
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)

    assert pack_directory(source, tmp_path / "out" / "model.tar.gz") == 2
    unpack_archive(tmp_path / "out" / "model.tar.gz", tmp_path / "back")

    back = tmp_path / "back"
    assert sorted(str(path.relative_to(back)) for path in back.rglob("*")) == [
        "a",
        "a/b",
        "a/b/weights.bin",
        "empty",
        "run.sh",
    ]
    assert (back / "a/b/weights.bin").read_bytes() == bytes(range(256)) * 100
    assert os.access(back / "run.sh", os.X_OK)


def test_pack_has_members_at_the_root_without_a_top_directory(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "tree.pkl").write_bytes(b"x")
    pack_directory(source, tmp_path / "m.tar.gz")

    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        assert tar.getnames() == ["tree.pkl"]


def test_pack_empty_directory_writes_no_archive(tmp_path: Path) -> None:
    (tmp_path / "model" / "only-a-directory").mkdir(parents=True)

    assert pack_directory(tmp_path / "model", tmp_path / "model.tar.gz") == 0
    assert not (tmp_path / "model.tar.gz").exists()


def test_pack_follows_links_and_hard_links(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "a").write_bytes(b"content")
    (source / "soft").symlink_to("a")
    os.link(source / "a", source / "hard")
    pack_directory(source, tmp_path / "m.tar.gz")

    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        assert all(info.isreg() and info.size == 7 for info in tar.getmembers())
        assert tar.getnames() == ["a", "hard", "soft"]


def test_pack_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "gone").symlink_to("nowhere")

    with pytest.raises(TreeError, match="leads nowhere"):
        pack_directory(tmp_path / "model", tmp_path / "m.tar.gz")


def test_pack_link_to_its_own_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "file").write_text("x")
    (tmp_path / "model" / "loop").symlink_to(".")

    with pytest.raises(TreeError, match="leads back"):
        pack_directory(tmp_path / "model", tmp_path / "m.tar.gz")


def test_pack_fifo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    os.mkfifo(tmp_path / "model" / "pipe")

    with pytest.raises(TreeError, match="neither a file nor a directory"):
        pack_directory(tmp_path / "model", tmp_path / "m.tar.gz")


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside"),
        member("a/../../outside"),
        member("/etc/passwd"),
        member("link", tarfile.SYMTYPE, target="/etc/passwd"),
        member("link", tarfile.SYMTYPE, target="harmless"),
        member("hard", tarfile.LNKTYPE, target="first"),
        member("fifo", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}-{info.linkname}",
)
def test_unpack_hostile_member_is_refused_and_nothing_lands_outside(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", member("first"), hostile)

    with pytest.raises(ContractError) as caught:
        unpack_archive(archive, tmp_path / "in" / "side")

    assert caught.value.code == "archive-member-unsafe"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "m.tar.gz"]
    assert [path.name for path in (tmp_path / "in").rglob("*")] == ["side", "first"]


def test_unpack_over_the_byte_bound_is_refused_before_it_is_written(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", member("a"), member("b"), body=bytes(1000))

    with pytest.raises(ContractError) as caught:
        unpack_archive(archive, tmp_path / "in", max_unpacked_bytes=1999)

    assert caught.value.code == "archive-too-large"
    assert not (tmp_path / "in" / "b").exists()


def test_unpack_over_the_member_bound_is_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", *(member(f"f{i}") for i in range(4)))

    with pytest.raises(ContractError, match="more than is allowed"):
        unpack_archive(archive, tmp_path / "in", max_member_count=3)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_unpack_file_and_directory_of_one_name_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", *map(member, names))

    with pytest.raises(ContractError) as caught:
        unpack_archive(archive, tmp_path / "in")

    assert caught.value.code == "archive-member-clash"


def test_unpack_drops_set_id_bits(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "m.tar.gz", member("tool", mode=0o6777))
    unpack_archive(archive, tmp_path / "in")

    assert stat.S_IMODE((tmp_path / "in" / "tool").stat().st_mode) == 0o755


@given(st.binary(max_size=300), st.integers(0, 400))
def test_unpack_any_bytes_gives_only_contract_errors(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("any")
    whole = make_archive(directory / "m.tar.gz", member("first"), body=noise).read_bytes()
    for body in (noise, whole[:cut], whole[:cut] + noise):
        (directory / "m.tar.gz").write_bytes(body)
        with contextlib.suppress(ContractError):
            unpack_archive(directory / "m.tar.gz", directory / "in")


@given(st.lists(st.tuples(st.integers(0, 1023), st.sampled_from([0, 0x80, 0xFF, 0x2F, 0x39])), min_size=1, max_size=6))
def test_unpack_damaged_headers_give_only_contract_errors(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    """Header bytes are changed and the checksums made right again, so that the damage reaches the parser."""
    directory = tmp_path_factory.mktemp("damaged")
    info = member("d/" + "x" * 120)
    info.pax_headers = {"mtime": "1.5"}
    tar = bytearray(gzip.decompress(make_archive(directory / "m.tar.gz", info).read_bytes()))
    for offset, value in damage:
        tar[offset] = value
    for start in range(0, len(tar) - 511, 512):
        header = tar[start : start + 512]
        if header[257:262] == b"ustar":
            tar[start + 148 : start + 156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 256)
    (directory / "m.tar.gz").write_bytes(gzip.compress(tar, 1))

    with contextlib.suppress(ContractError):
        unpack_archive(directory / "m.tar.gz", directory / "in", max_unpacked_bytes=1_000_000)


def _tar(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            info = member(name)
            info.size = 100
            tar.addfile(info, io.BytesIO(b"x" * 100))
    return buffer.getvalue()


def _damaged_header(body: bytes) -> bytes:
    return body[:1024] + bytes([body[1024] ^ 1]) + body[1025:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:1024],
        lambda body: body[:1224],
        lambda body: body[:2048],
        _damaged_header,
    ],
    ids=["without the second member", "inside a header", "without the end mark", "one bit of a header"],
)
def test_unpack_cut_or_damaged_tar_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    (tmp_path / "m.tar.gz").write_bytes(gzip.compress(damage(_tar("a", "b"))))

    with pytest.raises(ContractError) as caught:
        unpack_archive(tmp_path / "m.tar.gz", tmp_path / "in")

    assert caught.value.code == "archive-unreadable"


@pytest.mark.parametrize("cut", [4, 8, 12])
def test_unpack_gzip_without_its_end_is_refused(tmp_path: Path, cut: int) -> None:
    (tmp_path / "m.tar.gz").write_bytes(gzip.compress(_tar("a", "b"))[:-cut])

    with pytest.raises(ContractError):
        unpack_archive(tmp_path / "m.tar.gz", tmp_path / "in")


def test_pack_two_at_once_into_one_file_end_with_one_of_them_whole(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(os.urandom(3 << 20))
    inner: list[int] = []

    def pack_the_other_meanwhile() -> None:
        if not inner:
            inner.append(0)
            inner[0] = pack_directory(tmp_path / "two", tmp_path / "m.tar.gz")

    assert pack_directory(tmp_path / "one", tmp_path / "m.tar.gz", checkpoint=pack_the_other_meanwhile) == 1
    assert inner == [1]
    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        assert tar.getnames() == ["one"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.tar.gz", "one", "two"]


def test_pack_more_entries_than_an_archive_may_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.core.archives.MAX_MEMBER_COUNT", 100)
    for level in range(8):  # two links a level: 2^8 paths
        (tmp_path / "model" / f"d{level}").mkdir(parents=True)
    for level in range(7):
        for link in ("a", "b"):
            (tmp_path / "model" / f"d{level}" / link).symlink_to(f"../d{level + 1}")
    (tmp_path / "model/d7/file").write_text("x")

    with pytest.raises(TreeError) as caught:
        pack_directory(tmp_path / "model", tmp_path / "m.tar.gz")

    assert caught.value.code == "tree-too-large"

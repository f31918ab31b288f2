"""File and FastFile mode: what lies where, which way it came, and that a channel can never change the object store."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.platform_input.elsewhere import ElsewhereSource

from seatrial.contract.s3_channel import S3Channel, S3DataType
from seatrial.contract.s3_uris import S3Uri
from seatrial.contract.training import InputMode, S3DistributionType
from seatrial.core.errors import ConfigError
from seatrial.objects.files import FileStore
from seatrial.platform.jobs.input.content import read_content
from seatrial.platform.jobs.input.file_mode import StagedChannel, Staging, stage_channel
from seatrial.platform.jobs.input.source import ObjectSource, StoreSource

Stage = Callable[..., StagedChannel]

OBJECTS = {"p/": b"", "p/a/1": b"one", "p/a/": b"", "p/b": b"two" * 100_000, "p/c%~": b"", "p/deep/er/x y": b"\0"}
PATHS = {"a/1": b"one", "b": b"two" * 100_000, "c%~": b"", "deep/er/x y": b"\0"}


@pytest.fixture
def stage(store: FileStore, tmp_path: Path) -> Stage:
    for key, body in OBJECTS.items():
        store.put_bytes("b", key, body)

    def run(
        mode: InputMode = InputMode.FILE,
        uri: str = "p/",
        *,
        source: ObjectSource | None = None,
        directory: Path = tmp_path / "staged",
        mounts_overlays: bool = True,
        host: tuple[int, int] = (0, 1),
        kind: S3DataType = S3DataType.S3_PREFIX,
    ) -> StagedChannel:
        chosen = source or StoreSource(store)
        distribution = S3DistributionType.FULLY_REPLICATED if host[1] == 1 else S3DistributionType.SHARDED_BY_S3_KEY
        channel = S3Channel(
            name="train", s3_uri=S3Uri("b", uri), input_mode=mode, distribution=distribution, s3_data_type=kind
        )
        content = read_content(channel, chosen)
        return stage_channel(
            content, chosen, directory, mounts_overlays=mounts_overlays, host_index=host[0], host_count=host[1]
        )

    return run


def content_of(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.mark.parametrize("mode", [InputMode.FILE, InputMode.FAST_FILE])
def test_files_with_overlays_are_linked_and_no_byte_is_copied(stage: Stage, store: FileStore, mode: InputMode) -> None:
    staged = stage(mode)
    assert (staged.staging, staged.needs_overlay, staged.note) == (Staging.LINKED, True, None)
    assert staged.is_read_only is (mode is InputMode.FAST_FILE)
    assert content_of(staged.directory) == PATHS
    assert os.path.samefile(staged.directory / "b", store.path_of("b", "p/b"))


def test_files_without_overlays_are_copied_and_that_is_said(stage: Stage, store: FileStore) -> None:
    staged = stage(mounts_overlays=False)
    assert content_of(staged.directory) == PATHS
    if staged.staging is Staging.CLONED:  # on a file system that shares blocks
        assert staged.note is None
    else:
        assert (
            staged.note == "Channel train is copied before the container starts, because the engine mounts no overlays."
        )
    (staged.directory / "b").write_bytes(b"changed")
    assert store.path_of("b", "p/b").read_bytes() == OBJECTS["p/b"]


def test_files_on_another_file_system_are_copied_and_that_is_said(stage: Stage, tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    directory = other / f"seatrial-test-{os.getpid()}"
    try:
        staged = stage(directory=directory)
        assert staged.staging is Staging.COPIED
        assert staged.note is not None
        assert "different file systems" in staged.note
        assert content_of(directory) == PATHS
    finally:
        shutil.rmtree(directory)


@pytest.mark.parametrize(
    ("mode", "note"), [(InputMode.FILE, None), (InputMode.FAST_FILE, "are downloaded before the container starts")]
)
def test_files_from_elsewhere_are_downloaded(stage: Stage, store: FileStore, mode: InputMode, note: str | None) -> None:
    staged = stage(mode, source=ElsewhereSource(store))
    assert staged.staging is Staging.DOWNLOADED
    assert (staged.note is None) if note is None else (staged.note is not None and note in staged.note)
    assert content_of(staged.directory) == PATHS


def test_shares_of_all_hosts_are_the_channel(stage: Stage, tmp_path: Path) -> None:
    shares = [content_of(stage(directory=tmp_path / str(host), host=(host, 3)).directory) for host in range(3)]
    assert [sorted(share) for share in shares] == [["a/1", "deep/er/x y"], ["b"], ["c%~"]]
    more_hosts = stage(directory=tmp_path / "none", host=(7, 8))
    assert content_of(more_hosts.directory) == {}


def test_a_manifest_lists_the_files(stage: Stage, store: FileStore) -> None:
    store.put_bytes("b", "m", b'[{"prefix":"s3://b/p/"},"deep/er/x y","a/1"]')
    staged = stage(uri="m", kind=S3DataType.MANIFEST_FILE)
    assert content_of(staged.directory) == {"deep/er/x y": b"\0", "a/1": b"one"}


@pytest.mark.parametrize("is_here", [True, False])
def test_an_object_that_is_not_there_is_named(stage: Stage, store: FileStore, is_here: bool) -> None:
    store.put_bytes("b", "m", b'[{"prefix":"s3://b/p/"},"a/1","gone"]')
    with pytest.raises(ConfigError, match="Data download failed:there is no object 'p/gone'"):
        stage(uri="m", kind=S3DataType.MANIFEST_FILE, source=StoreSource(store) if is_here else ElsewhereSource(store))


def test_keys_that_need_a_file_and_a_directory_of_one_name_are_refused(stage: Stage, store: FileStore) -> None:
    store.put_bytes("b", "p/a", b"")
    with pytest.raises(ConfigError, match=r"Data download failed:.*'p/a' and 'p/a/1'|'p/a/1' and 'p/a'"):
        stage()


def test_fast_file_with_a_prefix_that_cuts_a_name_is_refused(stage: Stage) -> None:
    with pytest.raises(
        ConfigError, match=r"Data download failed:For FastFile mode, partial S3 prefix is not supported"
    ):
        stage(InputMode.FAST_FILE, "p/dee")


def test_a_file_that_others_may_not_read_is_given_as_a_copy(stage: Stage, store: FileStore) -> None:
    """A container that is not root reads what it could read after a download."""
    path = store.path_of("b", "p/b")
    path.chmod(0o600)
    staged = stage()
    assert staged.staging is Staging.LINKED
    assert (staged.directory / "b").stat().st_mode & 0o004
    assert not os.path.samefile(staged.directory / "b", path)


def test_a_later_put_does_not_change_what_a_job_reads(stage: Stage, store: FileStore) -> None:
    staged = stage()
    store.put_bytes("b", "p/b", b"new")
    store.delete("b", "p/a/1")
    assert content_of(staged.directory) == PATHS


def test_links_leave_an_object_what_it_was(stage: Stage, store: FileStore) -> None:
    before = store.describe("b", "p/b")
    stage()
    assert store.describe("b", "p/b") == before


def test_a_link_to_a_file_of_the_host_is_never_staged(stage: Stage, store: FileStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("host's")
    (store.root / "b" / "p" / "link").symlink_to(secret)
    assert content_of(stage().directory) == PATHS


MOUNT = """
set -e
mkdir upper work empty mounted
if [ "$2" = File ]; then options="lowerdir=$1,upperdir=$PWD/upper,workdir=$PWD/work"
else options="lowerdir=$1:$PWD/empty"; fi
mount -t overlay overlay -o "$options" mounted 2>/dev/null || exit 77
cat mounted/a/1
(echo mine > mounted/a/1) 2>/dev/null && cat mounted/a/1
rm mounted/b 2>/dev/null || echo kept
chmod 777 mounted/a/1 2>/dev/null || echo kept
mount -o remount,rw mounted 2>/dev/null && (echo mine > mounted/c%~) 2>/dev/null || echo kept
"""


@pytest.mark.parametrize(
    ("mode", "seen"), [(InputMode.FILE, "onemine\n"), (InputMode.FAST_FILE, "onekept\nkept\nkept\n")]
)
def test_an_overlay_over_links_takes_every_write_of_root_and_none_reaches_the_store(
    stage: Stage, store: FileStore, tmp_path: Path, mode: InputMode, seen: str
) -> None:
    """The real mount, by a user namespace's root, as the process engine makes it."""
    staged = stage(mode)
    modes = {key: store.path_of("b", key).stat().st_mode for key in ("p/a/1", "p/b")}
    (tmp_path / "layers").mkdir()
    done = subprocess.run(
        ["unshare", "-Ur", "--mount", "sh", "-c", MOUNT, "sh", staged.directory, mode.value],
        cwd=tmp_path / "layers",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no overlay in a user namespace here: {done.stderr}")
    assert done.stdout == seen, done.stderr
    for key in ("p/a/1", "p/b"):
        assert store.path_of("b", key).read_bytes() == OBJECTS[key]
        assert store.path_of("b", key).stat().st_mode == modes[key]

"""What several hosts left becomes one archive."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from seatrial.contract.layout import OptMl
from seatrial.platform.jobs.host_outputs import pack_host_outputs


def make_hosts(root: Path, count: int) -> dict[str, OptMl]:
    hosts = {f"algo-{number}": OptMl(root / f"algo-{number}") for number in range(1, count + 1)}
    for opt_ml in hosts.values():
        opt_ml.model_dir.mkdir(parents=True)
        opt_ml.output_data_dir.mkdir(parents=True)
    return hosts


def members(archive: Path | None) -> dict[str, bytes]:
    assert archive is not None
    with tarfile.open(archive) as tar:
        files = {name: tar.extractfile(name) for name in tar.getnames()}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_files_of_all_hosts_are_in_one_archive(tmp_path: Path) -> None:
    hosts = make_hosts(tmp_path, 2)
    for name, opt_ml in hosts.items():
        (opt_ml.model_dir / f"{name}.bin").write_text(name)
        (opt_ml.output_data_dir / f"{name}.csv").write_text(name)
    lines: list[str] = []
    outputs = pack_host_outputs(hosts, tmp_path / "out", lines.append)
    assert members(outputs.model_archive) == {"algo-1.bin": b"algo-1", "algo-2.bin": b"algo-2"}
    assert members(outputs.output_archive) == {"algo-1.csv": b"algo-1", "algo-2.csv": b"algo-2"}
    assert not lines
    assert not outputs.problems


def test_file_of_one_name_is_the_last_hosts_by_number_and_the_log_says_so(tmp_path: Path) -> None:
    hosts = make_hosts(tmp_path, 10)
    for name in ("algo-10", "algo-2"):  # as text the other way round
        (hosts[name].model_dir / "model.bin").write_text(name)
    lines: list[str] = []
    outputs = pack_host_outputs(hosts, tmp_path / "out", lines.append)
    assert members(outputs.model_archive) == {"model.bin": b"algo-10"}
    assert outputs.output_archive is None
    (line,) = lines
    assert "/opt/ml/model: 'model.bin'; the last host's stay" in line


def test_host_whose_tree_cannot_be_read_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    hosts = make_hosts(tmp_path, 2)
    (hosts["algo-1"].model_dir / "good").write_text("good")
    os.mkfifo(hosts["algo-2"].model_dir / "fifo")
    outputs = pack_host_outputs(hosts, tmp_path / "out", lambda _: None)
    assert members(outputs.model_archive) == {"good": b"good"}
    (problem,) = outputs.problems
    assert "fifo" in problem


def test_link_is_followed_in_its_own_hosts_tree(tmp_path: Path) -> None:
    hosts = make_hosts(tmp_path, 2)
    for name, opt_ml in hosts.items():
        (opt_ml.output_data_dir / "text").write_text(name)
        (opt_ml.model_dir / f"of-{name}").symlink_to("/opt/ml/output/data/text")
    outputs = pack_host_outputs(hosts, tmp_path / "out", lambda _: None)
    assert members(outputs.model_archive) == {"of-algo-1": b"algo-1", "of-algo-2": b"algo-2"}


def test_uncompressed_model_tells_each_file_once(tmp_path: Path) -> None:
    hosts = make_hosts(tmp_path, 2)
    for opt_ml in hosts.values():
        (opt_ml.model_dir / "same").write_text("x")
    outputs = pack_host_outputs(hosts, tmp_path / "out", lambda _: None, compresses_model=False)
    assert outputs.model_archive is None
    assert [(str(one.name), one.path) for one in outputs.model_files] == [("same", hosts["algo-2"].model_dir / "same")]

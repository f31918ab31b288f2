"""Staging: the tree a training container finds, and what is collected from it."""

import os
import tarfile
from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.contract.training import ChannelConfig, ResourceConfig, read_hyperparameters, read_input_data_config
from seatrial.core.errors import ConfigError, TreeError
from seatrial.platform.jobs.staging import (
    LocalChannel,
    check_channels,
    lay_out_training,
    pack_outputs,
    prepare_output_directory,
    read_failure,
)

HOST = ResourceConfig(current_host="algo-1", hosts=("algo-1",))


def source(path: Path, content_type: str | None = None) -> LocalChannel:
    return LocalChannel(path=path, config=ChannelConfig(content_type=content_type))


def test_lay_out_makes_the_tree_of_the_contract(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "a.csv").write_text("1,2\n")
    opt_ml = OptMl(tmp_path / "ml")

    lay_out_training(
        opt_ml,
        hyperparameters={"depth": "3"},
        channels={"training": source(data, "text/csv"), "one": source(data / "deep" / "a.csv")},
        resource_config=HOST,
    )

    files = sorted(str(path.relative_to(opt_ml.root)) for path in opt_ml.root.rglob("*") if path.is_file())
    assert files == [
        "input/config/hyperparameters.json",
        "input/config/inputdataconfig.json",
        "input/config/resourceconfig.json",
        "input/data/one/a.csv",
        "input/data/training/deep/a.csv",
    ]
    assert opt_ml.model_dir.is_dir()
    assert opt_ml.output_data_dir.is_dir()
    assert read_hyperparameters(opt_ml) == {"depth": "3"}
    assert read_input_data_config(opt_ml)["training"].content_type == "text/csv"


def test_lay_out_channel_gives_a_private_copy(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("original")
    opt_ml = OptMl(tmp_path / "ml")
    channels = {"training": source(tmp_path / "data")}
    lay_out_training(opt_ml, hyperparameters={}, channels=channels, resource_config=HOST)

    (opt_ml.channel_dir("training") / "a.csv").write_text("changed by the container")

    assert (tmp_path / "data" / "a.csv").read_text() == "original"


@pytest.mark.parametrize(
    ("name", "path", "code"),
    [
        ("training", "missing", "channel-path-missing"),
        ("training", "empty", "channel-path-empty"),
        ("../escape", "full", "channel-name-invalid"),
        ("", "full", "channel-name-invalid"),
        ("x" * 65, "full", "channel-name-invalid"),
        (".", "full", "channel-name-invalid"),
        ("..", "full", "channel-name-invalid"),
        ("training", "nested", "channel-path-empty"),
    ],
)
def test_check_channels_bad_channel_is_refused(tmp_path: Path, name: str, path: str, code: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "deep").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("x")

    with pytest.raises(ConfigError) as caught:
        check_channels({name: source(tmp_path / path)})

    assert caught.value.code == code


def test_check_channels_more_than_twenty_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")

    check_channels({f"c{number}": source(tmp_path / "a") for number in range(20)})
    with pytest.raises(ConfigError) as caught:
        check_channels({f"c{number}": source(tmp_path / "a") for number in range(21)})

    assert caught.value.code == "channels-over-limit"


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    tree = OptMl(tmp_path / "ml")
    tree.model_dir.mkdir(parents=True)
    tree.output_data_dir.mkdir(parents=True)
    return tree


def test_pack_outputs_packs_contents_without_their_directory(tmp_path: Path, opt_ml: OptMl) -> None:
    (opt_ml.model_dir / "tree.pkl").write_bytes(b"model")

    outputs = pack_outputs(opt_ml, tmp_path / "out")

    assert outputs.model_archive == tmp_path / "out" / "model.tar.gz"
    assert outputs.output_archive is None
    assert outputs.problems == ()


def test_pack_outputs_leaves_a_model_that_stays_uncompressed(tmp_path: Path, opt_ml: OptMl) -> None:
    (opt_ml.model_dir / "deep").mkdir()
    (opt_ml.model_dir / "deep" / "a").write_text("1")
    outputs = pack_outputs(opt_ml, tmp_path / "out", compresses_model=False)

    assert outputs.model_archive is None
    assert "deep/a" in [str(entry.name) for entry in outputs.model_files]

    (opt_ml.model_dir / "passwd").symlink_to("/etc/passwd")
    outputs = pack_outputs(opt_ml, tmp_path / "out", compresses_model=False)
    assert outputs.model_files == ()
    assert "passwd" in outputs.problems[0]


def test_pack_outputs_of_a_container_that_removed_everything_gives_nothing(tmp_path: Path) -> None:
    outputs = pack_outputs(OptMl(tmp_path / "ml"), tmp_path / "out")

    assert (outputs.model_archive, outputs.output_archive, outputs.problems) == (None, None, ())


def test_pack_outputs_absolute_link_inside_the_job_is_followed(tmp_path: Path, opt_ml: OptMl) -> None:
    (opt_ml.output_data_dir / "best.bin").write_bytes(b"best")
    (opt_ml.model_dir / "model.bin").symlink_to("/opt/ml/output/data/best.bin")

    outputs = pack_outputs(opt_ml, tmp_path / "out")

    assert outputs.model_archive is not None
    with tarfile.open(outputs.model_archive) as tar:
        file = tar.extractfile("model.bin")
        assert file is not None
        assert file.read() == b"best"


def test_pack_outputs_link_to_a_file_of_the_host_keeps_the_other_archive(tmp_path: Path, opt_ml: OptMl) -> None:
    (tmp_path / "secret").write_text("of the host")
    (opt_ml.model_dir / "weights").symlink_to(tmp_path / "secret")
    (opt_ml.output_data_dir / "plot").write_bytes(b"png")

    outputs = pack_outputs(opt_ml, tmp_path / "out")

    assert outputs.model_archive is None
    assert outputs.output_archive is not None
    (problem,) = outputs.problems
    assert "the link 'weights' leads out of" in problem
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["output.tar.gz"]


def test_read_failure_replaces_undecodable_bytes(opt_ml: OptMl) -> None:
    opt_ml.failure_file.write_bytes(b"bad \xff byte")

    assert read_failure(opt_ml) == "bad \ufffd byte"


def test_read_failure_never_reads_the_host_nor_waits(tmp_path: Path, opt_ml: OptMl) -> None:
    (tmp_path / "secret").write_text("of the host")

    assert read_failure(opt_ml) is None
    opt_ml.failure_file.symlink_to(tmp_path / "secret")
    with pytest.raises(TreeError):
        read_failure(opt_ml)
    opt_ml.failure_file.unlink()
    os.mkfifo(opt_ml.failure_file)
    with pytest.raises(TreeError):
        read_failure(opt_ml)
    opt_ml.failure_file.unlink()
    opt_ml.failure_file.mkdir()
    with pytest.raises(TreeError):
        read_failure(opt_ml)


def test_prepare_output_directory_refuses_what_cannot_hold_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to("gone/deep")
    (tmp_path / "taken" / "model.tar.gz").mkdir(parents=True)

    prepare_output_directory(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    for unusable in (
        tmp_path / "taken",
        tmp_path / "file",
        tmp_path / "file" / "below",
        tmp_path / "dangling",
        Path("/proc/seatrial"),
    ):
        with pytest.raises(ConfigError) as caught:
            prepare_output_directory(unusable)
        assert caught.value.code == "output-unusable"

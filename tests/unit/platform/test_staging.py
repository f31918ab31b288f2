"""Staging: the tree a training container finds, and what is collected from it."""

from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.contract.training import ChannelConfig, ResourceConfig, read_hyperparameters, read_input_data_config
from seatrial.core.errors import ConfigError
from seatrial.platform.jobs.staging import ChannelSource, check_channels, collect_outputs, lay_out_training

HOST = ResourceConfig(current_host="algo-1", hosts=("algo-1",))


def source(path: Path, content_type: str | None = None) -> ChannelSource:
    return ChannelSource(path=path, config=ChannelConfig(content_type=content_type))


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
    ],
)
def test_check_channels_bad_channel_is_refused(tmp_path: Path, name: str, path: str, code: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("x")

    with pytest.raises(ConfigError) as caught:
        check_channels({name: source(tmp_path / path)})

    assert caught.value.code == code


def test_collect_outputs_packs_contents_without_their_directory(tmp_path: Path) -> None:
    opt_ml = OptMl(tmp_path / "ml")
    opt_ml.model_dir.mkdir(parents=True)
    opt_ml.output_data_dir.mkdir(parents=True)
    (opt_ml.model_dir / "tree.pkl").write_bytes(b"model")
    opt_ml.failure_file.write_bytes(b"bad \xff byte")

    outputs = collect_outputs(opt_ml, tmp_path / "out")

    assert outputs.model_archive == tmp_path / "out" / "model.tar.gz"
    assert outputs.output_archive is None
    assert outputs.failure_text == "bad \ufffd byte"


def test_collect_outputs_of_a_container_that_removed_everything_gives_nothing(tmp_path: Path) -> None:
    outputs = collect_outputs(OptMl(tmp_path / "ml"), tmp_path / "out")

    assert (outputs.model_archive, outputs.output_archive, outputs.failure_text) == (None, None, None)

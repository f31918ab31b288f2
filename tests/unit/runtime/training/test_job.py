from __future__ import annotations

import re
from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.contract.metrics import metric_regex
from seatrial.contract.recordio import encode_record
from seatrial.contract.training import (
    ChannelConfig,
    CheckpointConfig,
    InputMode,
    ResourceConfig,
    write_checkpoint_config,
    write_hyperparameters,
    write_input_data_config,
    write_resource_config,
)
from seatrial.core.errors import ContractError
from seatrial.runtime.training import Job
from seatrial.runtime.training.job import read_job
from seatrial.runtime.training.stopping import JobStopping, Stopping


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    tree = OptMl(tmp_path / "ml")
    write_hyperparameters(tree, {"lr": "0.1", "name": '"x"', "raw": "y", "sagemaker_job_name": "j"})
    write_input_data_config(
        tree,
        {
            "training": ChannelConfig(content_type="text/csv"),
            "stream": ChannelConfig(training_input_mode=InputMode.PIPE),
        },
    )
    write_resource_config(tree, ResourceConfig(current_host="algo-2", hosts=("algo-1", "algo-10", "algo-2")))
    for name in ("b.csv", "sub/a.csv", "notes.txt"):
        path = tree.channel_dir("training") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_record(name.encode()))
    return tree


@pytest.fixture
def job(opt_ml: OptMl) -> Job:
    return read_job(opt_ml, Stopping())


def test_read_job_tells_what_the_files_hold(job: Job, opt_ml: OptMl) -> None:
    assert dict(job.hyperparameters) == {"lr": 0.1, "name": "x", "raw": "y"}
    assert list(job.channels) == ["training", "stream"]
    assert job.hosts == ("algo-1", "algo-10", "algo-2")
    assert (job.current_host, job.rank, job.is_leader) == ("algo-2", 2, False)
    assert job.network_interface_name == "eth0"
    assert (job.model_dir, job.output_dir) == (opt_ml.root / "model", opt_ml.root / "output/data")
    assert job.model_dir.is_dir()
    assert job.output_dir.is_dir()


def test_rank_of_a_host_that_is_not_listed_is_a_contract_error(opt_ml: OptMl) -> None:
    write_resource_config(opt_ml, ResourceConfig(current_host="other", hosts=("algo-1",)))

    with pytest.raises(ContractError) as caught:
        _ = read_job(opt_ml, Stopping()).rank

    assert caught.value.code == "host-not-in-hosts"


def test_checkpoint_dir_moves_with_the_tree_and_stays_when_it_is_elsewhere(opt_ml: OptMl, tmp_path: Path) -> None:
    assert read_job(opt_ml, Stopping()).checkpoint_dir == opt_ml.root / "checkpoints"

    write_checkpoint_config(opt_ml, CheckpointConfig(local_path="/opt/ml/checkpoints/mine/"))
    assert read_job(opt_ml, Stopping()).checkpoint_dir == opt_ml.root / "checkpoints/mine"

    write_checkpoint_config(opt_ml, CheckpointConfig(local_path=str(tmp_path / "elsewhere")))
    assert read_job(opt_ml, Stopping()).checkpoint_dir == tmp_path / "elsewhere"


def test_files_of_a_channel_are_sorted_and_matched(job: Job) -> None:
    channel = job.channels["training"]
    assert channel.content_type == "text/csv"
    assert channel.input_mode is InputMode.FILE

    def names(pattern: str = "**/*") -> list[str]:
        return [str(path.relative_to(channel.path)) for path in channel.files(pattern)]

    assert names() == ["b.csv", "notes.txt", "sub/a.csv"]
    assert names("*.csv") == ["b.csv"]
    assert names("**/*.csv") == ["b.csv", "sub/a.csv"]
    assert names("*.parquet") == []


def test_records_of_a_file_channel_are_those_of_all_files_in_order(job: Job) -> None:
    assert list(job.channels["training"].records()) == [b"b.csv", b"notes.txt", b"sub/a.csv"]


def test_records_of_a_file_that_is_no_recordio_names_the_file(job: Job) -> None:
    path = job.channels["training"].path / "b.csv"
    path.write_text("5.1,3.5\n")

    with pytest.raises(ContractError) as caught:
        list(job.channels["training"].records())

    assert caught.value.where == f"{path}, RecordIO data at byte 0"


def test_channels_of_an_unknown_name_tell_the_known_ones(job: Job, opt_ml: OptMl) -> None:
    with pytest.raises(ContractError) as caught:
        job.channels["validation"]

    assert caught.value.code == "channel-not-found"
    assert str(caught.value) == "no channel named 'validation'"
    assert caught.value.where == str(opt_ml.input_data_config_file)
    assert caught.value.found == "'stream', 'training'"
    assert caught.value.fix == "pass --channel validation=PATH, or read job.channels.get('validation')"


def test_channels_get_and_in_work_as_in_any_mapping(job: Job) -> None:
    assert job.channels.get("validation") is None
    assert "validation" not in job.channels
    assert "training" in job.channels
    assert len(job.channels) == 2


def test_files_of_a_pipe_and_epochs_of_files_are_refused(job: Job) -> None:
    with pytest.raises(ContractError) as caught:
        job.channels["stream"].files()
    assert caught.value.code == "channel-is-a-pipe"

    with pytest.raises(ContractError) as caught:
        job.channels["training"].open_epoch()
    assert caught.value.code == "channel-is-no-pipe"


def test_open_epoch_of_a_job_that_is_being_stopped_waits_no_longer(job: Job) -> None:
    job.stopping.set()

    with pytest.raises(JobStopping):
        job.channels["stream"].open_epoch()


def test_log_metric_prints_one_line_that_its_regex_matches(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    job.log_metric("validation:accuracy", 0.9533)

    printed = capsys.readouterr().out
    assert printed == "metric validation:accuracy=0.9533\n"
    found = re.search(metric_regex("validation:accuracy"), printed)
    assert found
    assert found.group(1) == "0.9533"


def test_stopping_is_used_as_an_event_and_as_a_condition() -> None:
    stopping = Stopping()
    assert not stopping
    assert not stopping.wait(0)

    stopping.set()
    assert stopping
    assert stopping.is_set()
    assert stopping.wait()

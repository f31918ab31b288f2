"""Both example containers train and serve on both engines, and do the same."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.contract.statuses import TrainingJobStatus

EXAMPLES = ("decision-trees", "decision-trees-seatrial")
# A group stays in one worker of pytest-xdist, so each voyage is made once.
PROCESS = pytest.param("process", marks=pytest.mark.xdist_group("examples"))
DOCKER = pytest.param("docker", marks=pytest.mark.docker)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
on_each_engine = pytest.mark.parametrize("engine_name", [PROCESS, DOCKER])
in_each_example = pytest.mark.parametrize("example", EXAMPLES)


@on_each_engine
@in_each_example
def test_train_on_iris_completes_with_a_model(voyage_of: Callable, engine_name: str, example: str) -> None:
    training = voyage_of(engine_name, example).training

    assert training.status is TrainingJobStatus.COMPLETED
    assert training.exit_code == 0
    assert training.failure_reason is None
    with tarfile.open(training.model_archive) as archive:
        assert [Path(name).suffix for name in archive.getnames() if Path(name).suffix] == [".pkl"]
    assert any("accuracy" in line for line in training.last_lines)


@on_each_engine
@in_each_example
def test_invoke_with_payload_predicts_a_species_for_each_record(
    voyage_of: Callable, iris_payload: Path, engine_name: str, example: str
) -> None:
    answer = voyage_of(engine_name, example).answer

    assert answer.status == 200
    assert answer.headers["Content-Type"].partition(";")[0] == "text/csv"
    predictions = answer.data.decode().splitlines()
    assert len(predictions) == len(iris_payload.read_text().splitlines()) == 30
    assert set(predictions) == {"setosa", "versicolor", "virginica"}


@on_each_engine
@in_each_example
def test_invoke_with_all_of_iris_is_accurate(voyage_of: Callable, engine_name: str, example: str) -> None:
    assert 0.96 <= voyage_of(engine_name, example).accuracy <= 1


@on_each_engine
@in_each_example
def test_stop_of_a_server_ends_it_within_the_grace(voyage_of: Callable, engine_name: str, example: str) -> None:
    voyage = voyage_of(engine_name, example)

    assert voyage.exit_status.exit_code == 0
    assert voyage.stop_seconds < 30


@on_each_engine
def test_predictions_of_both_examples_are_identical(voyage_of: Callable, engine_name: str) -> None:
    classic, ours = (voyage_of(engine_name, example).answer.data for example in EXAMPLES)

    assert classic == ours


@pytest.mark.docker
@in_each_example
def test_predictions_on_both_engines_are_identical(voyage_of: Callable, example: str) -> None:
    in_process, in_docker = (voyage_of(engine_name, example).answer.data for engine_name in ("process", "docker"))

    assert in_process == in_docker


@on_each_engine
@in_each_example
def test_train_with_a_bad_hyperparameter_fails_and_names_the_value(
    container_of: Callable, iris_channel: Path, tmp_path: Path, engine_name: str, example: str
) -> None:
    result = container_of(engine_name, example).train(tmp_path, iris_channel, {"max_leaf_nodes": "banana"})

    assert result.status is TrainingJobStatus.FAILED
    assert result.exit_code != 0
    assert result.model_archive is None
    assert "banana" in result.failure_reason
    assert any("banana" in line for line in result.last_lines)


@on_each_engine
@in_each_example
def test_train_without_the_channel_it_reads_fails_and_names_the_channel(
    container_of: Callable, tmp_path: Path, engine_name: str, example: str
) -> None:
    (tmp_path / "iris.csv").write_text("setosa,1,2,3,4\n")

    result = container_of(engine_name, example).train(tmp_path, tmp_path / "iris.csv", {}, channel_name="validation")

    assert result.status is TrainingJobStatus.FAILED
    assert result.exit_code
    assert "training" in result.failure_reason


@on_each_engine
@in_each_example
def test_serve_twice_at_once_gives_two_servers_that_do_not_meet(
    voyage_of: Callable, start_server: Callable, engine_name: str, example: str
) -> None:
    voyage = voyage_of(engine_name, example)

    with start_server(engine_name, example, voyage.training.model_archive) as one:
        with start_server(engine_name, example, voyage.training.model_archive) as two:
            assert one.url != two.url
            assert one.predict_payload().data == two.predict_payload().data == voyage.answer.data
            assert two.stop().exit_code == 0
        assert one.predict_payload().data == voyage.answer.data
        assert one.stop().exit_code == 0

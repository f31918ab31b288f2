"""``seatrial train`` over the fake engine: what is printed where, and with which exit code."""

import json
from pathlib import Path

import pytest

from seatrial.cli.main import main
from seatrial.testing.fakes import FakeContainer, FakeEngine, Program


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # noqa: ANN201
    (tmp_path / "iris.csv").write_text("setosa,1,2,3,4\n")

    def run_command(program: Program, *options: str) -> int:
        engine = FakeEngine({"tree": program})
        monkeypatch.setattr("seatrial.cli.train.choose_engine", lambda *_: (engine, "tree"))
        arguments = ["train", "--image", "tree", "--channel", f"training={tmp_path / 'iris.csv'}"]
        return main([*arguments, "--output", str(tmp_path / "out"), *options])

    return run_command


def good(container: FakeContainer) -> int:
    container.print_line("from the container")
    (container.path("/opt/ml/model") / "m").write_bytes(b"x")
    return 0


def bad(container: FakeContainer) -> int:
    for number in range(25):
        container.print_line(f"line {number}")
    container.path("/opt/ml/output/failure").write_text("column 3 is text")
    return 7


def test_train_good_container_exits_0_with_its_log_on_stdout(run, capsys, tmp_path) -> None:  # noqa: ANN001
    assert run(good) == 0
    shown = capsys.readouterr()
    assert shown.out == "from the container\n"
    assert "Completed after" in shown.err
    assert str(tmp_path / "out" / "model.tar.gz") in shown.err


def test_train_failing_container_exits_with_its_code_and_shows_last_lines_and_reason(run, capsys) -> None:  # noqa: ANN001
    assert run(bad) == 7
    shown = capsys.readouterr().err
    assert "last 20 lines" in shown
    assert "line 24" in shown
    assert "line 4\n" not in shown
    assert "AlgorithmError: column 3 is text, exit code: 7" in shown
    assert "Traceback" not in shown


def test_train_json_puts_one_document_on_stdout_and_the_log_on_stderr(run, capsys) -> None:  # noqa: ANN001
    assert run(bad, "--json") == 7
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["TrainingJobStatus"] == "Failed"
    assert document["ExitCode"] == 7
    assert document["FailureReason"] == "AlgorithmError: column 3 is text, exit code: 7"
    assert "line 24" in shown.err


def test_train_quiet_prints_no_log(run, capsys) -> None:  # noqa: ANN001
    assert run(good, "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_train_without_a_model_says_so_and_points_at_an_older_one(run, capsys, tmp_path) -> None:  # noqa: ANN001
    run(good)
    assert run(lambda _: 0) == 0
    assert "is from an earlier run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--channel", "test=/no/such/path"], "channel-path-missing"),
        (["--job-name", "under_score"], "training-job-name-invalid"),
        (["--hyperparameter", "novalue"], "option-not-a-pair"),
        (["--content-type", "validation=text/csv"], "content-type-without-channel"),
    ],
)
def test_train_bad_option_is_one_sentence_and_exit_2(run, capsys, options, code) -> None:  # noqa: ANN001
    assert run(good, *options) == 2
    shown = capsys.readouterr().err
    assert f"error[{code}]" in shown
    assert "Traceback" not in shown

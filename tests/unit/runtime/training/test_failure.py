from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.core.errors import ContractError
from seatrial.runtime.training.failure import report_end, report_failure
from seatrial.runtime.training.script_failure import ScriptFailure


@pytest.fixture
def opt_ml(tmp_path: Path) -> OptMl:
    return OptMl(tmp_path)


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_report_failure_of_an_exception_puts_its_summary_first(
    opt_ml: OptMl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_failure(raised(ValueError("two\nlines")), opt_ml) == 1

    text = opt_ml.failure_file.read_text()
    assert text.splitlines()[0] == "ValueError: two lines"
    assert "Traceback" in text
    assert "Traceback" in capsys.readouterr().err


def test_report_failure_of_an_exception_without_words_names_its_class(opt_ml: OptMl) -> None:
    report_failure(raised(MemoryError()), opt_ml)

    assert opt_ml.failure_file.read_text().splitlines()[0] == "MemoryError"


def test_report_failure_of_a_huge_message_keeps_the_first_line_within_the_limit(opt_ml: OptMl) -> None:
    report_failure(raised(ValueError("x" * 10_000)), opt_ml)

    assert len(opt_ml.failure_file.read_text().splitlines()[0]) == 1024


def test_report_failure_of_a_contract_error_is_one_sentence_without_traceback(
    opt_ml: OptMl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_failure(raised(ContractError("slug", "it broke", fix="mend it")), opt_ml) == 1

    assert opt_ml.failure_file.read_text() == "it broke; mend it"
    printed = capsys.readouterr().err
    assert "seatrial: error[slug]: it broke; mend it\n" in printed
    assert f"raised at {__file__}, line" in printed
    assert "Traceback" not in printed


def test_report_failure_of_a_script_writes_the_toolkit_s_text(opt_ml: OptMl) -> None:
    error = ScriptFailure("ExecuteUserScriptError", exit_code=3, error_message="E: x", command=["python", "t.py"])

    assert report_failure(raised(error), opt_ml) == 1
    assert opt_ml.failure_file.read_text() == error.failure_text()


@pytest.mark.parametrize(
    ("code", "exit_code", "summary"),
    [
        (0, 0, None),
        (None, 0, None),
        (3, 3, "the program ended with exit code 3"),
        (256, 1, "the program ended with exit code 256"),
        ("no data", 1, "no data"),
    ],
)
def test_report_failure_of_sys_exit_follows_its_code(
    opt_ml: OptMl, code: int | str | None, exit_code: int, summary: str | None
) -> None:
    assert report_failure(raised(SystemExit(code)), opt_ml) == exit_code
    assert (opt_ml.failure_file.read_text() if opt_ml.failure_file.exists() else None) == summary


def test_report_failure_of_an_interrupt_is_130(opt_ml: OptMl) -> None:
    assert report_failure(raised(KeyboardInterrupt()), opt_ml) == 130


@pytest.mark.parametrize(
    ("ended_with", "exit_code", "summary"),
    [
        (3, 3, "the training process ended with exit code 3 without an exception (os._exit?)"),
        (-11, 139, "the training process ended with exit code 139 (SIGSEGV)"),
        (
            -9,
            137,
            "the training process ended with exit code 137 (SIGKILL); often the instance has too little memory",
        ),
        (-40, 168, "the training process ended with exit code 168 (signal 40)"),
    ],
)
def test_report_end_of_a_process_that_left_no_reason_tells_how_it_ended(
    opt_ml: OptMl, capsys: pytest.CaptureFixture[str], ended_with: int, exit_code: int, summary: str
) -> None:
    assert report_end(ended_with, opt_ml) == exit_code

    assert opt_ml.failure_file.read_text() == summary
    assert capsys.readouterr().err == f"seatrial: the job has failed: {summary}\n"


def test_report_end_of_a_process_that_left_a_reason_adds_nothing(
    opt_ml: OptMl, capsys: pytest.CaptureFixture[str]
) -> None:
    opt_ml.output_dir.mkdir()
    opt_ml.failure_file.write_text("mine")

    assert report_end(1, opt_ml) == 1

    assert opt_ml.failure_file.read_text() == "mine"
    assert capsys.readouterr().err == ""


def test_report_failure_keeps_the_program_s_own_failure_file(opt_ml: OptMl) -> None:
    opt_ml.output_dir.mkdir()
    opt_ml.failure_file.write_text("mine")

    report_failure(raised(ValueError("theirs")), opt_ml)

    assert opt_ml.failure_file.read_text() == "mine"


def test_report_failure_where_the_file_cannot_be_written_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").write_text("a file where the directory should be")

    assert report_failure(raised(ValueError("x")), OptMl(tmp_path)) == 1
    assert "failure" in capsys.readouterr().err


def test_report_failure_of_text_that_is_no_unicode_is_written_all_the_same(opt_ml: OptMl) -> None:
    report_failure(raised(ContractError("slug", "half a pair \ud800")), opt_ml)

    assert opt_ml.failure_file.read_text() == "half a pair \\ud800"

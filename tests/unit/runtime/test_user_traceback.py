from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.contract.layout import OptMl
from seatrial.core.errors import RequestError
from seatrial.runtime import algorithm
from seatrial.runtime.serving.replies import reply_to_exception
from seatrial.runtime.training.failure import report_failure
from seatrial.runtime.user_traceback import keep_user_frames

OURS = ("seatrial/runtime", "<frozen", "importlib")


def raised_by(function: Callable[[], object]) -> BaseException:
    """What the function raises, without the frames of this test."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 (whatever it is)
        function()
    trace = raised.value.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return raised.value.with_traceback(trace)


def failed_import(path: Path, source: str | bytes) -> BaseException:
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return raised_by(lambda: algorithm.import_file(path))


def reported(error: BaseException, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The failure file and the log."""
    opt_ml = OptMl(tmp_path / "ml")
    assert report_failure(error, opt_ml) == 1
    return opt_ml.failure_file.read_text(), capsys.readouterr().err


def test_report_failure_of_a_syntax_error_shows_file_line_text_and_caret_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken_algorithm.py"
    error = failed_import(path, "import os\n\ndef train(job:\n    pass\n")

    failure, log = reported(error, tmp_path, capsys)

    summary, place, text, caret, _ = failure.splitlines()
    assert summary.startswith("SyntaxError: ")
    assert summary.endswith("(broken_algorithm.py, line 3)")
    assert place == f'  File "{path}", line 3'
    assert text == "    def train(job:"
    assert set(caret.strip()) == {"^"}
    assert log.startswith(f'seatrial: the job has failed\n  File "{path}", line 3\n    def train(job:\n')
    assert not any(mark in failure + log for mark in OURS)


def test_report_failure_of_a_syntax_error_in_an_imported_module_shows_the_import_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_helper.py").write_text("x = = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "importing_algorithm.py"

    failure, log = reported(failed_import(path, "import broken_helper\n"), tmp_path, capsys)

    assert f'File "{path}", line 1, in <module>\n    import broken_helper\n' in failure
    assert "    x = = 1\n" in failure
    assert not any(mark in failure + log for mark in OURS)


def test_report_failure_of_an_import_error_keeps_the_user_s_frames_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lacking_algorithm.py"
    source = "def load():\n    import no_such_package_at_all\n\nload()\n"

    failure, log = reported(failed_import(path, source), tmp_path, capsys)

    assert failure.splitlines()[0] == "ModuleNotFoundError: No module named 'no_such_package_at_all'"
    assert [line.strip() for line in failure.splitlines() if "File" in line] == [
        f'File "{path}", line 4, in <module>',
        f'File "{path}", line 2, in load',
    ]
    assert not any(mark in failure + log for mark in OURS)


@pytest.mark.parametrize("source", [b"a = 1\0", b"name = '\xe9'\n"])
def test_report_failure_of_a_file_that_is_no_source_shows_no_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: bytes
) -> None:
    failure, log = reported(failed_import(tmp_path / "binary_algorithm.py", source), tmp_path, capsys)

    assert not any(mark in failure + log for mark in OURS)


def test_keep_user_frames_shortens_what_an_exception_is_chained_to(tmp_path: Path) -> None:
    path = tmp_path / "chained_algorithm.py"
    error = failed_import(
        path, "try:\n    import no_such_package_at_all\nexcept ImportError as e:\n    raise ValueError('x') from e\n"
    )

    keep_user_frames(error)

    text = "".join(traceback.format_exception(error))
    assert text.count(f'File "{path}"') == 2
    assert not any(mark in text for mark in OURS)


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def test_report_failure_of_an_exception_without_text_leaves_a_failure_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failure, _ = reported(Mute(), tmp_path, capsys)

    assert failure.splitlines()[0] == "Mute: <exception str() failed>"


def test_reply_to_an_exception_without_text_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    assert reply_to_exception(Mute(), ()).status == 500
    assert "prediction failed: <exception str() failed>" in caplog.text


def test_reply_with_half_a_surrogate_pair_is_sent_all_the_same() -> None:
    reply = reply_to_exception(RequestError("malformed-body", "no number: \ud800"), ())

    assert (reply.status, reply.body) == (400, b"no number: \\ud800\n")


def test_keep_user_frames_of_a_coroutine_drops_asyncio_s() -> None:
    async def train() -> None:
        raise ValueError("x")

    error = raised_by(lambda: asyncio.run(train()))
    assert error.__traceback__ is not None
    assert "asyncio" in error.__traceback__.tb_frame.f_code.co_filename

    keep_user_frames(error)

    assert error.__traceback__.tb_frame.f_code.co_filename == __file__


def test_keep_user_frames_of_a_fault_of_ours_keeps_all() -> None:
    error = raised_by(lambda: algorithm.is_module_name(None))  # type: ignore[arg-type]

    keep_user_frames(error)

    assert "seatrial/runtime/algorithm.py" in "".join(traceback.format_exception(error))


def test_keep_user_frames_takes_a_file_whose_name_begins_as_our_directory_s_for_the_user_s() -> None:
    file = f"{Path(algorithm.__file__).parent}_of_mine.py"
    code = compile("raise ValueError('x')", file, "exec")
    error = raised_by(lambda: exec(code))  # noqa: S102 (only so can a file have a name of our package's)

    keep_user_frames(error)

    assert error.__traceback__ is not None
    assert error.__traceback__.tb_frame.f_code.co_filename == file

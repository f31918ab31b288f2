"""Commands whose stdout or stderr is closed, has lost its reader, or is full."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

TRAIN = """#!/bin/sh
i=0
while [ $i -lt 5000 ]; do echo "line $i of a log that fills the pipe"; i=$((i + 1)); done
echo weights > /opt/ml/model/weights
exit 0
"""
FAILURES = ("Traceback", "Exception", "BrokenPipe", "Errno")


def run(arguments: list[object], redirection: str, directory: Path) -> tuple[int, str]:
    """Exit code and output of a command whose streams a shell has redirected; ``&DEAD`` is a pipe without a reader."""
    words = " ".join(f"'{word}'" for word in (sys.executable, "-m", "seatrial", *arguments))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            ["bash", "-c", f"{words} {redirection.replace('DEAD', str(writer))}"],
            cwd=directory,
            check=False,
            capture_output=True,
            text=True,
            pass_fds=(writer,),
            timeout=50,
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr + done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "train").write_text(TRAIN)
    (tmp_path / "program" / "train").chmod(0o755)
    return tmp_path / "program"


@pytest.mark.parametrize("exit_code", [0, 7])
@pytest.mark.parametrize("redirection", [">&DEAD", ">&DEAD 2>&1", "2>&DEAD", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_train_that_nobody_reads_keeps_its_model_and_exit_code(
    program: Path, tmp_path: Path, redirection: str, exit_code: int
) -> None:
    (program / "train").write_text(TRAIN.replace("exit 0", f"exit {exit_code}"))

    code, shown = run(["train", "--program", program, "--output", "out"], redirection, tmp_path)

    assert code == exit_code, shown
    assert (tmp_path / "out" / "model.tar.gz").is_file()
    assert not any(word in shown for word in FAILURES), shown


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_train_whose_log_has_no_room_says_so_and_goes_on(program: Path, tmp_path: Path) -> None:
    code, shown = run(["train", "--program", program, "--output", "out"], "> /dev/full", tmp_path)

    assert code == 0, shown
    assert shown.count("warning: the rest of the log is lost: No space left on device") == 1
    assert (tmp_path / "out" / "model.tar.gz").is_file()
    assert not any(word in shown for word in FAILURES), shown


def test_train_whose_log_has_characters_that_stdout_lacks_goes_on(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (program / "train").write_text("#!/bin/sh\necho 'loss → 0'\necho next\n")

    code, shown = run(["train", "--program", program, "--output", "out"], "2>/dev/null", tmp_path)

    assert (code, shown) == (0, "loss ? 0\nnext\n")


def test_train_json_that_nobody_reads_ends_as_sigpipe_would(program: Path, tmp_path: Path) -> None:
    arguments = ["train", "--program", program, "--output", "out", "--json", "--quiet"]
    code, shown = run(arguments, ">&DEAD", tmp_path)

    assert code == 141, shown
    assert (tmp_path / "out" / "model.tar.gz").is_file()
    assert not any(word in shown for word in FAILURES), shown


def test_help_that_nobody_reads_ends_as_sigpipe_would(tmp_path: Path) -> None:
    assert run(["--help"], ">&DEAD", tmp_path) == (141, "")


def test_wrong_usage_that_nobody_reads_keeps_its_exit_code(tmp_path: Path) -> None:
    assert run(["fly"], "2>&DEAD", tmp_path) == (2, "")


@pytest.fixture
def url() -> Iterator[str]:
    """A server whose answer has no line end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"1,2")

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("redirection", ["2>&1 | cat", "> both 2>&1; cat both"])
def test_invoke_into_one_pipe_or_file_begins_its_status_on_a_new_line(
    tmp_path: Path, url: str, redirection: str
) -> None:
    (tmp_path / "row.csv").write_text("1\n")

    _, shown = run(["invoke", "row.csv", "--url", url], redirection, tmp_path)

    assert shown.splitlines()[:2] == ["1,2", "HTTP 200, no Content-Type, 3 bytes"]


def test_invoke_with_stdout_of_its_own_is_byte_exact(tmp_path: Path, url: str) -> None:
    (tmp_path / "row.csv").write_text("1\n")

    code, shown = run(["invoke", "row.csv", "--url", url], "> answer", tmp_path)

    assert (code, shown) == (0, "HTTP 200, no Content-Type, 3 bytes\n")
    assert (tmp_path / "answer").read_bytes() == b"1,2"


def test_invoke_that_nobody_reads_ends_as_sigpipe_would(tmp_path: Path, url: str) -> None:
    (tmp_path / "row.csv").write_text("1\n")

    code, shown = run(["invoke", "row.csv", "--url", url], ">&DEAD", tmp_path)

    assert code == 141, shown
    assert not any(word in shown for word in FAILURES), shown

"""``seatrial run`` as a user types it: what becomes of the command, and what its Python does."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home directory of a platform, as far as other commands look at it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "platform.json").write_text(json.dumps({"pid": os.getpid(), "port": 4577}))
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield home


def run(home: Path, *command: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "seatrial", "run", f"--home={home}", "--", *command]
    shell = {**os.environ, **(environment or {})}
    return subprocess.run(argv, env=shell, capture_output=True, text=True, timeout=50, check=False)


def run_python(home: Path, text: str, environment: Mapping[str, str] | None = None) -> str:
    done = run(home, sys.executable, "-c", text, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_exit_code_and_streams_are_the_commands(home: Path) -> None:
    done = run(home, "sh", "-c", "echo out; echo err >&2; exit 7", "--home=x")

    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_signal_reaches_the_command(home: Path) -> None:
    argv = [sys.executable, "-m", "seatrial", "run", f"--home={home}", "--"]
    script = "trap 'echo stopped; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen([*argv, "sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopped\n"
        assert process.wait(10) == 5


def test_broken_pipe_ends_the_command_as_in_a_shell(home: Path) -> None:
    """Python ignores SIGPIPE, and what is ignored stays so in the programs that it starts."""
    assert run(home, "sh", "-c", "kill -PIPE $$; echo ignored").returncode == -signal.SIGPIPE


def test_without_a_platform_says_how_to_start_one(tmp_path: Path) -> None:
    done = run(tmp_path / "nothing", "true")

    assert done.returncode == 2
    assert "error[platform-not-running]" in done.stderr
    assert "seatrial up -d" in done.stderr


def test_unknown_command_is_exit_127(home: Path) -> None:
    done = run(home, "no-such-command")

    assert done.returncode == 127
    assert "error[command-not-found]" in done.stderr


def test_command_that_cannot_be_executed_is_exit_126(home: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print()")
    done = run(home, str(tmp_path / "train.py"))

    assert done.returncode == 126
    assert "error[command-not-executable]" in done.stderr
    assert f"python {tmp_path}/train.py" in done.stderr


STS_OF_AWS = """
import boto3
client = boto3.Session(region_name="us-east-1").client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com")
print(client.meta.endpoint_url)
"""


def test_client_with_the_address_of_aws_talks_to_the_platform(home: Path) -> None:
    assert run_python(home, STS_OF_AWS) == "http://127.0.0.1:4577"


def test_program_gets_no_key_of_the_developer(home: Path, tmp_path: Path) -> None:
    """Neither from the environment nor from ~/.aws."""
    (tmp_path / ".aws").mkdir()
    keys = "aws_access_key_id = AKIAREAL\naws_secret_access_key = real\n"
    (tmp_path / ".aws" / "credentials").write_text(f"[default]\n{keys}[production]\n{keys}")
    (tmp_path / ".aws" / "config").write_text("[default]\nendpoint_url = https://example.org\nregion = eu-west-1\n")
    shell = {"HOME": str(tmp_path), "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "real"}
    shown = run_python(
        home,
        "import boto3; s = boto3.Session(); k = s.get_credentials(); "
        "print(k.access_key, k.token, s.region_name, s.available_profiles, s.client('s3').meta.endpoint_url)",
        shell,
    )

    assert shown == "seatrial None us-east-1 [] http://127.0.0.1:4577"


def test_sitecustomize_of_the_user_is_run_too(home: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.from_the_user = True\n")
    shown = run_python(
        home,
        f"import sys, sitecustomize; print(sys.from_the_user, sitecustomize.__file__)\n{STS_OF_AWS}",
        {"PYTHONPATH": str(tmp_path)},
    )

    assert shown == f"True {tmp_path}/sitecustomize.py\nhttp://127.0.0.1:4577"


def test_sitecustomize_of_the_user_that_fails_is_told_of_and_harms_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise OSError('mine')\n")
    done = run(home, sys.executable, "-c", STS_OF_AWS, environment={"PYTHONPATH": str(tmp_path)})

    assert "mine" in done.stderr
    assert done.stdout.strip() == "http://127.0.0.1:4577"


def test_botocore_of_an_unknown_kind_works_as_it_is(home: Path, tmp_path: Path) -> None:
    package = tmp_path / "botocore"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = 'two'\n")
    (package / "session.py").write_text("class Session: create_client = 'mine'\n")
    command = "from botocore.session import Session; print(Session.create_client)"
    done = run(home, sys.executable, "-c", command, environment={"PYTHONPATH": str(tmp_path)})

    assert done.stdout == "mine\n"
    assert done.stderr.startswith("seatrial run: botocore.session is of an unknown kind and left as it is")


def test_program_without_boto3_imports_nothing_of_ours_but_one_file(home: Path) -> None:
    shown = run_python(home, "import sys; print('urllib.parse' in sys.modules, 'typing' in sys.modules)")

    assert shown == "False False"
